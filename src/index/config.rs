//! The options of an index.

use super::Error;
use crate::graph::MOST_LINKS;
use crate::metric::Metric;
use crate::quantize::Quantization;

/// The options of an index. Start from [`Config::new`] and change fields.
///
/// ```
/// use thermocline::{Config, Index, Metric};
/// let config = Config { metric: Metric::L2, ef: 100, ..Config::new(3) };
/// let mut index = Index::new(config)?;
/// let id = index.insert(&[1.0, 2.0, 3.0], None)?;
/// assert_eq!(index.search(&[1.0, 2.0, 3.0], Default::default())?[0].id, id);
/// # Ok::<(), thermocline::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Components of a vector, 1 to 8192. Fixed for the life of the index.
    pub dimensions: usize,
    /// What "near" means. Fixed for the life of the index.
    pub metric: Metric,
    /// How the codes that searches compare are stored. Fixed for the life of the index.
    pub quantization: Quantization,
    /// Links of a node above level 0, 4 to 64; twice as many on level 0. Fixed for the life of the index.
    pub m: usize,
    /// The `efConstruction` of the HNSW paper, 8 to 4096. The searches for a new node's neighbours keep about three
    /// quarters of this many candidates.
    pub ef_construction: usize,
    /// Width of a search whose options have no `ef`, 1 to [`Config::MAX_EF`].
    pub ef: usize,
    /// Seed of the random levels: the same input in the same order with the same seed gives the same index.
    pub seed: u64,
    /// Share of tombstones above which [`Index::needs_compaction`](crate::Index::needs_compaction) is true. Clamped
    /// to 0.01 to 0.99.
    pub compaction_threshold: f64,
    /// Memory that the index may take, in bytes; `None`: as much as it needs. A stored index keeps records beyond this
    /// limit in the store only, and reads them when they are needed. An insert that still does not fit fails with
    /// [`Error::OverBudget`]. The limit is not stored: each opening sets it.
    ///
    /// As long as codes, links and ids leave room, a stored index holds no more than this after each call
    /// ([`ResidentBytes::total`](crate::ResidentBytes::total)), with one exception: records that are not stored yet
    /// cannot be evicted. When they exceed the limit, a checkpoint is due. Some memory comes on top during a call, and
    /// training product codes takes 2.6 MB for each 384 dimensions or part of them.
    pub max_bytes: Option<usize>,
}

impl Config {
    /// The most components a vector may have.
    pub const MAX_DIMENSIONS: usize = 8192;
    /// The largest `ef`, and the largest `k`, of a search.
    pub const MAX_EF: usize = 10_000;

    /// The defaults: cosine, int8, `m` 16, `ef_construction` 200, `ef` 64, `compaction_threshold` 0.3.
    pub const fn new(dimensions: usize) -> Self {
        Self {
            dimensions,
            metric: Metric::Cosine,
            quantization: Quantization::Int8,
            m: 16,
            ef_construction: 200,
            ef: 64,
            seed: 0x7468_6572_6d6f,
            compaction_threshold: 0.3,
            max_bytes: None,
        }
    }

    /// Checks the range of each option and clamps the compaction threshold.
    pub(crate) fn validated(self) -> Result<Self, Error> {
        in_range("dimensions", self.dimensions, 1, Self::MAX_DIMENSIONS)?;
        in_range("m", self.m, 4, MOST_LINKS / 2)?;
        in_range("efConstruction", self.ef_construction, 8, 4096)?;
        in_range("ef", self.ef, 1, Self::MAX_EF)?;
        Ok(Self { compaction_threshold: clamp_threshold(self.compaction_threshold)?, ..self })
    }

    /// Refuses a config that differs in an option that is fixed for the life of an index.
    pub(crate) fn check_fixed(&self, asked: &Self) -> Result<(), Error> {
        if self.dimensions != asked.dimensions {
            return Err(Error::DimensionMismatch { expected: self.dimensions, received: asked.dimensions });
        }
        let differs = |option, is: &str, received: &str| {
            let expected = format!("{is}, as the index was made with");
            Err(Error::InvalidOption { option, expected, received: received.to_owned() })
        };
        if self.metric != asked.metric {
            return differs("metric", self.metric.name(), asked.metric.name());
        }
        if self.quantization != asked.quantization {
            return differs("quantization", self.quantization.name(), asked.quantization.name());
        }
        if self.m != asked.m {
            return differs("m", &self.m.to_string(), &asked.m.to_string());
        }
        Ok(())
    }
}

pub(super) fn in_range(option: &'static str, value: usize, least: usize, most: usize) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::InvalidOption {
        option,
        expected: format!("a whole number from {least} to {most}"),
        received: value.to_string(),
    })
}

pub(super) fn clamp_threshold(threshold: f64) -> Result<f64, Error> {
    if threshold.is_nan() {
        let expected = "a number, clamped to 0.01 to 0.99".to_owned();
        return Err(Error::InvalidOption { option: "compactionThreshold", expected, received: "NaN".to_owned() });
    }
    Ok(threshold.clamp(0.01, 0.99))
}
