//! Subvectors of product quantization: eight integers, a vector register. Written once, over a few operations that
//! x86-64 and WebAssembly SIMD both have; plain code stands in for them elsewhere.

/// A few components as integers, padded with zeros.
pub(crate) type Subvector = [i16; 8];

#[cfg(target_arch = "x86_64")]
mod eight {
    //! SSE2, which is part of every x86-64.
    use super::Subvector;
    use core::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_loadu_si128, _mm_madd_epi16, _mm_setzero_si128, _mm_sub_epi16, _mm_unpackhi_epi32,
        _mm_unpackhi_epi64, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
    };

    pub(super) type Eight = __m128i;

    #[inline(always)]
    pub(super) fn load(part: &Subvector) -> Eight {
        // SAFETY: a reference is valid to read, and this load needs no alignment.
        unsafe { _mm_loadu_si128(part.as_ptr().cast()) }
    }

    #[inline(always)]
    pub(super) fn zero() -> Eight {
        // SAFETY: SSE2 is part of every x86-64, which is all that this needs.
        unsafe { _mm_setzero_si128() }
    }

    #[inline(always)]
    pub(super) fn sub(a: Eight, b: Eight) -> Eight {
        // SAFETY: as above.
        unsafe { _mm_sub_epi16(a, b) }
    }

    #[inline(always)]
    pub(super) fn pairs(a: Eight, b: Eight) -> Eight {
        // SAFETY: as above.
        unsafe { _mm_madd_epi16(a, b) }
    }

    #[inline(always)]
    pub(super) fn add(a: Eight, b: Eight) -> Eight {
        // SAFETY: as above.
        unsafe { _mm_add_epi32(a, b) }
    }

    #[inline(always)]
    pub(super) fn fold([a, b, c, d]: [Eight; 4]) -> [i32; 4] {
        // SAFETY: as above.
        let folded = unsafe {
            let ab = add(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
            let cd = add(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
            add(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd))
        };
        bytemuck::cast(folded)
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod eight {
    //! simd128.
    use super::Subvector;
    use core::arch::wasm32::{i16x8_sub, i32x4_add, i32x4_dot_i16x8, i32x4_splat, v128, v128_load};

    pub(super) use super::super::wasm32::fold_four as fold;

    pub(super) type Eight = v128;

    #[inline(always)]
    pub(super) fn load(part: &Subvector) -> Eight {
        // SAFETY: a reference is valid to read, and this load needs no alignment.
        unsafe { v128_load(part.as_ptr().cast()) }
    }

    #[inline(always)]
    pub(super) fn zero() -> Eight {
        i32x4_splat(0)
    }

    #[inline(always)]
    pub(super) fn sub(a: Eight, b: Eight) -> Eight {
        i16x8_sub(a, b)
    }

    #[inline(always)]
    pub(super) fn pairs(a: Eight, b: Eight) -> Eight {
        i32x4_dot_i16x8(a, b)
    }

    #[inline(always)]
    pub(super) fn add(a: Eight, b: Eight) -> Eight {
        i32x4_add(a, b)
    }
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
mod eight {
    //! Plain code. Products are not summed in pairs as they are elsewhere: `fold` sums all eight.
    use super::Subvector;

    #[derive(Clone, Copy)]
    pub(super) struct Eight([i32; 8]);

    pub(super) fn load(part: &Subvector) -> Eight {
        Eight(part.map(i32::from))
    }

    pub(super) fn zero() -> Eight {
        Eight([0; 8])
    }

    pub(super) fn sub(a: Eight, b: Eight) -> Eight {
        Eight(core::array::from_fn(|i| i32::from(a.0[i].wrapping_sub(b.0[i]) as i16)))
    }

    pub(super) fn pairs(a: Eight, b: Eight) -> Eight {
        Eight(core::array::from_fn(|i| a.0[i].wrapping_mul(b.0[i])))
    }

    pub(super) fn add(a: Eight, b: Eight) -> Eight {
        Eight(core::array::from_fn(|i| a.0[i].wrapping_add(b.0[i])))
    }

    pub(super) fn fold(four: [Eight; 4]) -> [i32; 4] {
        four.map(|eight| eight.0.into_iter().fold(0, i32::wrapping_add))
    }
}

use eight::{add, fold, load, pairs, sub, zero};

/// Inner products of one subvector with each of many. Sums wrap.
#[inline(never)]
pub(crate) fn dots(part: &Subvector, others: &[Subvector; 256], sums: &mut [i32; 256]) {
    let part = load(part);
    for (four, sums) in others.as_chunks::<4>().0.iter().zip(sums.as_chunks_mut::<4>().0) {
        *sums = fold([0, 1, 2, 3].map(|i| pairs(part, load(&four[i]))));
    }
}

/// Squared distances of one subvector to each of many. Sums wrap.
#[inline(never)]
pub(crate) fn squares(part: &Subvector, others: &[Subvector; 256], sums: &mut [i32; 256]) {
    let part = load(part);
    for (four, sums) in others.as_chunks::<4>().0.iter().zip(sums.as_chunks_mut::<4>().0) {
        *sums = fold([0, 1, 2, 3].map(|i| {
            let difference = sub(part, load(&four[i]));
            pairs(difference, difference)
        }));
    }
}

/// The inner product, or squared distance, of subvectors with those a code names, one from each of `others`. Sums wrap.
#[inline(always)]
pub(crate) fn coded<const SQUARED: bool>(parts: &[Subvector], others: &[[Subvector; 256]], code: &[u8]) -> i32 {
    // Two sums, so that an addition need not wait for the one before.
    let mut sums = [zero(); 2];
    for (at, ((part, others), &byte)) in parts.iter().zip(others).zip(code).enumerate() {
        let (part, other) = (load(part), load(&others[usize::from(byte)]));
        let [a, b] = if SQUARED { [sub(part, other); 2] } else { [part, other] };
        sums[at % 2] = add(sums[at % 2], pairs(a, b));
    }
    fold([sums[0], sums[1], zero(), zero()]).into_iter().fold(0, i32::wrapping_add)
}

/// The sum of the entries that a code names, one in each table, in a fixed order.
#[inline(always)]
pub(crate) fn looked_up(tables: &[[f32; 256]], code: &[u8]) -> f32 {
    let mut sums = [0.0f32; 4];
    for (tables, code) in tables.as_chunks::<4>().0.iter().zip(code.as_chunks::<4>().0) {
        for i in 0..4 {
            sums[i] += tables[i][usize::from(code[i])];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(count: usize) -> impl Strategy<Value = Vec<Subvector>> {
        prop::collection::vec(
            prop::array::uniform8(-8191i16..=8191).prop_map(|mut part| {
                part[6..].fill(0);
                part
            }),
            count,
        )
    }

    fn exact(a: &Subvector, b: &Subvector) -> [i64; 2] {
        let both = || a.iter().zip(b).map(|(&a, &b)| (i64::from(a), i64::from(b)));
        [both().map(|(a, b)| a * b).sum(), both().map(|(a, b)| (a - b) * (a - b)).sum()]
    }

    proptest! {
        /// Sums of six components are exact, however large the components may be.
        #[test]
        fn one_with_many(one in parts(1), many in parts(256)) {
            let many: &[Subvector; 256] = many.as_slice().try_into().unwrap();
            let mut sums = [[0; 256]; 2];
            dots(&one[0], many, &mut sums[0]);
            squares(&one[0], many, &mut sums[1]);
            for (at, other) in many.iter().enumerate() {
                prop_assert_eq!([sums[0][at], sums[1][at]].map(i64::from), exact(&one[0], other));
            }
        }

        #[test]
        fn by_code(parts in parts(5), others in parts(5 * 256), code in prop::array::uniform5(any::<u8>())) {
            let small = |part: &Subvector| part.map(|x| x / 16);
            let parts: Vec<_> = parts.iter().map(small).collect();
            let others: Vec<_> = others.iter().map(small).collect();
            let others = others.as_chunks::<256>().0;
            let [mut product, mut square] = [0, 0];
            for ((part, others), &at) in parts.iter().zip(others).zip(&code) {
                let [p, s] = exact(part, &others[usize::from(at)]);
                product += p;
                square += s;
            }
            prop_assert_eq!(i64::from(coded::<false>(&parts, others, &code)), product);
            prop_assert_eq!(i64::from(coded::<true>(&parts, others, &code)), square);
        }
    }

    #[test]
    fn tables_are_looked_up() {
        let tables: Vec<[f32; 256]> =
            (0..8).map(|table| core::array::from_fn(|at| (table * 256 + at) as f32)).collect();
        let code = [0, 1, 2, 255, 4, 5, 6, 7];
        let sum: usize = code.iter().enumerate().map(|(table, &at)| table * 256 + usize::from(at)).sum();
        assert_eq!(looked_up(&tables, &code), sum as f32);
    }
}
