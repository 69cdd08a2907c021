//! AVX-512 where it helps: counting bits in vectors. Everything else is AVX2, because a search by int8 codes waits for
//! memory and not for products. [`table`] hands the kernels out only to a processor that has all that they need; the
//! other rules are those of `x86_64.rs`.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_and_si256, _mm256_loadu_si256, _mm256_popcnt_epi64, _mm256_set1_epi64x,
    _mm256_setr_epi64x, _mm256_setzero_si256, _mm256_sllv_epi64,
};

use super::Table;
use super::x86_64::{AVX2, fold_one};

static TABLE: Table = Table { simd: "avx512", count_planes, ..AVX2 };

/// The kernels, or `None` if this processor cannot run them all. Nothing else in this file is reachable from outside.
pub(super) fn table() -> Option<&'static Table> {
    (super::x86_64::table().is_some()
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
