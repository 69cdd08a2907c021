//! WebAssembly simd128. Functions called from many places are not inlined: a call costs little beside their work.

use core::arch::wasm32::{
    f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_splat, f32x4_sub, i16x8_shr, i32x4_add, i32x4_dot_i16x8,
    i32x4_extract_lane, i32x4_shl, i32x4_shr, i32x4_shuffle, i32x4_splat, v128, v128_load,
};

pub(super) use super::bits::count_planes;

/// What [`super::Kernels::simd`] says.
pub(super) const SIMD: &str = "simd128";

/// The summand of an inner product.
const PRODUCT: u8 = 0;
/// The summand of a squared Euclidean distance.
const SQUARED_DIFFERENCE: u8 = 1;

#[inline(never)]
pub(super) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    one_f32::<PRODUCT>(a, b)
}

#[inline(never)]
pub(super) fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    one_f32::<SQUARED_DIFFERENCE>(a, b)
}

#[inline(never)]
pub(super) fn dot_f32x4(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    four_f32::<PRODUCT>(query, rows)
}

#[inline(never)]
pub(super) fn l2_f32x4(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    four_f32::<SQUARED_DIFFERENCE>(query, rows)
}

/// The inner products of numbers with nibbles: [`super::Kernels::dot_nibbles_x4`].
#[inline(never)]
pub(super) fn dot_nibbles_x4(query: &[i16], rows: [&[u8]; 4]) -> [i32; 4] {
    fold_four(rows_nibbles(query, rows))
}

/// The sums of `query` with `ROWS` rows, in whole blocks, over the shortest of them all.
#[inline(always)]
fn rows_nibbles<const ROWS: usize>(query: &[i16], rows: [&[u8]; ROWS]) -> [v128; ROWS] {
    let blocks = rows.iter().fold(query.len() / 64, |n, row| n.min(row.len() / 32));
    let mut sums = [i32x4_splat(0); ROWS];
    let mut step = |block: usize, half: usize| {
        // SAFETY: `block` is below the number of whole blocks of the query, 128 bytes each, and of every row, 32 bytes
        // each, and `half` is 0 or 1: half a block is 16 bytes of a row and every second eight numbers of the query.
        // So all that is read lies inside the slices. `v128_load` asks for no alignment.
        unsafe {
            let query = query.as_ptr().add(64 * block + 8 * half).cast::<v128>();
            let [q0, q1, q2, q3] = [0, 2, 4, 6].map(|i| v128_load(query.add(i)));
            for (sum, row) in sums.iter_mut().zip(rows) {
                let words = v128_load(row.as_ptr().add(32 * block + 16 * half).cast::<v128>());
                let low = i32x4_add(i32x4_dot_i16x8(q0, words), i32x4_dot_i16x8(q1, i16x8_shr(words, 4)));
                let high =
                    i32x4_add(i32x4_dot_i16x8(q2, i16x8_shr(words, 8)), i32x4_dot_i16x8(q3, i16x8_shr(words, 12)));
                *sum = i32x4_add(*sum, i32x4_add(low, high));
            }
        }
    };
    for block in 0..blocks {
        step(block, 0);
        step(block, 1);
    }
    sums
}

/// The inner products of packed pairs: [`super::Kernels::dot_pairs_x4`].
///
/// A word times a turned one is `a b' + 4096 (a a' + b b') + 2^24 b a'`. The middle is what is wanted. In a sum of
/// sixteen such products the first part is within ±784 and the middle one within ±1568, so that the middle is a signed
/// number in the 12 bits above bit 12, once half of 4096 is added to round away the first part. The last part may wrap:
/// it is shifted out. A lane has sixteen products after eight steps, which is a group.
#[inline(never)]
pub(super) fn dot_pairs_x4(turned: [&[i16]; 4], rows: [&[i16]; 2]) -> [[i32; 4]; 2] {
    const GROUP: usize = 2 * super::Kernels::PAIRS_GROUP;
    let words = turned.iter().chain(&rows).fold(usize::MAX, |n, words| n.min(words.len()));
    // Counted in bytes, because an index of words is one more shift in each step.
    let n = 2 * words / GROUP * GROUP;
    let mut sums = [[i32x4_splat(0); 4]; 2];
    let mut i = 0;
    while i < n {
        // Always a whole group; the minimum keeps the compiler from knowing so and unrolling the steps. Unrolled they
        // are twice the code, and V8 takes a fifth longer. Two steps at a time, or one row, take a tenth longer.
        let end = n.min(i + GROUP);
        let mut group = [[i32x4_splat(2048); 4]; 2];
        while i < end {
            // SAFETY: `i` and `n` are multiples of 16 and `i < n`, so `i + 16 <= n`, which is no greater than the
            // bytes of any slice: the sixteen bytes read lie inside it. `v128_load` asks for no alignment.
            let load = |words: &[i16]| unsafe { v128_load(words.as_ptr().byte_add(i).cast::<v128>()) };
            let turned = turned.map(load);
            for (sums, row) in group.iter_mut().zip(rows) {
                let row = load(row);
                for (sum, turned) in sums.iter_mut().zip(turned) {
                    *sum = i32x4_add(*sum, i32x4_dot_i16x8(turned, row));
                }
            }
            i += 16;
        }
        for (sum, group) in sums.as_flattened_mut().iter_mut().zip(group.as_flattened()) {
            *sum = i32x4_add(*sum, i32x4_shr(i32x4_shl(*group, 8), 20));
        }
    }
    sums.map(fold_four)
}

/// Adds the summands of four components to the lanes of `sum`.
#[inline(always)]
fn add_f32<const SUMMAND: u8>(sum: v128, a: v128, b: v128) -> v128 {
    if SUMMAND == PRODUCT {
        f32x4_add(sum, f32x4_mul(a, b))
    } else {
        let difference = f32x4_sub(a, b);
        f32x4_add(sum, f32x4_mul(difference, difference))
    }
}

/// The summand of one component.
#[inline(always)]
fn term_f32<const SUMMAND: u8>(a: f32, b: f32) -> f32 {
    if SUMMAND == PRODUCT { a * b } else { (a - b) * (a - b) }
}

/// Folds sixteen lanes into one value, in the order that the scalar reference uses.
#[inline(always)]
fn fold_f32(sums: [v128; 4]) -> f32 {
    let quarters = f32x4_add(f32x4_add(sums[0], sums[1]), f32x4_add(sums[2], sums[3]));
    let halves = f32x4_add(quarters, i32x4_shuffle::<2, 3, 0, 1>(quarters, quarters));
    f32x4_extract_lane::<0>(halves) + f32x4_extract_lane::<1>(halves)
}

#[inline(always)]
fn one_f32<const SUMMAND: u8>(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let [sum] = rows_f32::<SUMMAND, 1>(&a[..n], [b]);
    sum
}

/// Two rows at a time share the loads of the query. Four at a time would need more registers than x86 has, or fewer
/// sums a row, and then other bits than [`one_f32`].
#[inline(always)]
fn four_f32<const SUMMAND: u8>(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    let n = query.len().min(rows[0].len()).min(rows[1].len()).min(rows[2].len()).min(rows[3].len());
    let [s0, s1] = rows_f32::<SUMMAND, 2>(&query[..n], [rows[0], rows[1]]);
    let [s2, s3] = rows_f32::<SUMMAND, 2>(&query[..n], [rows[2], rows[3]]);
    [s0, s1, s2, s3]
}

/// The sums of `query` with `ROWS` rows, over the shortest of them all.
#[inline(always)]
fn rows_f32<const SUMMAND: u8, const ROWS: usize>(query: &[f32], rows: [&[f32]; ROWS]) -> [f32; ROWS] {
    let n = rows.iter().fold(query.len(), |n, row| n.min(row.len()));
    // SAFETY: `n` is no greater than the length of any slice, and both callers below ask for `i + 4 <= n`, so the
    // sixteen bytes read lie inside the slice. `v128_load` asks for no alignment.
    let load = |slice: &[f32], i: usize| unsafe { v128_load(slice.as_ptr().add(i).cast::<v128>()) };
    let mut sums = [[f32x4_splat(0.0); 4]; ROWS];
    for block in 0..n / 16 {
        for lane in 0..4 {
            let i = 16 * block + 4 * lane;
            let q = load(query, i);
            for (sums, row) in sums.iter_mut().zip(rows) {
                sums[lane] = add_f32::<SUMMAND>(sums[lane], q, load(row, i));
            }
        }
    }
    let mut i = n - n % 16;
    for lane in 0..3 {
        if i + 4 <= n {
            let q = load(query, i);
            for (sums, row) in sums.iter_mut().zip(rows) {
                sums[lane] = add_f32::<SUMMAND>(sums[lane], q, load(row, i));
            }
            i += 4;
        }
    }
    let mut folded = sums.map(fold_f32);
    for (sum, row) in folded.iter_mut().zip(rows) {
        for (&x, &y) in query[i..n].iter().zip(&row[i..n]) {
            *sum += term_f32::<SUMMAND>(x, y);
        }
    }
    folded
}

/// The sums of the lanes of four vectors.
#[inline(always)]
pub(super) fn fold_four([s0, s1, s2, s3]: [v128; 4]) -> [i32; 4] {
    // Transposing while adding leaves the four sums in the four lanes: six shuffles instead of eight and four moves.
    let s01 = i32x4_add(i32x4_shuffle::<0, 4, 1, 5>(s0, s1), i32x4_shuffle::<2, 6, 3, 7>(s0, s1));
    let s23 = i32x4_add(i32x4_shuffle::<0, 4, 1, 5>(s2, s3), i32x4_shuffle::<2, 6, 3, 7>(s2, s3));
    let folded = i32x4_add(i32x4_shuffle::<0, 1, 4, 5>(s01, s23), i32x4_shuffle::<2, 3, 6, 7>(s01, s23));
    [
        i32x4_extract_lane::<0>(folded),
        i32x4_extract_lane::<1>(folded),
        i32x4_extract_lane::<2>(folded),
        i32x4_extract_lane::<3>(folded),
    ]
}
