//! What one distance costs: every kernel, every implementation that this machine can run, 384 and 1536 dimensions.
//!
//! The rows fit the second-level cache, so this measures arithmetic, not memory. Four-row kernels are timed for four
//! rows: divide by four to compare.

#![allow(missing_docs, reason = "criterion's macros write public functions without any")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use thermocline::bench_support::Kernels;

const DIMENSIONS: [usize; 2] = [384, 1536];
const ROWS: usize = 64;

/// Components in -1..1 and in the range of an int8 code, from a multiplicative hash of their position.
fn component(place: usize) -> f32 {
    let hash = (place as u32).wrapping_mul(0x9E37_79B9) ^ 0x5555_5555;
    hash.wrapping_mul(0x85EB_CA6B) as f32 / 2_147_483_648.0 - 1.0
}

fn code(place: usize) -> i8 {
    (component(place) * 127.0) as i8
}

fn f32_kernels(criterion: &mut Criterion) {
    for dimensions in DIMENSIONS {
        let query: Vec<f32> = (0..dimensions).map(component).collect();
        let rows: Vec<f32> = (0..dimensions * ROWS).map(|i| component(i + 7777)).collect();
        let rows: Vec<&[f32]> = rows.chunks_exact(dimensions).collect();
        let mut group = criterion.benchmark_group(format!("f32/{dimensions}"));
        group.throughput(Throughput::Elements(ROWS as u64));
        for kernels in Kernels::available() {
            group.bench_function(BenchmarkId::new("dot", kernels.simd()), |b| {
                b.iter(|| rows.iter().map(|row| kernels.dot_f32(black_box(&query), row)).sum::<f32>());
            });
            group.bench_function(BenchmarkId::new("l2", kernels.simd()), |b| {
                b.iter(|| rows.iter().map(|row| kernels.l2_f32(black_box(&query), row)).sum::<f32>());
            });
            group.bench_function(BenchmarkId::new("dot_x4", kernels.simd()), |b| {
                b.iter(|| {
                    let fours = rows.as_chunks::<4>().0.iter();
                    fours.map(|&four| kernels.dot_f32x4(black_box(&query), four)[3]).sum::<f32>()
                });
            });
            group.bench_function(BenchmarkId::new("l2_x4", kernels.simd()), |b| {
                b.iter(|| {
                    let fours = rows.as_chunks::<4>().0.iter();
                    fours.map(|&four| kernels.l2_f32x4(black_box(&query), four)[3]).sum::<f32>()
                });
            });
        }
        group.finish();
    }
}

fn int8_kernels(criterion: &mut Criterion) {
    for dimensions in DIMENSIONS {
        let query: Vec<i16> = (0..dimensions).map(|i| i16::from(code(i))).collect();
        let rows: Vec<u8> = (0..dimensions * ROWS).map(|i| code(i + 7777).cast_unsigned()).collect();
        let rows: Vec<&[u8]> = rows.chunks_exact(dimensions).collect();
        let mut group = criterion.benchmark_group(format!("int8/{dimensions}"));
        group.throughput(Throughput::Elements(ROWS as u64));
        for kernels in Kernels::available() {
            group.bench_function(BenchmarkId::new("dot", kernels.simd()), |b| {
                b.iter(|| rows.iter().fold(0i32, |sum, row| sum ^ kernels.dot_i8(black_box(&query), row)));
            });
            group.bench_function(BenchmarkId::new("l2", kernels.simd()), |b| {
                b.iter(|| rows.iter().fold(0i32, |sum, row| sum ^ kernels.l2_i8(black_box(&query), row)));
            });
            group.bench_function(BenchmarkId::new("dot_x4", kernels.simd()), |b| {
                b.iter(|| {
                    let fours = rows.as_chunks::<4>().0.iter();
                    fours.fold(0i32, |sum, &four| sum ^ kernels.dot_i8x4(black_box(&query), four)[3])
                });
            });
            group.bench_function(BenchmarkId::new("l2_x4", kernels.simd()), |b| {
                b.iter(|| {
                    let fours = rows.as_chunks::<4>().0.iter();
                    fours.fold(0i32, |sum, &four| sum ^ kernels.l2_i8x4(black_box(&query), four)[3])
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, f32_kernels, int8_kernels);
criterion_main!(benches);
