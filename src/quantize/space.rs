//! What the graph may ask of the codes.

use super::binary::BinaryTerms;
use super::codebook::CENTROIDS;
use super::int8::Int8Terms;
use super::product::ProductTerms;
use super::sketch::{Planes, Scratch};
use crate::metric::{BURST, Gathered, Kernels, Line, Subvector};
use crate::segments::{Array, Rows};
use crate::types::{Candidate, Distance, OutOfMemory, Slot};

/// A set of codes, one per slot, and the distances of one fixed point to any of them. Smaller is closer.
///
/// Distances are computed many at a time. A search waits for memory most of the time, and its loads should overlap: if
/// each code takes few instructions, the processor looks far enough ahead to request all codes at once. It also means
/// one compiled graph for every kind of code, because a call through a table costs little compared with the distances
/// of a node's neighbours.
pub(crate) trait Space {
    /// Makes `point` the code of `slot`. There is room in it already ([`super::Codes::prepare`]).
    fn fix(&self, slot: Slot, point: &mut Point);

    /// Makes `point` the coarse code of `slot`, where there is one: the part of a code that a score reads. Otherwise
    /// the whole code.
    fn fix_coarse(&self, slot: Slot, point: &mut Point) {
        self.fix(slot, point);
    }

    /// Makes `point` a vector that is not stored. `inverse_norm` scales it first under cosine.
    fn fix_query(&self, vector: &[f32], inverse_norm: f64, point: &mut Point) -> Result<(), OutOfMemory>;

    /// Starts bringing into the cache what [`Space::fix`] reads and a score does not.
    fn touch_point(&self, _: Slot) {}

    /// Writes the distances from `point` to the codes of `slots`, in order. A code's distance has the same bits
    /// whichever others are computed with it.
    fn score(&self, point: &Point, slots: &[Slot], distances: &mut [Distance]);

    /// The standard deviation of the error of a score, for a code like that of `near`.
    fn error(&self, point: &Point, near: Slot) -> Distance;

    /// Returns whether no distance is below zero, so that the ratio of two of them means something.
    fn has_zero(&self) -> bool;

    /// Replaces distances by those of the whole codes, if scores use only a part of them. Returns the standard
    /// deviation of the remaining error.
    fn refine(&self, _: &Point, _: &mut [Candidate]) -> Distance {
        0.0
    }

    /// Returns whether no score tells two slots apart: their codes are equal in all that scores read.
    fn are_twins(&self, a: Slot, b: Slot) -> bool;

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

/// Returns whether two rows are equal. Not generic (size).
#[inline(never)]
pub(super) fn are_equal(rows: &dyn Array, a: Slot, b: Slot) -> bool {
    rows.row(a) == rows.row(b)
}

/// Computes a distance from the row of each slot, after touching all rows of a burst.
#[inline(always)]
pub(super) fn score_rows(
    rows: &Rows<Line>,
    slots: &[Slot],
    distances: &mut [Distance],
    kernels: Kernels,
    distance_to: impl Fn(&[Line]) -> Distance,
) {
    for (slots, distances) in slots.chunks(BURST).zip(distances.chunks_mut(BURST)) {
        let mut gathered = Gathered::new(rows.stride());
        gathered.gather(slots.iter().map(|&slot| rows.row(slot)));
        gathered.touch(kernels);
        for (at, distance) in distances.iter_mut().take(slots.len()).enumerate() {
            *distance = distance_to(gathered.row(at));
        }
    }
}

/// What distances are measured from: a code or a query, made ready by the [`Space`] that it belongs to. Reused, so that
/// a search allocates nothing.
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

impl Point {
    /// Bytes held by the parts that grow with the dimensions.
    pub(crate) const fn resident_bytes(&self) -> usize {
        let Self { plain, wide, full, planes, turning, parts, table, .. } = self;
        (plain.capacity() + wide.capacity()) * size_of::<i16>()
            + full.capacity() * size_of::<f32>()
            + planes.bits.capacity() * size_of::<[u64; 4]>()
            + turning.resident_bytes()
            + parts.capacity() * size_of::<Subvector>()
            + table.capacity() * size_of::<[f32; CENTROIDS]>()
    }
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

    /// See [`Space::are_twins`].
    pub(crate) fn are_twins(&self, a: Slot, b: Slot) -> bool {
        self.space.are_twins(a, b)
    }

    /// See [`Space::kernels`].
    pub(crate) fn kernels(&self) -> Kernels {
        self.space.kernels()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
impl Point {
    /// Makes this the fixed point of a test's own space.
    pub(crate) fn hold(&mut self, coordinates: &[f32]) {
        self.full.clear();
        self.full.extend_from_slice(coordinates);
    }

    /// The coordinates given to [`Point::hold`].
    pub(crate) fn held(&self) -> &[f32] {
        &self.full
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::quantize::{Codes, Quantization};

    /// The number of slots makes no difference: groups of four and bursts may be full or not. Places beyond the last
    /// slot stay as they are.
    #[test]
    fn a_distance_has_the_same_bits_in_whatever_company() {
        const MOST: usize = 150;
        let mut state = 1u32;
        let mut vector = |len: usize| -> Vec<f32> {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            };
            (0..len).map(|_| next()).collect()
        };
        for quantization in [Quantization::None, Quantization::Int8, Quantization::Binary] {
            for (dimensions, metric) in
                [(96, Metric::Cosine), (200, Metric::L2), (384, Metric::Cosine), (384, Metric::Dot)]
            {
                let mut codes = Codes::new(quantization, dimensions, metric);
                let mut point = Point::default();
                codes.reserve(MOST).unwrap();
                codes.resize(MOST);
                codes.prepare(&mut point).unwrap();
                let slots: Vec<Slot> = (0..MOST as u32).rev().map(Slot).collect();
                for &slot in &slots {
                    codes.encode(slot, &vector(dimensions), 1.0, &mut point);
                }
                let scorer = codes.space().around_query(&vector(dimensions), 1.0, &mut point).unwrap();
                let alone: Vec<u32> = slots.iter().map(|&slot| scorer.score(slot).to_bits()).collect();
                for count in [0, 1, 2, 3, 4, 5, 63, 64, 65, 127, 130, MOST] {
                    let mut distances = [7.0; MOST + 9];
                    scorer.score_all(&slots[..count], &mut distances);
                    let bits = distances.map(f32::to_bits);
                    assert_eq!(bits[..count], alone[..count], "{count} of {quantization:?}, {dimensions}, {metric:?}");
                    let rest = &distances[count.next_multiple_of(4)..];
                    assert!(rest.iter().all(|&distance| distance == 7.0), "{count} of {quantization:?}");
                }
                let mut candidates: Vec<_> = slots.iter().map(|&slot| Candidate { distance: 0.0, slot }).collect();
                scorer.refine(&mut candidates);
                for (at, candidate) in candidates.iter().enumerate() {
                    let mut one = [*candidate];
                    scorer.refine(&mut one);
                    assert_eq!(one[0].distance.to_bits(), candidate.distance.to_bits(), "{at} of {quantization:?}");
                }
            }
        }
    }
}
