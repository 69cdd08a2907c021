//! What the graph may ask of the codes.

use super::binary::BinaryTerms;
use super::codebook::CENTROIDS;
use super::int8::Int8Terms;
use super::product::ProductTerms;
use super::sketch::{Planes, Scratch};
use crate::metric::{BURST, Gathered, Kernels, Line, Subvector};
use crate::segments::Rows;
use crate::types::{Candidate, Distance, OutOfMemory, Slot};

/// A set of codes, one per slot, and the distances of one fixed point to any of them. Smaller is closer.
///
/// Distances are asked for many at a time. A search waits for memory most of the time, and what it waits for should travel
/// together: where an answer takes few instructions a code, the processor looks far enough ahead to ask for them all at once.
/// It also leaves the graph one piece of code for every kind of code, because a call through a table is nothing beside the
/// distances of a node's neighbours.
pub(crate) trait Space {
    /// Makes `point` the code of `slot`. There is room in it already ([`super::Codes::prepare`]).
    fn fix(&self, slot: Slot, point: &mut Point);

    /// The same for a coarse code, where there is one: what a score reads of a slot, and no more.
    fn fix_coarse(&self, slot: Slot, point: &mut Point) {
        self.fix(slot, point);
    }

    /// Makes `point` a vector that is not stored. `inverse_norm` scales it first under cosine.
    fn fix_query(&self, vector: &[f32], inverse_norm: f64, point: &mut Point) -> Result<(), OutOfMemory>;

    /// Starts bringing what [`Space::fix`] reads, and a score does not, into the cache.
    fn touch_point(&self, _: Slot) {}

    /// Distances from `point` to the codes of `slots`, each to its place. A code's distance has the same bits in whatever
    /// company it is asked for.
    fn score(&self, point: &Point, slots: &[Slot], distances: &mut [Distance]);

    /// The standard deviation of what a score of a code like that of `near` is off by.
    fn error(&self, point: &Point, near: Slot) -> Distance;

    /// Whether no distance is below zero, so that the ratio of two of them means something.
    fn has_zero(&self) -> bool;

    /// Replaces distances by those of the whole codes, where scores are made of a part of them. Returns the standard
    /// deviation of what they are still off by.
    fn refine(&self, _: &Point, _: &mut [Candidate]) -> Distance {
        0.0
    }

    /// The kernels chosen for this machine.
    fn kernels(&self) -> Kernels;
}

impl dyn Space + '_ {
    /// Distances from the code of `slot`.
    pub(crate) fn around<'a>(&'a self, slot: Slot, point: &'a mut Point) -> Scorer<'a> {
        self.fix(slot, point);
        Scorer { space: self, point }
    }

    /// Distances from the coarse code of `slot`.
    pub(crate) fn around_coarse<'a>(&'a self, slot: Slot, point: &'a mut Point) -> Scorer<'a> {
        self.fix_coarse(slot, point);
        Scorer { space: self, point }
    }

    /// Distances from a vector that is not stored.
    pub(crate) fn around_query<'a>(
        &'a self,
        vector: &[f32],
        inverse_norm: f64,
        point: &'a mut Point,
    ) -> Result<Scorer<'a>, OutOfMemory> {
        self.fix_query(vector, inverse_norm, point)?;
        Ok(Scorer { space: self, point })
    }
}

/// Makes a distance of the row of each slot, once all rows of a burst are on their way.
#[inline(always)]
pub(super) fn score_rows(
    rows: &Rows<Line>,
    slots: &[Slot],
    distances: &mut [Distance],
    distance_to: impl Fn(&[Line]) -> Distance,
) {
    for (slots, distances) in slots.chunks(BURST).zip(distances.chunks_mut(BURST)) {
        let mut gathered = Gathered::new(rows.stride());
        gathered.gather(slots.iter().map(|&slot| rows.row(slot)));
        gathered.touch();
        for (at, distance) in distances.iter_mut().enumerate() {
            *distance = distance_to(gathered.row(at));
        }
    }
}

/// What distances are taken from: a code or a query, made ready by the [`Space`] that it belongs to. Reused from one to the
/// next, so that a search allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Point {
    pub(super) plain: Vec<i16>,
    pub(super) wide: Vec<i16>,
    pub(super) full: Vec<f32>,
    pub(super) inverse_norm: f32,
    pub(super) terms: Int8Terms,
    pub(super) planes: Planes,
    pub(super) turning: Scratch,
    pub(super) binary: BinaryTerms,
    pub(super) parts: Vec<Subvector>,
    pub(super) table: Vec<[f32; CENTROIDS]>,
    pub(super) product: ProductTerms,
}

/// Distances from one fixed point.
#[derive(Clone, Copy)]
pub(crate) struct Scorer<'a> {
    space: &'a (dyn Space + 'a),
    point: &'a Point,
}

impl Scorer<'_> {
    /// See [`Space::score`].
    #[inline]
    pub(crate) fn score_all(&self, slots: &[Slot], distances: &mut [Distance]) {
        self.space.score(self.point, slots, distances);
    }

    /// Distance to one code.
    #[inline(never)]
    pub(crate) fn score(&self, slot: Slot) -> Distance {
        let mut distance = [0.0];
        self.space.score(self.point, &[slot], &mut distance);
        distance[0]
    }

    /// See [`Space::error`].
    pub(crate) fn error(&self, near: Slot) -> Distance {
        self.space.error(self.point, near)
    }

    /// See [`Space::has_zero`].
    pub(crate) fn has_zero(&self) -> bool {
        self.space.has_zero()
    }

    /// See [`Space::refine`].
    pub(crate) fn refine(&self, candidates: &mut [Candidate]) -> Distance {
        self.space.refine(self.point, candidates)
    }

    /// See [`Space::kernels`].
    pub(crate) fn kernels(&self) -> Kernels {
        self.space.kernels()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
impl Point {
    /// Makes this the point of a space that a test has made up.
    pub(crate) fn hold(&mut self, coordinates: &[f32]) {
        self.full.clear();
        self.full.extend_from_slice(coordinates);
    }

    /// What it was made.
    pub(crate) fn held(&self) -> &[f32] {
        &self.full
    }
}
