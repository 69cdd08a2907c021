//! What the graph may ask of the codes.

use crate::metric::Kernels;
use crate::types::{Candidate, Distance, OutOfMemory, Slot};

/// Distances from one fixed point to any slot. Smaller is closer.
pub(crate) trait Scorer {
    /// Where a code lies.
    type Row: Copy;

    /// Finds the code of `slot`.
    fn row(&self, slot: Slot) -> Self::Row;

    /// Starts bringing a code into the cache. WebAssembly has no prefetch, so there it is plain loads.
    fn touch(&self, row: Self::Row);

    /// Distance to one code.
    fn score_row(&self, row: Self::Row) -> Distance;

    /// Distances to four codes, the same bits as four calls of [`Scorer::score_row`] would give.
    fn score_rows(&self, rows: [Self::Row; 4]) -> [Distance; 4];

    /// The standard deviation of what a score of a code like that of `near` is off by.
    fn error(&self, near: Slot) -> Distance;

    /// Whether no distance is below zero, so that the ratio of two of them means something.
    fn has_zero(&self) -> bool;

    /// Replaces distances by those of the whole codes, where scores are made of a part of them. Returns the standard
    /// deviation of what they are still off by.
    fn refine(&self, _: &mut [Candidate]) -> Distance {
        0.0
    }

    /// Distance to the code of one slot.
    #[inline]
    fn score(&self, slot: Slot) -> Distance {
        self.score_row(self.row(slot))
    }

    /// Distances to the codes of four slots.
    #[inline]
    fn score4(&self, slots: [Slot; 4]) -> [Distance; 4] {
        self.score_rows(slots.map(|slot| self.row(slot)))
    }
}

/// A set of codes, one per slot.
pub(crate) trait Space {
    /// A scorer whose fixed point is a stored code or an encoded query.
    type Point<'a>: Scorer
    where
        Self: 'a;

    /// The scorer around the code of `slot`. `buffer` is scratch that the scorer may borrow.
    fn point<'a>(&'a self, slot: Slot, buffer: &'a mut PointBuffer) -> Self::Point<'a>;

    /// The same around a coarse code, where there is one: what a score reads of a slot, and no more.
    fn coarse_point<'a>(&'a self, slot: Slot, buffer: &'a mut PointBuffer) -> Self::Point<'a> {
        self.point(slot, buffer)
    }

    /// Starts bringing what [`Space::point`] reads, and a score does not, into the cache.
    fn touch_point(&self, _: Slot) {}

    /// The scorer around a vector that is not stored. `inverse_norm` scales it first under cosine.
    fn query<'a>(
        &'a self,
        vector: &[f32],
        inverse_norm: f64,
        buffer: &'a mut PointBuffer,
    ) -> Result<Self::Point<'a>, OutOfMemory>;

    /// The kernels chosen for this machine.
    fn kernels(&self) -> Kernels;
}

/// Scratch for the fixed point of a scorer, reused from call to call so that a search allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct PointBuffer {
    pub(super) plain: Vec<i16>,
    pub(super) wide: Vec<i16>,
    pub(super) full: Vec<f32>,
}
