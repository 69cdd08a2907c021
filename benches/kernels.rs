//! What one distance costs: every kernel, every implementation that this machine can run, 384 and 1536 dimensions.
//!
//! The rows fit the second-level cache, so this measures arithmetic, not memory. An iteration compares all rows with
//! one query; `pairs_x4` compares them with four.

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

/// Two components in -7..=7, as [`Kernels::dot_pairs_x4`] takes them.
fn pair(place: usize) -> i16 {
    let [a, b] = [2 * place, 2 * place + 1].map(|place| i16::from(code(place) / 18));
    a + 4096 * b
}

/// Bits, each set or not.
fn word(place: usize) -> u64 {
    (0..64).fold(0, |word, bit| word << 1 | u64::from(component(64 * place + bit) < 0.0))
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

fn code_kernels(criterion: &mut Criterion) {
    for dimensions in DIMENSIONS {
        let query: Vec<i16> = (0..dimensions).map(|i| i16::from(code(i))).collect();
        let nibbles: Vec<u8> = (0..dimensions / 2 * ROWS).map(|i| code(i + 7777).cast_unsigned()).collect();
        let nibbles: Vec<&[u8]> = nibbles.chunks_exact(dimensions / 2).collect();
        let pairs: Vec<i16> = (0..dimensions / 2 * ROWS).map(pair).collect();
        let pairs: Vec<&[i16]> = pairs.chunks_exact(dimensions / 2).collect();
        let bits: Vec<u64> = (0..dimensions / 64 * ROWS).map(word).collect();
        let planes: Vec<[u64; 4]> =
            (0..dimensions / 64).map(|i| [1, 2, 3, 4].map(|plane| word(plane * 999 + i))).collect();
        let mut group = criterion.benchmark_group(format!("codes/{dimensions}"));
        group.throughput(Throughput::Elements(ROWS as u64));
        for kernels in Kernels::available() {
            group.bench_function(BenchmarkId::new("nibbles_x4", kernels.simd()), |b| {
                b.iter(|| {
                    let fours = nibbles.as_chunks::<4>().0.iter();
                    fours.fold(0i32, |sum, &four| sum ^ kernels.dot_nibbles_x4(black_box(&query), four)[3])
                });
            });
            group.bench_function(BenchmarkId::new("planes", kernels.simd()), |b| {
                let rows = || bits.chunks_exact(dimensions / 64);
                b.iter(|| rows().fold(0u32, |sum, row| sum ^ kernels.count_planes(black_box(&planes), row)));
            });
            group.bench_function(BenchmarkId::new("pairs_x4", kernels.simd()), |b| {
                let turned = [pairs[0], pairs[1], pairs[2], pairs[3]];
                b.iter(|| {
                    let twos = pairs.as_chunks::<2>().0.iter();
                    twos.fold(0i32, |sum, &two| sum ^ kernels.dot_pairs_x4(black_box(turned), two)[1][3])
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, f32_kernels, code_kernels);
criterion_main!(benches);
