//! AVX2, with FMA for f32 and POPCNT for bits. [`table`] hands the kernels out only to processors that have all three.
//!
//! Functions with a `#[target_feature]` may run only there; that is the only obligation of their callers.
//!
//! No array is mapped by a closure here. `map` lacks the features, so that the closure can be inlined only after `map`
//! has been, and in programs without link-time optimization it was not: loops called it for each vector.

use core::arch::x86_64::{
    __cpuid, __m128i, __m256, __m256i, _MM_HINT_T0, _mm_add_epi32, _mm_add_ps, _mm_add_ss, _mm_cvtsi128_si32,
    _mm_cvtss_f32, _mm_movehl_ps, _mm_prefetch, _mm_shuffle_epi32, _mm_shuffle_ps, _mm_storeu_si128,
    _mm_unpackhi_epi32, _mm_unpackhi_epi64, _mm_unpacklo_epi32, _mm_unpacklo_epi64, _mm256_add_epi32, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_castsi256_si128, _mm256_cmpgt_epi32, _mm256_extractf128_ps,
    _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maskload_ps, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_slli_epi32, _mm256_srai_epi16, _mm256_srai_epi32, _mm256_sub_ps,
};

use super::Table;

/// The summand of an inner product.
const PRODUCT: u8 = 0;
/// The summand of a squared Euclidean distance.
const SQUARED_DIFFERENCE: u8 = 1;

pub(super) const AVX2: Table =
    Table { simd: "avx2", dot_f32, l2_f32, dot_f32x4, l2_f32x4, dot_nibbles_x4, dot_pairs_x4, count_planes };

static TABLE: Table = AVX2;

/// The kernels, or `None` if this processor cannot run them all. Nothing else in this file is reachable from outside.
pub(super) fn table() -> Option<&'static Table> {
    (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("popcnt"))
        .then_some(&TABLE)
}

/// Whether many lines come in faster by plain loads than by prefetches. So it is on AMD's Zen 4, where a search takes a
/// quarter to a third less time with loads (docs/EXPERIMENTS.md). On an Intel Xeon it takes 4 to 10 % more.
pub(super) fn loads_are_faster() -> bool {
    let vendor = __cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
}

/// Asks for the cache line that `bytes` begins in. Part of every x86-64, so it needs no detection.
#[inline]
pub(super) fn prefetch(bytes: &[u8]) {
    // SAFETY: a prefetch is a hint and faults on no address; this one is inside a slice besides.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().cast::<i8>()) };
}

/// Defines the entries of [`TABLE`], which are ordinary functions, each around one that needs the features.
macro_rules! entries {
    ($($name:ident($query:ty, $row:ty) -> $sum:ty = $inner:ident$(::<$summand:ident>)?;)*) => {$(
        fn $name(query: $query, row: $row) -> $sum {
            // SAFETY: the only way to this function is through `TABLE`, and `table` gives that out only after it has
            // found AVX2, FMA and POPCNT. Bounds are kept by the inner function, which takes slices.
            unsafe { $inner$(::<$summand>)?(query, row) }
        }
    )*};
}

entries! {
    dot_f32(&[f32], &[f32]) -> f32 = one_f32::<PRODUCT>;
    l2_f32(&[f32], &[f32]) -> f32 = one_f32::<SQUARED_DIFFERENCE>;
    dot_f32x4(&[f32], [&[f32]; 4]) -> [f32; 4] = four_f32::<PRODUCT>;
    l2_f32x4(&[f32], [&[f32]; 4]) -> [f32; 4] = four_f32::<SQUARED_DIFFERENCE>;
    dot_nibbles_x4(&[i16], [&[u8]; 4]) -> [i32; 4] = four_nibbles;
    dot_pairs_x4([&[i16]; 4], [&[i16]; 2]) -> [[i32; 4]; 2] = two_pairs;
    count_planes(&[[u64; 4]], &[u64]) -> u32 = planes;
}

/// Counts bits by the instruction for it.
#[target_feature(enable = "popcnt")]
fn planes(planes: &[[u64; 4]], row: &[u64]) -> u32 {
    super::bits::count_planes(planes, row)
}

/// Adds the summands of eight components to the lanes of `sum`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_f32<const SUMMAND: u8>(sum: __m256, a: __m256, b: __m256) -> __m256 {
    if SUMMAND == PRODUCT {
        _mm256_fmadd_ps(a, b, sum)
    } else {
        let difference = _mm256_sub_ps(a, b);
        _mm256_fmadd_ps(difference, difference, sum)
    }
}

/// Folds thirty-two lanes into one value.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn fold_f32(sums: [__m256; 4]) -> f32 {
    let eight = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn one_f32<const SUMMAND: u8>(a: &[f32], b: &[f32]) -> f32 {
    let [sum] = rows_f32::<SUMMAND, 1>(a, [b]);
    sum
}

/// Two rows at a time share the loads of the query. Four at a time would need more registers than there are, or fewer
/// sums a row, and then other bits than [`one_f32`].
#[inline]
#[target_feature(enable = "avx2,fma")]
fn four_f32<const SUMMAND: u8>(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    let n = rows.iter().fold(query.len(), |n, row| n.min(row.len()));
    let [s0, s1] = rows_f32::<SUMMAND, 2>(&query[..n], [rows[0], rows[1]]);
    let [s2, s3] = rows_f32::<SUMMAND, 2>(&query[..n], [rows[2], rows[3]]);
    [s0, s1, s2, s3]
}

/// The sums of `query` with `ROWS` rows, over the shortest of them all.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn rows_f32<const SUMMAND: u8, const ROWS: usize>(query: &[f32], rows: [&[f32]; ROWS]) -> [f32; ROWS] {
    let n = rows.iter().fold(query.len(), |n, row| n.min(row.len()));
    // SAFETY: `n` is no greater than the length of any slice, and every use below has `i + 8 <= n`, so the 32 bytes
    // read lie inside the slice. `loadu` asks for no alignment.
    let load = |slice: &[f32], i: usize| unsafe { _mm256_loadu_ps(slice.as_ptr().add(i)) };
    let mut sums = [[_mm256_setzero_ps(); 4]; ROWS];
    let mut i = 0;
    while i + 32 <= n {
        for lane in 0..4 {
            let q = load(query, i + 8 * lane);
            for (sums, row) in sums.iter_mut().zip(rows) {
                sums[lane] = add_f32::<SUMMAND>(sums[lane], q, load(row, i + 8 * lane));
            }
        }
        i += 32;
    }
    for lane in 0..3 {
        if i + 8 <= n {
            let q = load(query, i);
            for (sums, row) in sums.iter_mut().zip(rows) {
                sums[lane] = add_f32::<SUMMAND>(sums[lane], q, load(row, i));
            }
            i += 8;
        }
    }
    if i < n {
        // Lane j is in the mask when component i + j exists; fewer than eight are left, so the cast cannot wrap.
        let left = _mm256_set1_epi32((n - i) as i32);
        let mask = _mm256_cmpgt_epi32(left, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        // SAFETY: `i < n`, so the pointer lies inside the slice, and the lanes of the mask are components below `n`; a
        // masked load neither reads nor faults on the others, and gives zeros there, which add nothing.
        let load = |slice: &[f32]| unsafe { _mm256_maskload_ps(slice.as_ptr().add(i), mask) };
        let q = load(query);
        for (sums, row) in sums.iter_mut().zip(rows) {
            sums[3] = add_f32::<SUMMAND>(sums[3], q, load(row));
        }
    }
    let mut folded = [0.0; ROWS];
    for (folded, sums) in folded.iter_mut().zip(sums) {
        *folded = fold_f32(sums);
    }
    folded
}

/// The sum of the two halves.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn halve_i32(sum: __m256i) -> __m128i {
    _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum))
}

/// The sum of the lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn fold_one(sum: __m256i) -> i32 {
    let four = halve_i32(sum);
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b_00_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)))
}

/// The sums of the lanes of four vectors.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn fold_four(sums: [__m256i; 4]) -> [i32; 4] {
    let [s0, s1, s2, s3] = sums;
    let [s0, s1, s2, s3] = [halve_i32(s0), halve_i32(s1), halve_i32(s2), halve_i32(s3)];
    // Transposing while adding leaves the four sums in the four lanes.
    let s01 = _mm_add_epi32(_mm_unpacklo_epi32(s0, s1), _mm_unpackhi_epi32(s0, s1));
    let s23 = _mm_add_epi32(_mm_unpacklo_epi32(s2, s3), _mm_unpackhi_epi32(s2, s3));
    let folded = _mm_add_epi32(_mm_unpacklo_epi64(s01, s23), _mm_unpackhi_epi64(s01, s23));
    let mut sums = [0i32; 4];
    // SAFETY: the array has room for the sixteen bytes, and `storeu` asks for no alignment.
    unsafe { _mm_storeu_si128(sums.as_mut_ptr().cast::<__m128i>(), folded) };
    sums
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn four_nibbles(query: &[i16], rows: [&[u8]; 4]) -> [i32; 4] {
    fold_four(rows_nibbles(query, rows))
}

/// The sums of `query` with `ROWS` rows, in whole blocks, over the shortest of them all.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn rows_nibbles<const ROWS: usize>(query: &[i16], rows: [&[u8]; ROWS]) -> [__m256i; ROWS] {
    let blocks = rows.iter().fold(query.len() / 64, |n, row| n.min(row.len() / 32));
    let mut sums = [_mm256_setzero_si256(); ROWS];
    for block in 0..blocks {
        // SAFETY: `block` is below the number of whole blocks of the query, 128 bytes each, and of every row, 32 bytes
        // each, so all that is read lies inside the slices. `loadu` asks for no alignment.
        unsafe {
            let query = query.as_ptr().add(64 * block).cast::<__m256i>();
            let (q0, q1) = (_mm256_loadu_si256(query), _mm256_loadu_si256(query.add(1)));
            let (q2, q3) = (_mm256_loadu_si256(query.add(2)), _mm256_loadu_si256(query.add(3)));
            for (sum, row) in sums.iter_mut().zip(rows) {
                let words = _mm256_loadu_si256(row.as_ptr().add(32 * block).cast::<__m256i>());
                let first = _mm256_madd_epi16(q0, words);
                let second = _mm256_madd_epi16(q1, _mm256_srai_epi16::<4>(words));
                let third = _mm256_madd_epi16(q2, _mm256_srai_epi16::<8>(words));
                let fourth = _mm256_madd_epi16(q3, _mm256_srai_epi16::<12>(words));
                let both = _mm256_add_epi32(_mm256_add_epi32(first, second), _mm256_add_epi32(third, fourth));
                *sum = _mm256_add_epi32(*sum, both);
            }
        }
    }
    sums
}

/// The inner products of packed pairs.
///
/// A word times a turned one is `a b' + 4096 (a a' + b b') + 2^24 b a'`. The middle is what is wanted. In a sum of
/// sixteen such products the first part is within ±784 and the middle one within ±1568, so that the middle is a signed
/// number in the 12 bits above bit 12, once half of 4096 is added to round away the first part. The last part may wrap:
/// it is shifted out. A lane has sixteen products after eight steps, which is two groups.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn two_pairs(turned: [&[i16]; 4], rows: [&[i16]; 2]) -> [[i32; 4]; 2] {
    let words = turned.iter().chain(&rows).fold(usize::MAX, |n, words| n.min(words.len()));
    let n = words - words % super::Kernels::PAIRS_GROUP;
    let mut sums = [[_mm256_setzero_si256(); 4]; 2];
    let mut i = 0;
    while i < n {
        let end = n.min(i + 2 * super::Kernels::PAIRS_GROUP);
        let mut groups = [[_mm256_set1_epi32(2048); 4]; 2];
        while i < end {
            // SAFETY: `i` and `n` are multiples of 16 and `i < n`, so `i + 16 <= n`, which is no greater than the
            // length of any slice: the 32 bytes read lie inside it. `loadu` asks for no alignment.
            let load = |words: &[i16]| unsafe { _mm256_loadu_si256(words.as_ptr().add(i).cast::<__m256i>()) };
            let turned = [load(turned[0]), load(turned[1]), load(turned[2]), load(turned[3])];
            for (sums, row) in groups.iter_mut().zip(rows) {
                let row = load(row);
                for (sum, turned) in sums.iter_mut().zip(turned) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(turned, row));
                }
            }
            i += 16;
        }
        for (sum, groups) in sums.as_flattened_mut().iter_mut().zip(groups.as_flattened()) {
            *sum = _mm256_add_epi32(*sum, _mm256_srai_epi32::<20>(_mm256_slli_epi32::<8>(*groups)));
        }
    }
    [fold_four(sums[0]), fold_four(sums[1])]
}
