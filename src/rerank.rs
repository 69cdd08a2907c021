//! Candidates and full vectors -> exact order.

use crate::arena::WarmArena;
use crate::metric::{Kernels, Metric};
use crate::order::sort_by_distance;
use crate::types::{Candidate, Distance};

/// How many candidates are measured exactly for `k` hits. The codes' error moves a true neighbour by a few ranks, not
/// by many, so a margin is enough; docs/BENCHMARKS.md has the recall that it costs.
pub(crate) const fn width(k: usize) -> usize {
    k + k / 8 + 3
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
    pub(crate) fn rerank(&self, records: &WarmArena, candidates: &mut [Candidate]) {
        for candidate in &*candidates {
            if let Some(bytes) = records.bytes(candidate.slot) {
                self.kernels.touch(bytes);
            }
        }
        for candidate in &mut *candidates {
            if let Some(record) = records.record(candidate.slot) {
                candidate.distance = self.distance(record.vector, record.inv_norm);
            }
        }
        sort_by_distance(candidates, |candidate| (candidate.distance, candidate.slot));
    }
}
