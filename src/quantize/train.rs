//! Choosing the centroids of a codebook: k-means (Lloyd's algorithm) in each subspace, in integers, a round at a time.
//!
//! The sample consists of vectors of the index, the initial centroids are evenly spaced in the sample, and nothing is
//! random: the same records in the same slots give the same codebook on every platform.

use super::codebook::{CENTROIDS, Codebook, nearest, subspaces};
use crate::metric::Subvector;
use crate::types::OutOfMemory;
use crate::wipe::wipe;

/// The vectors needed before training can begin: four per centroid. On 100,000 sentence embeddings, sixteen times as
/// many make the residual smaller by a twelfth.
pub(crate) const TRAINING_VECTORS: usize = 1024;
/// The most vectors in the sample.
const MOST_VECTORS: usize = 2048;
/// Rounds in each subspace.
const ROUNDS: usize = 8;
/// A vector is far longer than most if few vectors are longer than its length divided by this.
const FAR_LONGER: f32 = 8.0;
/// Below this length the squares of components may underflow, …
const UNDERFLOW_LENGTH: f32 = 1e-15;
/// …so the vector is multiplied by this before it is measured.
const UNDERFLOW_FACTOR: f32 = 1e25;

/// A codebook being made.
#[derive(Debug)]
pub(super) struct Training {
    codebook: Codebook,
    /// Subvectors of the sample, those of a subspace together.
    sample: Vec<Subvector>,
    vectors: usize,
    subspace: usize,
    round: usize,
    /// The sum of squared distances of the sample to its centroids, in integers.
    error: u64,
}

impl Training {
    /// Begins with some of `count` vectors, each of which `vector` gives with a factor to multiply it by. Up to one in
    /// `part` may be cut off at the limits of the integers, because they are far longer than the others.
    pub(super) fn begin<'a>(
        dimensions: usize,
        count: usize,
        part: usize,
        vector: &dyn Fn(usize) -> (&'a [f32], f32),
    ) -> Result<Self, OutOfMemory> {
        let mut codebook = Codebook::new(dimensions)?;
        let vectors = count.min(MOST_VECTORS);
        let chosen = |at: usize| vector(at * count / vectors);
        let mut sample = Vec::new();
        sample.try_reserve_exact(vectors * subspaces(dimensions))?;
        sample.resize(vectors * subspaces(dimensions), [0; 8]);
        let mut lengths = [0.0; MOST_VECTORS];
        lengths.iter_mut().take(vectors).enumerate().for_each(|(at, place)| *place = length(chosen(at)));
        let longest = longest_usual(&lengths, part);
        let scale = Codebook::scale_for(longest);
        codebook.set_facts(scale, 0.0);
        for at in 0..vectors {
            let (vector, factor) = chosen(at);
            for subspace in 0..subspaces(dimensions) {
                sample[subspace * vectors + at] = codebook.cut(subspace, vector, factor / scale);
            }
        }
        Ok(Self { codebook, sample, vectors, subspace: 0, round: 0, error: 0 })
    }

    /// Does one round in one subspace, which takes about a millisecond. Returns the codebook once it is made.
    pub(super) fn step(&mut self) -> Option<Codebook> {
        let Self { codebook, sample, vectors, .. } = self;
        let Some(centroids) = codebook.centroids_mut().get_mut(self.subspace) else {
            let mean = self.error as f64 / (*vectors).max(1) as f64;
            codebook.set_facts(codebook.scale(), mean.sqrt() as f32 * codebook.scale());
            codebook.fit();
            return Some(core::mem::take(codebook));
        };
        let sample = sample.get(self.subspace * *vectors..(self.subspace + 1) * *vectors).unwrap_or_default();
        if self.round == 0 {
            for (at, centroid) in centroids.iter_mut().enumerate() {
                *centroid = sample.get(at * *vectors / CENTROIDS).copied().unwrap_or_default();
            }
        }
        let mut sums = [([0i32; 8], 0i32); CENTROIDS];
        let mut error = 0;
        for part in sample {
            let (at, distance) = nearest(part, centroids);
            error += u64::from(distance.cast_unsigned());
            let (sum, count) = &mut sums[usize::from(at)];
            sum.iter_mut().zip(part).for_each(|(sum, &x)| *sum += i32::from(x));
            *count += 1;
        }
        self.round += 1;
        if self.round == ROUNDS {
            self.error += error;
            (self.round, self.subspace) = (0, self.subspace + 1);
            return None;
        }
        // A centroid that is the nearest of no vector stays where it is.
        for (centroid, (sum, count)) in centroids.iter_mut().zip(sums).filter(|(_, (_, count))| *count > 0) {
            for (x, sum) in centroid.iter_mut().zip(sum) {
                *x = (2 * sum + count).div_euclid(2 * count) as i16;
            }
        }
        None
    }

    /// How many calls of [`Training::step`] it takes.
    pub(super) const fn steps(dimensions: usize) -> usize {
        subspaces(dimensions) * ROUNDS + 1
    }

    /// How many more calls of [`Training::step`] it takes.
    pub(super) fn steps_left(&self) -> usize {
        let subspaces = self.codebook.centroids().len().saturating_sub(self.subspace);
        (subspaces * ROUNDS + 1).saturating_sub(self.round)
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        self.sample.capacity() * size_of::<Subvector>() + self.codebook.resident_bytes()
    }
}

/// The length of `factor` times a vector.
fn length((vector, factor): (&[f32], f32)) -> f32 {
    let mut unit = 1.0;
    loop {
        let components = vector.iter().map(|x| x * factor * unit);
        let length = components.map(|x| x * x).sum::<f32>().sqrt() / unit;
        if length > UNDERFLOW_LENGTH || unit == UNDERFLOW_FACTOR {
            return length;
        }
        unit = UNDERFLOW_FACTOR;
    }
}

/// The length of the longest vector, not counting those that are far longer than most: fewer than one in `part`, zeros
/// aside. It determines the scale: if one vector were a thousand times longer than the others, all their components
/// would round to zero. Lengths that are not finite, which only crafted vectors have, count as longer.
fn longest_usual(lengths: &[f32], part: usize) -> f32 {
    let mut most = f32::MAX;
    loop {
        let (_, longest) = within(lengths, 0.0, most);
        most = longest / FAR_LONGER;
        if within(lengths, most, f32::INFINITY).0 >= within(lengths, 0.0, f32::INFINITY).0 / part {
            return longest;
        }
    }
}

/// How many lengths are above `least` and at most `most`, and the longest of them.
#[inline(never)]
fn within(lengths: &[f32], least: f32, most: f32) -> (usize, f32) {
    lengths
        .iter()
        .filter(|length| **length > least && **length <= most)
        .fold((0, 0.0), |(count, longest), &length| (count + 1, if length > longest { length } else { longest }))
}

impl Drop for Training {
    fn drop(&mut self) {
        wipe(&mut self.sample);
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_few_that_are_far_longer_do_not_count() {
        let (short, long) = (vec![1.0; 95], vec![1000.0; 5]);
        assert_eq!(longest_usual(&[short.clone(), vec![2.5], long.clone()].concat(), 16), 2.5);
        // Each a little longer than the one before, to any length.
        let spread: Vec<f32> = (0..100).map(|at| 1.1f32.powi(at)).collect();
        assert_eq!(longest_usual(&spread, 16), spread[99]);
        // These are too many to ignore.
        assert_eq!(longest_usual(&[short.clone(), long.repeat(2)].concat(), 16), 1000.0);
        // Two kinds of far longer ones.
        assert_eq!(longest_usual(&[short, vec![100.0; 3], vec![1e9; 2]].concat(), 16), 1.0);
        assert_eq!(longest_usual(&[vec![0.0; 95], long].concat(), 16), 1000.0, "zeros say nothing of the others");
        assert_eq!(longest_usual(&[0.0; 3], 16), 0.0);
        assert_eq!(longest_usual(&[vec![3.0; 95], vec![f32::INFINITY; 5], vec![f32::NAN; 9]].concat(), 16), 3.0);
        assert_eq!(longest_usual(&[f32::INFINITY; 40], 16), 0.0);
        assert_eq!(longest_usual(&[], 16), 0.0);
    }

    #[test]
    fn the_length_of_a_vector_whose_squares_vanish() {
        for unit in [1.0, 1e17, 1e-14, 1e-16, 1e-24, 1e-36] {
            let found = length((&[3.0, -4.0, 0.0], unit)) / unit;
            assert!((found - 5.0).abs() < 1e-3, "{unit}: {found}");
        }
        assert_eq!(length((&[0.0; 3], 1.0)), 0.0);
    }
}
