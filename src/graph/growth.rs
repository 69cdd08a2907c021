//! How distances grow with rank, and when a search may end because of it.
//!
//! In data of intrinsic dimension `D`, the distance of the `n`-th nearest grows like a power of `n`, so it grows by
//! about the same factor whenever the rank doubles. That factor is measured while building, from the neighbours that
//! the search for each new node has found, in order (at least 32 of them). A search of width `ef` for `k` then need not
//! follow a candidate that lies farther beyond the `k`-th best than the `ef`-th nearest usually does. A query with many
//! near neighbours follows as many as `ef` allows, and one with few ends early (arXiv 2505.15636 analyses what ending
//! by a distance guarantees).

use crate::quantize::Scorer;
use crate::types::{Distance, Slot};

/// The ratio of the two ranks that are compared: four doublings.
const RANKS: usize = 16;
/// Fewer neighbours than this tell nothing.
pub(super) const FEWEST: usize = 2 * RANKS;

/// The share of the usual distance that is allowed. Together with [`RIGHT_SHARE`], it saves 7 % of the distances at
/// recall .99 and 4 % at .95, and lowers recall by .003 at the same `ef` (docs/EXPERIMENTS.md).
const SLACK_SHARE: f32 = 0.85;
/// The share of the `k` candidates that have to be right, as a fraction.
const RIGHT_SHARE: (usize, usize) = (4, 5);
/// At least so many have to be right. How far away the first one or two are says little about where a search has come,
/// so a search for one would end earlier, and find it less often, than one for ten.
const FEWEST_RIGHT: usize = 8;

/// A difference of distances below this many standard deviations of their error means nothing.
const DEVIATIONS: f32 = 2.0;

/// The mean growth of distances over a doubling of rank.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Growth {
    /// The sum over all observations of how far the factor exceeds 1.
    pub(crate) sum: f64,
    pub(crate) count: u64,
}

impl Growth {
    /// Adds an observation of one more node, from its `len` neighbours with distances `nth(0)` to `nth(len - 1)` in
    /// order. Uses only square roots and sums, so that every platform gets the same result.
    pub(super) fn and(self, nth: impl Fn(usize) -> Distance, len: usize) -> Self {
        if len < FEWEST {
            return self;
        }
        let (near, far) = (f64::from(nth(len / RANKS - 1)), f64::from(nth(len - 1)));
        // Crafted codes can produce any distances, and the sum is stored.
        if near > 0.0 && far.is_finite() {
            Self { sum: self.sum + ((far / near).sqrt().sqrt() - 1.0), count: self.count.saturating_add(1) }
        } else {
            self
        }
    }

    /// The observations of both together.
    pub(super) const fn plus(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, count: self.count.saturating_add(other.count) }
    }

    /// The observations, as if each had been made for so many nodes.
    pub(super) const fn times(self, nodes: usize) -> Self {
        Self { sum: self.sum * nodes as f64, count: self.count.saturating_mul(nodes as u64) }
    }

    /// Returns whether a sum and a count read from stored bytes can be the result of observations.
    pub(crate) fn is_possible(self) -> bool {
        self.sum.is_finite() && self.sum >= 0.0 && (self.count > 0 || self.sum == 0.0)
    }

    /// When a search of width `ef` for `k` hits that starts at `start` may end.
    pub(crate) fn stop_rule(&self, k: usize, ef: usize, scorer: Scorer<'_>, start: Slot) -> StopRule {
        if !scorer.has_zero() {
            return StopRule::NEVER;
        }
        self.stop_rule_with(k, ef, DEVIATIONS * scorer.error(start))
    }

    fn stop_rule_with(&self, k: usize, ef: usize, least: Distance) -> StopRule {
        if self.count == 0 {
            return StopRule::NEVER;
        }
        let mean = (self.sum / self.count as f64) as f32;
        let k = (k * RIGHT_SHARE.0).div_ceil(RIGHT_SHARE.1).max(FEWEST_RIGHT);
        StopRule { k, slack: SLACK_SHARE * mean * doublings(ef as f32 / k as f32), least }
    }
}

/// The binary logarithm of a number of at least 1, to within a tenth: linear between powers of two.
fn doublings(ratio: f32) -> f32 {
    let bits = ratio.max(1.0).to_bits();
    (bits >> 23) as f32 - 127.0 + (bits & 0x7F_FFFF) as f32 / (1 << 23) as f32
}

/// When the nearest candidate not followed yet is too far away for any other to matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StopRule {
    /// How many candidates have to be right.
    pub(super) k: usize,
    slack: f32,
    least: Distance,
}

impl StopRule {
    /// Never ends early: every kept candidate is followed.
    pub(super) const NEVER: Self = Self { k: usize::MAX, slack: 0.0, least: Distance::INFINITY };

    /// Returns true when a candidate at distance `next` need not be followed, given the `k`-th best at `kth`.
    #[inline]
    pub(super) fn applies(self, next: Distance, kth: Distance) -> bool {
        next > kth + (self.slack * kth).max(self.least)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Neighbours whose distance grows by a tenth with each doubling of rank.
    fn seen() -> Growth {
        let nth = |at: usize| 0.3 * 1.1f32.powf(((at + 1) as f32).log2());
        (0..50).fold(Growth::default(), |growth, _| growth.and(nth, 192))
    }

    #[test]
    fn a_tenth_each_doubling_is_seen_as_that() {
        let growth = seen();
        assert_eq!(growth.count, 50);
        assert!((growth.sum / 50.0 - 0.1).abs() < 0.001, "{}", growth.sum / 50.0);
    }

    #[test]
    fn few_neighbours_and_equal_vectors_tell_nothing() {
        let growth = Growth::default().and(|at| at as f32, FEWEST - 1).and(|_| 0.0, 200).and(|_| -1.0, 200);
        assert_eq!(growth, Growth::default());
    }

    #[test]
    fn a_search_ends_where_the_last_of_its_width_usually_is() {
        // k, ef, least difference, distance of the next in hundredths of the k-th, whether the search ends.
        let cases = [
            (10, 10, 0.0, 102, false),
            (10, 10, 0.0, 103, true),
            (10, 20, 0.0, 110, false),
            (10, 20, 0.0, 111, true),
            (10, 80, 0.0, 127, false),
            (10, 80, 0.0, 128, true),
            (8, 8, 0.0, 101, true),
            // A search for fewer ends where one for ten does.
            (1, 20, 0.0, 110, false),
            (1, 20, 0.0, 111, true),
            (1, 80, 0.0, 127, false),
            (1, 80, 0.0, 128, true),
            (10, 20, 0.3, 129, false),
            (10, 20, 0.3, 131, true),
            (10, 20, f32::INFINITY, 10_000, false),
        ];
        for (k, ef, least, next, expected) in cases {
            let applies = seen().stop_rule_with(k, ef, least).applies(next as f32 / 100.0, 1.0);
            assert_eq!(applies, expected, "k {k}, ef {ef}, least {least}, next {next}");
        }
    }

    #[test]
    fn nothing_ends_before_anything_was_seen() {
        assert!(!Growth::default().stop_rule_with(10, 10, 0.0).applies(f32::MAX, 0.0));
        assert!(!seen().stop_rule_with(10, 10, 0.0).applies(f32::NAN, 1.0));
        assert!(!StopRule::NEVER.applies(f32::MAX, 0.0));
    }

    #[test]
    fn doublings_are_close_to_the_binary_logarithm() {
        for ratio in [1.0f32, 1.5, 2.0, 3.0, 6.4, 20.0, 1000.0] {
            assert!((doublings(ratio) - ratio.log2()).abs() < 0.1, "{ratio}");
        }
        assert_eq!(doublings(0.1), 0.0);
    }
}
