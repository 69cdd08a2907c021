//! A rotation that looks random, in integers: the same on every platform, bit for bit.
//!
//! Two rounds of seeded sign flips and Walsh-Hadamard transforms of 64 components, with a transposition between them,
//! after which each component depends on all that share a block with any of its own (all there are, up to 4,096).
//! Lengths and angles are preserved up to rounding. This stands in for the random rotation of RaBitQ (arXiv 2405.12497,
//! section 3.1.2), and takes O(n) additions where a matrix would take O(n^2).

/// Components per transform. The number of components is a multiple of it.
pub(super) const BLOCK: usize = 64;
/// A transform of 64 makes vectors longer by a factor of 8.
const NORM_SHIFT: u32 = 3;
/// The seed of the sign flips. Part of the stored form of codes, so it never changes.
const SEED: u64 = 0x7468_6572_6D6F_636C;

/// Rotates `components`, whole blocks of values up to 127 either way. `spare` has the same length and is overwritten.
#[inline(never)]
pub(super) fn rotate(components: &mut [i32], spare: &mut [i32]) {
    let mut signs = SEED;
    round(components, &mut signs);
    let blocks = components.len() / BLOCK;
    for (at, place) in spare.iter_mut().enumerate() {
        *place = components[at % blocks * BLOCK + at / blocks];
    }
    round(spare, &mut signs);
    components.copy_from_slice(spare);
}

/// Sign flips and a transform of each block.
fn round(components: &mut [i32], signs: &mut u64) {
    for block in components.as_chunks_mut::<BLOCK>().0 {
        let flips = next(signs);
        for (at, x) in block.iter_mut().enumerate() {
            // All ones for a flip, else zero.
            let mask = -((flips >> at & 1) as i32);
            *x = (*x ^ mask) - mask;
        }
        transform(block);
    }
}

/// The Walsh-Hadamard transform, in place, divided by its growth. Every step pairs neighbours and puts sums before
/// differences (Pease, "An adaptation of the fast Fourier transform for parallel processing", 1968), so that all steps
/// are the same few instructions.
fn transform(block: &mut [i32; BLOCK]) {
    for _ in 0..BLOCK.ilog2() {
        let mut next = [0; BLOCK];
        let (sums, differences) = next.split_at_mut(BLOCK / 2);
        for ((pair, sum), difference) in block.as_chunks::<2>().0.iter().zip(sums).zip(differences) {
            (*sum, *difference) = (pair[0] + pair[1], pair[0] - pair[1]);
        }
        *block = next;
    }
    for x in block {
        *x = (*x + (1 << (NORM_SHIFT - 1))) >> NORM_SHIFT;
    }
}

/// The next 64 bits (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn rotated(components: &[i32]) -> Vec<i32> {
        let mut components = components.to_vec();
        let mut spare = vec![0; components.len()];
        rotate(&mut components, &mut spare);
        components
    }

    /// Numbers of up to 127 either way from a seed.
    fn numbers(len: usize, seed: u64) -> Vec<i32> {
        let mut state = seed;
        (0..len).map(|_| (next(&mut state) % 255) as i32 - 127).collect()
    }

    fn product(a: &[i32], b: &[i32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    #[test]
    fn lengths_and_angles_stay() {
        for len in [64, 128, 384, 768, 1536, 8192] {
            let (a, b) = (numbers(len, 1), numbers(len, 2));
            let (turned_a, turned_b) = (rotated(&a), rotated(&b));
            let lengths = (product(&a, &a) * product(&b, &b)).sqrt();
            for (before, after) in [
                (product(&a, &a), product(&turned_a, &turned_a)),
                (product(&b, &b), product(&turned_b, &turned_b)),
                (product(&a, &b), product(&turned_a, &turned_b)),
            ] {
                assert!((before - after).abs() < 0.01 * lengths, "{len}: {before} and {after}");
            }
        }
    }

    /// Stored codes are compared with queries that are rotated later, so the rotation must never change.
    #[test]
    fn the_rotation_is_the_one_that_codes_were_stored_by() {
        for (len, expected) in
            [(64, 4_584_686_829_698_495_588), (384, 128_362_509_160_458_787), (1536, 8_175_031_898_429_407_767)]
        {
            let bytes: Vec<u8> = rotated(&numbers(len, 1)).iter().flat_map(|x| x.to_le_bytes()).collect();
            assert_eq!(xxhash_rust::xxh64::xxh64(&bytes, 0), expected, "{len}");
        }
    }

    /// A vector of one component is spread over all of them, so that signs tell something.
    #[test]
    fn one_component_is_spread_over_all() {
        for len in [64, 384, 1536, 4096] {
            for at in [0, 1, len / 2, len - 1] {
                let mut one = vec![0; len];
                one[at] = 127;
                let turned = rotated(&one);
                let most = turned.iter().map(|x| x.abs()).max().unwrap_or_default();
                assert!(most <= 64, "{len}, {at}: {most}");
                let used = turned.iter().filter(|&&x| x != 0).count();
                assert!(used * 8 > len.min(4096), "{len}, {at}: {used} of {len}");
            }
        }
    }
}
