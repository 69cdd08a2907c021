//! Candidates -> exact order: which of them are compared by whole codes, and which by full vectors.

use crate::arena::Records;
use crate::metric::{Kernels, Metric};
use crate::order::sort_by_distance;
use crate::types::{Candidate, Distance, Slot};

/// How many standard deviations of the difference of two distances a candidate may be misjudged by.
const DEVIATIONS: f32 = 4.0;

/// How many records are found before the lines of the first are touched.
const AHEAD: usize = 16;

/// How many of the sorted candidates of a search for `k` hits need a more exact comparison: the first `k`, and those
/// behind them, up to the first that cannot be among them, given that the distance to a slot has the standard deviation
/// `error`.
pub(crate) fn doubtful(sorted: impl Iterator<Item = Candidate>, k: usize, error: impl Fn(Slot) -> Distance) -> usize {
    let (mut kth, mut error_of_kth) = (Distance::INFINITY, 0.0);
    let in_doubt = sorted.zip(1..).take_while(|&(Candidate { distance, slot }, rank)| {
        // The first `k` in any case: crafted codes can produce NaN distances, for which the comparison is false.
        if rank < k {
            return true;
        }
        let error = error(slot);
        if rank == k {
            (kth, error_of_kth) = (distance, error);
            return true;
        }
        distance <= kth + DEVIATIONS * hypotenuse(error, error_of_kth)
    });
    in_doubt.count()
}

/// As [`doubtful`] for a `k` of at least 1, where all distances have the same error. Shorter than another copy of that
/// (size).
pub(crate) fn equally_doubtful(sorted: &[Candidate], k: usize, error: Distance) -> usize {
    let Some(kth) = sorted.get(k.saturating_sub(1)) else { return sorted.len() };
    let limit = kth.distance + DEVIATIONS * hypotenuse(error, error);
    k + sorted.iter().skip(k).take_while(|candidate| candidate.distance <= limit).count()
}

/// The root of the sum of two squares. As `f32` the squares of errors of short vectors would be 0, and those of long
/// ones infinite.
fn hypotenuse(a: Distance, b: Distance) -> Distance {
    let [a, b] = [a, b].map(f64::from);
    (a * a + b * b).sqrt() as Distance
}

/// A query as it is compared with full vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact<'a> {
    pub(crate) kernels: Kernels,
    pub(crate) metric: Metric,
    pub(crate) query: &'a [f32],
    pub(crate) inverse_norm: f32,
}

impl Exact<'_> {
    /// The distance to a full vector.
    pub(crate) fn distance(&self, vector: &[f32], inverse_norm: f32) -> Distance {
        match self.metric {
            Metric::Cosine => 1.0 - self.kernels.dot_f32(self.query, vector) * (self.inverse_norm * inverse_norm),
            Metric::L2 => self.kernels.l2_f32(self.query, vector),
            Metric::Dot => -self.kernels.dot_f32(self.query, vector),
        }
    }

    /// Replaces the distances by exact ones and sorts by them, ties by slot.
    pub(crate) fn rerank(&self, records: &Records, candidates: &mut [Candidate]) {
        for candidates in candidates.chunks(AHEAD) {
            // Finding a record may be a wait too, so all are found before the first of their many lines is waited for.
            let mut found: [&[u8]; AHEAD] = [&[]; AHEAD];
            for (bytes, candidate) in found.iter_mut().zip(candidates) {
                *bytes = records.bytes(candidate.slot).unwrap_or_default();
            }
            found.iter().for_each(|bytes| self.kernels.touch(bytes));
        }
        for candidate in &mut *candidates {
            if let Some(record) = records.record(candidate.slot) {
                candidate.distance = self.distance(record.vector, record.inverse_norm);
            }
        }
        sort_by_distance(candidates, |candidate| (candidate.distance, candidate.slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(distances: &[Distance]) -> Vec<Candidate> {
        distances.iter().zip(0..).map(|(&distance, slot)| Candidate { distance, slot: Slot(slot) }).collect()
    }

    #[test]
    fn what_may_yet_be_a_hit_is_measured() {
        let candidates = at(&[0.1, 0.2, 0.3, 0.31, 0.5]);
        // k, standard deviation, how many are measured.
        let cases = [(3, 0.0, 3), (3, 0.001, 3), (3, 0.01, 4), (3, 1.0, 5), (5, 0.0, 5), (9, 0.01, 5), (0, 0.01, 5)];
        for (k, error, expected) in cases {
            assert_eq!(doubtful(candidates.iter().copied(), k, |_| error), expected, "k {k}, error {error}");
        }
    }

    #[test]
    fn an_error_that_all_have_is_the_same_as_one_of_each() {
        let candidates = at(&[0.1, 0.2, 0.3, 0.31, 0.5]);
        for k in 1..8 {
            for error in [0.0, 0.001, 0.01, 0.04, 1.0, f32::NAN] {
                let expected = doubtful(candidates.iter().copied(), k, |_| error);
                assert_eq!(equally_doubtful(&candidates, k, error), expected, "k {k}, error {error}");
            }
        }
    }

    /// A zero vector has no error, but the one behind it may be nearer all the same.
    #[test]
    fn both_errors_count() {
        let candidates = at(&[1.0, 1.01, 1.02, 1.5]);
        let error = |slot: Slot| if slot == Slot(0) { 0.0 } else { 0.01 };
        assert_eq!(doubtful(candidates.iter().copied(), 1, error), 3);
        assert_eq!(doubtful(candidates.iter().copied(), 1, |slot| 0.01 - error(slot)), 3);
    }

    #[test]
    fn distances_that_are_no_numbers_hide_nobody() {
        assert_eq!(doubtful(at(&[f32::NAN; 4]).into_iter(), 3, |_| f32::NAN), 3);
    }
}
