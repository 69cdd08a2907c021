//! Choosing the centroids of a codebook: k-means (Lloyd's algorithm) in each subspace, in whole numbers, a round at a time.
//!
//! The sample is of vectors that are in the index, the first centroids are some of them at equal distances, and nothing is drawn at
//! random: the same records in the same slots give the same codebook on every platform.

use super::codebook::{CENTROIDS, Codebook, nearest, subspaces};
use crate::metric::Subvector;
use crate::types::OutOfMemory;
use crate::wipe::wipe;

/// Vectors that there must be before it can begin: four for a centroid. On 100,000 sentence embeddings sixteen times as many
/// leave a residual smaller by a twelfth.
pub(crate) const TRAINING_VECTORS: usize = 1024;
/// The most vectors that the sample has.
const MOST_VECTORS: usize = 2048;
/// Rounds in each subspace.
const ROUNDS: usize = 8;

/// A codebook being made.
#[derive(Debug)]
pub(super) struct Training {
    codebook: Codebook,
    /// Subvectors of the sample, those of a subspace together.
    sample: Vec<Subvector>,
    vectors: usize,
    subspace: usize,
    round: usize,
    /// Squared distances of the sample to its centroids, in whole numbers.
    error: u64,
}

impl Training {
    /// Begins with some of `count` vectors, each of which `vector` gives with a factor to multiply it by.
    pub(super) fn begin<'a>(
        dimensions: usize,
        count: usize,
        vector: &dyn Fn(usize) -> (&'a [f32], f32),
    ) -> Result<Self, OutOfMemory> {
        let mut codebook = Codebook::new(dimensions)?;
        let vectors = count.min(MOST_VECTORS);
        let chosen = |at: usize| vector(at * count / vectors);
        let mut sample = Vec::new();
        sample.try_reserve_exact(vectors * subspaces(dimensions))?;
        sample.resize(vectors * subspaces(dimensions), [0; 8]);
        let longest = (0..vectors).map(chosen).fold(0.0f32, |most, (vector, factor)| {
            most.max(vector.iter().map(|x| x * factor * (x * factor)).sum::<f32>().sqrt())
        });
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

    /// One round in one subspace: about a millisecond. The codebook once it is made.
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

impl Drop for Training {
    fn drop(&mut self) {
        wipe(&mut self.sample);
    }
}
