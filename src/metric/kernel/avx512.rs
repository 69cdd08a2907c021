//! AVX-512 where it helps: counting bits in vectors, and the products of a bulk build, whose codes are in the cache.
//! Everything else is AVX2, because a search by int8 codes waits for memory and not for products. [`table`] hands the
//! kernels out only to a processor that has all that they need; the other rules are those of `x86_64.rs`.

use core::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256, _mm256_loadu_si256, _mm256_popcnt_epi64,
    _mm256_set1_epi64x, _mm256_setr_epi64x, _mm256_setzero_si256, _mm256_sllv_epi64, _mm512_add_epi32,
    _mm512_castsi512_si256, _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srai_epi32,
};

use super::x86_64::{AVX2, fold_four, fold_one};
use super::{Kernels, Table};

static TABLE: Table = Table { simd: "avx512", count_planes, dot_pairs_x4, ..AVX2 };

/// The kernels, or `None` if this processor cannot run them all. Nothing else in this file is reachable from outside.
pub(super) fn table() -> Option<&'static Table> {
    (super::x86_64::table().is_some()
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vpopcntdq"))
    .then_some(&TABLE)
}

fn count_planes(planes: &[[u64; 4]], row: &[u64]) -> u32 {
    // SAFETY: the only way here is through `TABLE`, and `table` gives that out only after it has found AVX2, AVX512VL
    // and AVX512VPOPCNTDQ. Bounds are kept by the inner function, which takes slices.
    unsafe { planes_in_common(planes, row) }
}

/// Counts four planes at once, in four lanes.
#[inline]
#[target_feature(enable = "avx2,fma,avx512vl,avx512vpopcntdq")]
fn planes_in_common(planes: &[[u64; 4]], row: &[u64]) -> u32 {
    let mut counts = _mm256_setzero_si256();
    for (planes, &word) in planes.iter().zip(row) {
        // SAFETY: an array of four words is the 32 bytes read. `loadu` asks for no alignment.
        let planes = unsafe { _mm256_loadu_si256(planes.as_ptr().cast::<__m256i>()) };
        let common = _mm256_and_si256(planes, _mm256_set1_epi64x(word.cast_signed()));
        counts = _mm256_add_epi64(counts, _mm256_popcnt_epi64(common));
    }
    let weighed = _mm256_sllv_epi64(counts, _mm256_setr_epi64x(0, 1, 2, 3));
    // Sums wrap at 32 bits, so the upper half of a lane does not count.
    let weighed = _mm256_and_si256(weighed, _mm256_set1_epi64x(0xFFFF_FFFF));
    fold_one(weighed).cast_unsigned()
}

fn dot_pairs_x4(turned: [&[i16]; 4], rows: [&[i16]; 2]) -> [[i32; 4]; 2] {
    // SAFETY: the only way here is through `TABLE`, and `table` gives that out only after it has found AVX2, FMA and
    // AVX512BW. Bounds are kept by the inner function, which takes slices.
    unsafe { two_pairs(turned, rows) }
}

/// As the kernel in `x86_64.rs`, which says why the middle of a sum is exact: a lane has sixteen products after eight
/// steps here, too, which is four groups.
#[inline]
#[target_feature(enable = "avx2,fma,avx512bw")]
fn two_pairs(turned: [&[i16]; 4], rows: [&[i16]; 2]) -> [[i32; 4]; 2] {
    let words = turned.iter().chain(&rows).fold(usize::MAX, |n, words| n.min(words.len()));
    let n = words - words % Kernels::PAIRS_GROUP;
    let mut sums = [[_mm512_setzero_si512(); 4]; 2];
    let mut i = 0;
    while i < n {
        let end = n.min(i + 4 * Kernels::PAIRS_GROUP);
        let mut groups = [[_mm512_set1_epi32(2048); 4]; 2];
        while i < end {
            // SAFETY: `i` and `n` are multiples of 32 and `i < n`, so `i + 32 <= n`, which is no greater than the
            // length of any slice: the 64 bytes read lie inside it. `loadu` asks for no alignment.
            let load = |words: &[i16]| unsafe { _mm512_loadu_si512(words.as_ptr().add(i).cast::<__m512i>()) };
            let turned = [load(turned[0]), load(turned[1]), load(turned[2]), load(turned[3])];
            for (sums, row) in groups.iter_mut().zip(rows) {
                let row = load(row);
                for (sum, turned) in sums.iter_mut().zip(turned) {
                    *sum = _mm512_add_epi32(*sum, _mm512_madd_epi16(turned, row));
                }
            }
            i += 32;
        }
        for (sum, groups) in sums.as_flattened_mut().iter_mut().zip(groups.as_flattened()) {
            *sum = _mm512_add_epi32(*sum, _mm512_srai_epi32::<20>(_mm512_slli_epi32::<8>(*groups)));
        }
    }
    let halve = |sum| _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum));
    let fold = |[s0, s1, s2, s3]: [__m512i; 4]| fold_four([halve(s0), halve(s1), halve(s2), halve(s3)]);
    [fold(sums[0]), fold(sums[1])]
}
