//! Seeded level draws.

use super::MAX_LEVEL;
use crate::types::Level;

/// The level of the `counter`-th node: at least `l` with probability `m^-l`, which is the paper's choice of
/// `mL = 1 / ln(m)`. Integers only, so that every platform draws the same.
pub(crate) fn draw_level(seed: u64, counter: u64, m: usize) -> Level {
    let draw = mix(seed ^ mix(counter));
    let mut level = 0;
    let mut bound = u64::MAX / m as u64;
    while draw < bound && level < MAX_LEVEL.0 {
        level += 1;
        bound /= m as u64;
    }
    Level(level)
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014) after one step of its counter.
pub(super) const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_thin_out_by_m() {
        for m in [4usize, 16, 64] {
            let n = 200_000;
            let mut at_least = [0f64; 4];
            for counter in 0..n {
                let level = draw_level(42, counter, m).0 as usize;
                for count in at_least.iter_mut().take(level + 1) {
                    *count += 1.0;
                }
            }
            assert_eq!(at_least[0], n as f64);
            let expected = n as f64 / m as f64;
            assert!((at_least[1] - expected).abs() < 5.0 * expected.sqrt(), "m {m}: {at_least:?}");
        }
    }

    #[test]
    fn draws_are_a_function_of_seed_and_counter() {
        let draw = |seed| (0..1000).map(|i| draw_level(seed, i, 16).0).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
