//! The centroids of product quantization (Jégou, Douze, Schmid, "Product quantization for nearest neighbor search",
//! 2011): a vector is cut into subvectors, and each is stored as one byte, the number of the nearest of 256 centroids.
//!
//! There are 64 subspaces for each 384 dimensions begun, so that a code is whole cache lines and a subvector has at
//! most six components. Centroids are integers times one scale, in eight places of which the last are zeros: a distance
//! between two codes is an exact sum in any order, and the same vectors give the same bytes on every platform.
//!
//! ```text
//! 0     scale, f32; residual, f32; zeros                  64 bytes
//! 64    for each subspace 256 centroids, of eight i16     4096 bytes each
//! ```

use crate::metric::{LINE_BYTES, Subvector, dots, squares};
use crate::types::OutOfMemory;

/// Centroids of a subspace.
pub(super) const CENTROIDS: usize = 256;
/// The most dimensions whose code is one line.
const LINE_DIMENSIONS: usize = 384;
/// The length of the header, in subvectors.
const HEADER: usize = LINE_BYTES / size_of::<Subvector>();
/// The length, in integers, of the longest vector of a sample, not counting the few that are far longer than most.
const LENGTH: f32 = 4096.0;
/// The largest component. It keeps the squared distance of two subvectors of six components below 2^31.
const LIMIT: i16 = 8191;
/// The largest sum of squared lengths, of the longest centroid of each subspace, for which distances of two codes
/// surely fit 32 bits.
const MOST_SQUARES: i64 = i32::MAX as i64 / 4;

/// Lines of a code of `dimensions` dimensions.
pub(super) const fn lines(dimensions: usize) -> usize {
    dimensions.div_ceil(LINE_DIMENSIONS)
}

/// Subspaces of `dimensions` dimensions.
pub(super) const fn subspaces(dimensions: usize) -> usize {
    LINE_BYTES * lines(dimensions)
}

/// Bytes of a codebook of `dimensions` dimensions.
pub(super) const fn bytes(dimensions: usize) -> usize {
    (HEADER + CENTROIDS * subspaces(dimensions)) * size_of::<Subvector>()
}

/// The centroids of all subspaces.
#[derive(Debug, Default)]
pub(super) struct Codebook {
    dimensions: usize,
    /// As it is stored.
    places: Vec<Subvector>,
}

impl Codebook {
    /// A codebook of zeros, to be filled.
    pub(super) fn new(dimensions: usize) -> Result<Self, OutOfMemory> {
        let mut places = Vec::new();
        let count = HEADER + CENTROIDS * subspaces(dimensions);
        places.try_reserve_exact(count)?;
        places.resize(count, [0; 8]);
        Ok(Self { dimensions, places })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        bytemuck::must_cast_slice(&self.places)
    }

    pub(super) fn as_bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::must_cast_slice_mut(&mut self.places)
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        self.places.capacity() * size_of::<Subvector>()
    }

    /// The centroids of each subspace.
    pub(super) fn centroids(&self) -> &[[Subvector; CENTROIDS]] {
        self.places.get(HEADER..).map_or(&[], |places| places.as_chunks().0)
    }

    pub(super) fn centroids_mut(&mut self) -> &mut [[Subvector; CENTROIDS]] {
        self.places.get_mut(HEADER..).map_or(&mut [], |places| places.as_chunks_mut().0)
    }

    fn facts(&self) -> [f32; 2] {
        let words = self.as_bytes().as_chunks::<4>().0;
        [0, 1].map(|at| words.get(at).map_or(0.0, |&word| f32::from_le_bytes(word)))
    }

    /// The value of the integer 1.
    pub(super) fn scale(&self) -> f32 {
        self.facts()[0]
    }

    /// The root mean square distance of the sample's vectors, rounded to integers, from their decoded codes.
    pub(super) fn residual(&self) -> f32 {
        self.facts()[1]
    }

    pub(super) fn set_facts(&mut self, scale: f32, residual: f32) {
        for (word, fact) in self.as_bytes_mut().as_chunks_mut::<4>().0.iter_mut().zip([scale, residual]) {
            *word = fact.to_le_bytes();
        }
    }

    /// Returns whether the codebook is valid, so that sums over it fit the integers they are computed in.
    pub(super) fn is_possible(&self) -> bool {
        let is_small = |place: &Subvector| place.iter().all(|x| (-LIMIT..=LIMIT).contains(x));
        let [scale, residual] = self.facts();
        let is_scale = scale > 0.0 && (scale * scale * i32::MAX as f32).is_finite();
        let rest = self.as_bytes().get(8..LINE_BYTES).unwrap_or_default();
        (is_scale || self.places.is_empty())
            && (residual.is_finite() && residual >= 0.0)
            && rest.iter().all(|&byte| byte == 0)
            && self.centroids().iter().flatten().all(is_small)
            && self.most_squares() <= MOST_SQUARES
    }

    fn most_squares(&self) -> i64 {
        let longest = |centroids: &[Subvector; CENTROIDS]| centroids.iter().map(square).max().unwrap_or(0);
        self.centroids().iter().map(longest).sum()
    }

    /// Halves the integers and doubles the scale until sums of them fit.
    pub(super) fn fit(&mut self) {
        while self.most_squares() > MOST_SQUARES {
            self.centroids_mut().iter_mut().flatten().flatten().for_each(|x| *x >>= 1);
            self.set_facts(2.0 * self.scale(), self.residual());
        }
    }

    /// The scale for a sample whose longest vector has this length. Its reciprocal is finite.
    pub(super) fn scale_for(length: f32) -> f32 {
        if length > 0.0 && length.is_finite() { (length / LENGTH).max(f32::MIN_POSITIVE) } else { 1.0 }
    }

    /// Subvector `at` of `factor` times a vector, in integers.
    #[inline(never)]
    pub(super) fn cut(&self, at: usize, vector: &[f32], factor: f32) -> Subvector {
        let (dimensions, count) = (self.dimensions, subspaces(self.dimensions));
        let range = at * dimensions / count..(at + 1) * dimensions / count;
        let mut places = [0; 8];
        for (place, x) in places.iter_mut().zip(vector.get(range).unwrap_or_default()) {
            *place = ((x * factor).round_ties_even() as i16).clamp(-LIMIT, LIMIT);
        }
        places
    }

    /// Writes the code of `factor` times a vector.
    pub(super) fn encode(&self, vector: &[f32], factor: f32, code: &mut [u8]) {
        let factor = factor / self.scale();
        for (at, (byte, centroids)) in code.iter_mut().zip(self.centroids()).enumerate() {
            *byte = nearest(&self.cut(at, vector, factor), centroids).0;
        }
    }

    /// Writes what each centroid adds to the distance of `factor` times a vector: `by_product` times the inner product,
    /// and `by_square` times the centroid's squared length.
    pub(super) fn tabulate(
        &self,
        vector: &[f32],
        factor: f32,
        [by_product, by_square]: [f32; 2],
        table: &mut [[f32; CENTROIDS]],
    ) {
        // The longest component takes all the steps there are, whatever the length of the query.
        let longest = vector.iter().fold(0.0f32, |most, x| most.max((x * factor).abs()));
        let step = (longest / f32::from(LIMIT)).max(f32::MIN_POSITIVE);
        let (product_unit, square_unit) = (by_product * step * self.scale(), by_square * self.scale() * self.scale());
        let mut sums = [0; CENTROIDS];
        for (at, (table, centroids)) in table.iter_mut().zip(self.centroids()).enumerate() {
            dots(&self.cut(at, vector, factor / step), centroids, &mut sums);
            for (entry, &sum) in table.iter_mut().zip(&sums) {
                *entry = product_unit * sum as f32;
            }
            if by_square != 0.0 {
                squares(&[0; 8], centroids, &mut sums);
                for (entry, &sum) in table.iter_mut().zip(&sums) {
                    *entry += square_unit * sum as f32;
                }
            }
        }
    }
}

fn square(place: &Subvector) -> i64 {
    place.iter().map(|&x| i64::from(x) * i64::from(x)).sum()
}

/// The first of the nearest centroids, and its squared distance.
#[inline(never)]
pub(super) fn nearest(part: &Subvector, centroids: &[Subvector; CENTROIDS]) -> (u8, i32) {
    let mut sums = [0; CENTROIDS];
    squares(part, centroids, &mut sums);
    // Distance and number in one integer, so that the least is found without a branch.
    let least = sums.iter().zip(0u64..).map(|(&sum, at)| u64::from(sum.cast_unsigned()) << 8 | at).min().unwrap_or(0);
    (least as u8, (least >> 8) as i32)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn numbers_whose_sums_do_not_fit_are_made_smaller() {
        let mut codebook = Codebook::new(384).unwrap();
        codebook.set_facts(0.5, 0.1);
        codebook.centroids_mut().iter_mut().flatten().for_each(|place| place[..6].fill(LIMIT));
        assert!(!codebook.is_possible());
        codebook.fit();
        assert!(codebook.is_possible());
        let stands_for = codebook.scale() * f32::from(codebook.centroids()[63][255][5]);
        assert!((stands_for - 0.5 * f32::from(LIMIT)).abs() < 0.01 * stands_for, "{stands_for}");
        assert_eq!(codebook.residual(), 0.1);
    }
}
