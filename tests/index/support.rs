//! Vectors from a seed, exact answers in double precision, and the naive model for comparison with an index.

use std::collections::HashMap;

pub(crate) use crate::random::Rng;
use thermocline::{Config, Hit, Id, Index, Metric, Payload, Quantization, SearchOptions};

pub(crate) const METRICS: [Metric; 3] = Metric::ALL;
pub(crate) const QUANTIZATIONS: [Quantization; 4] =
    [Quantization::None, Quantization::Int8, Quantization::Binary, Quantization::Product];

impl Rng {
    /// Returns a roughly normal number with a standard deviation of about one.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..3).map(|_| self.unit()).sum()
    }

    pub(crate) fn vector(&mut self, dimensions: usize) -> Vec<f32> {
        (0..dimensions).map(|_| self.unit()).collect()
    }
}

/// Points around random centres, distributed like embeddings: centre number, vector.
pub(crate) struct Clusters {
    rng: Rng,
    centres: Vec<Vec<f32>>,
}

impl Clusters {
    pub(crate) fn new(seed: u64, count: usize, dimensions: usize) -> Self {
        let mut rng = Rng(seed);
        let centres = (0..count).map(|_| (0..dimensions).map(|_| rng.normal()).collect()).collect();
        Self { rng, centres }
    }

    pub(crate) fn draw(&mut self) -> (usize, Vec<f32>) {
        let at = self.rng.below(self.centres.len());
        (at, self.around(at))
    }

    pub(crate) fn around(&mut self, at: usize) -> Vec<f32> {
        let Self { rng, centres } = self;
        centres[at].iter().map(|x| x + 0.5 * rng.normal()).collect()
    }

    pub(crate) fn vectors(&mut self, n: usize) -> Vec<Vec<f32>> {
        (0..n).map(|_| self.draw().1).collect()
    }
}

pub(crate) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    match metric {
        Metric::Cosine => (1.0 - dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())).clamp(0.0, 2.0),
        Metric::L2 => a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum(),
        Metric::Dot => -dot(a, b),
    }
}

/// How far a distance computed in single precision may be from the true one.
pub(crate) fn tolerance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    let scale = if metric == Metric::Cosine { 1.0 } else { length(a) + length(b) };
    1e-5 * scale + 1e-6
}

/// Returns all exact distances from `query`, ascending.
pub(crate) fn exact<'a, K: Clone + Ord + 'a>(
    metric: Metric,
    query: &[f32],
    records: impl Iterator<Item = (&'a K, &'a [f32])>,
) -> Vec<(f64, K)> {
    let mut all: Vec<(f64, K)> = records.map(|(key, vector)| (distance(metric, query, vector), key.clone())).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    all
}

/// Returns the share of the `k` nearest among `hits`. A hit as near as the k-th counts, so ties lose nothing.
pub(crate) fn recall(hits: &[Hit], truth: &[(f64, Id)], k: usize) -> f64 {
    let k = k.min(truth.len());
    if k == 0 {
        return 1.0;
    }
    let worst = truth[k - 1].0;
    let near = hits.iter().filter(|hit| f64::from(hit.distance) <= worst + 1e-5 * (1.0 + worst.abs())).count();
    near.min(k) as f64 / k as f64
}

/// Mean recall@k of an index over queries, against exact answers from its own records.
pub(crate) fn mean_recall(index: &Index, queries: &[Vec<f32>], k: usize, ef: usize) -> f64 {
    let metric = index.config().metric;
    let records: Vec<_> = index.iter().collect();
    let total: f64 = queries
        .iter()
        .map(|query| {
            let truth = exact(metric, query, records.iter().map(|record| (&record.id, record.vector)));
            recall(&index.search(query, SearchOptions::top(k).with_ef(ef)).unwrap(), &truth, k)
        })
        .sum();
    total / queries.len() as f64
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnPayload {
    Nothing,
    Json(String),
    Bytes(Vec<u8>),
}

impl OwnPayload {
    pub(crate) fn of(seed: u64) -> Self {
        match seed % 4 {
            0 => Self::Nothing,
            1 => Self::Json(format!("{{\"n\":{seed},\"t\":\"{}\"}}", "å".repeat(seed as usize % 7))),
            2 => Self::Bytes((0..seed % 23).map(|i| i.wrapping_mul(seed) as u8).collect()),
            _ => Self::Bytes(Vec::new()),
        }
    }

    pub(crate) fn borrow(&self) -> Option<Payload<'_>> {
        match self {
            Self::Nothing => None,
            Self::Json(text) => Some(Payload::Json(text)),
            Self::Bytes(bytes) => Some(Payload::Bytes(bytes)),
        }
    }
}

/// The records that an index should hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) records: HashMap<Id, (Vec<f32>, OwnPayload)>,
}

impl Model {
    /// Takes the present contents of the index as expected.
    pub(crate) fn of(index: &Index) -> Self {
        let own = |payload| match payload {
            None => OwnPayload::Nothing,
            Some(Payload::Json(text)) => OwnPayload::Json(text.to_owned()),
            Some(Payload::Bytes(bytes)) => OwnPayload::Bytes(bytes.to_vec()),
        };
        let records = index.iter().map(|r| (r.id.clone(), (r.vector.to_vec(), own(r.payload)))).collect();
        Self { records }
    }

    /// Asserts that the index passes its own check and holds exactly these records, bit for bit.
    #[track_caller]
    pub(crate) fn verify(&self, index: &Index) {
        sound(index);
        assert_eq!(index.len(), self.records.len());
        assert_eq!(index.is_empty(), self.records.is_empty());
        for (id, (vector, payload)) in &self.records {
            assert!(index.contains(id).unwrap());
            let record = index.get(id).unwrap().unwrap();
            assert_eq!((&record.id, record.payload), (id, payload.borrow()));
            assert!(record.vector.iter().map(|x| x.to_bits()).eq(vector.iter().map(|x| x.to_bits())), "{id}");
        }
        let mut met: Vec<Id> = index.iter().map(|record| record.id).collect();
        met.sort();
        met.dedup();
        assert_eq!(met.len(), self.records.len());
        let stats = index.stats();
        assert_eq!((stats.size, stats.deleted), (index.len(), index.deleted()));
    }

    /// Asserts what must hold for the hits of any search, and returns their recall.
    #[track_caller]
    pub(crate) fn verify_hits(
        &self,
        metric: Metric,
        query: &[f32],
        hits: &[Hit],
        k: usize,
        passes: impl Fn(&Id) -> bool,
    ) -> f64 {
        let matching = self.records.iter().filter(|(id, _)| passes(id));
        let truth = exact(metric, query, matching.map(|(id, (vector, _))| (id, vector.as_slice())));
        assert_eq!(hits.len(), k.min(truth.len()), "k live hits");
        let mut seen: Vec<&Id> = hits.iter().map(|hit| &hit.id).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), hits.len(), "each record once");
        for hit in hits {
            assert!(passes(&hit.id), "{} does not pass the filter", hit.id);
            let (vector, _) = &self.records[&hit.id];
            let (expected, found) = (distance(metric, query, vector), f64::from(hit.distance));
            let most = tolerance(metric, query, vector);
            assert!((expected - found).abs() <= most, "{}: distance {found}, expected {expected}", hit.id);
        }
        assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance), "nearest first");
        recall(hits, &truth, k)
    }
}

/// Asserts that the index passes its own check.
#[track_caller]
pub(crate) fn sound(index: &Index) {
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    assert_eq!((report.live, report.reachable), (index.len(), index.len()));
}

/// Builds an index of these vectors, numbered from 0.
pub(crate) fn build(config: Config, vectors: &[Vec<f32>]) -> Index {
    let mut index = Index::new(config).unwrap();
    for vector in vectors {
        index.insert(vector, None).unwrap();
    }
    index
}
