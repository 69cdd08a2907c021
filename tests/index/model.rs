//! Any sequence of calls, compared with a hash map and brute force.

use std::collections::HashMap;

use proptest::prelude::*;
use thermocline::{Config, Error, Id, Index, Metric, NewRecord, Quantization, SearchOptions};

use crate::support::{METRICS, Model, OwnPayload, QUANTIZATIONS, Rng};

#[derive(Clone, Debug)]
enum Op {
    Insert(u64),
    InsertEach(u64, usize),
    /// In one call. Every third record has its own id; the last may have that of another.
    InsertMany(u64, usize, bool),
    InsertWithId(Id, u64),
    Upsert(Id, u64),
    /// Expires after this time, and replaces the record with the id.
    UpsertExpiring(Id, u64, u32),
    /// This much time passes.
    Pass(u32),
    Delete(Id),
    /// Deletes about one in this many live records.
    DeleteMany(u64, usize),
    Search {
        seed: u64,
        k: usize,
        ef: usize,
        one_in: u64,
    },
    Reserve(usize),
    Compact,
    /// Starts a compaction, which packs or not.
    Start(bool),
    Steps {
        budget_us: usize,
        count: usize,
    },
    Finish,
    Abort,
    Clear,
    Reload,
}

fn any_id() -> impl Strategy<Value = Id> {
    prop_oneof![
        6 => (0u64..60).prop_map(Id::Number),
        1 => (1u64 << 40..(1 << 40) + 4).prop_map(Id::Number),
        4 => (0u32..40).prop_map(|n| Id::from(format!("id-{n}").as_str())),
        1 => Just(Id::from("ü".repeat(2048).as_str())),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    // From a small range, so that vectors repeat.
    let seed = || 0u64..90;
    prop_oneof![
        6 => seed().prop_map(Op::Insert),
        2 => (any::<u64>(), 1usize..400).prop_map(|(seed, count)| Op::InsertEach(seed, count)),
        3 => (any::<u64>(), 0usize..400, prop::bool::weighted(0.1)).prop_map(|(seed, count, twice)| Op::InsertMany(seed, count, twice)),
        4 => (any_id(), seed()).prop_map(|(id, seed)| Op::InsertWithId(id, seed)),
        4 => (any_id(), seed()).prop_map(|(id, seed)| Op::Upsert(id, seed)),
        4 => (any_id(), seed(), 0u32..200).prop_map(|(id, seed, after)| Op::UpsertExpiring(id, seed, after)),
        3 => (0u32..120).prop_map(Op::Pass),
        6 => any_id().prop_map(Op::Delete),
        4 => (any::<u64>(), 1usize..6).prop_map(|(seed, one_in)| Op::DeleteMany(seed, one_in)),
        8 => (seed(), 1usize..20, prop_oneof![1usize..5, 60usize..200], prop_oneof![4 => Just(1u64), 1 => 2u64..40])
            .prop_map(|(seed, k, ef, one_in)| Op::Search { seed, k, ef, one_in }),
        1 => (0usize..3000).prop_map(Op::Reserve),
        1 => Just(Op::Compact),
        4 => any::<bool>().prop_map(Op::Start),
        9 => (prop_oneof![1usize..20, 1usize..800], 1usize..12).prop_map(|(budget_us, count)| Op::Steps { budget_us, count }),
        1 => Just(Op::Finish),
        1 => Just(Op::Abort),
        1 => prop::bool::weighted(0.3).prop_map(|clears| if clears { Op::Clear } else { Op::Reload }),
        1 => Just(Op::Reload),
    ]
}

fn any_config() -> impl Strategy<Value = Config> {
    let dimensions = prop_oneof![Just(1usize), Just(3), Just(17)];
    let m = prop_oneof![Just(4usize), Just(16)];
    let ef_construction = prop_oneof![Just(8usize), Just(40)];
    (dimensions, 0..3usize, 0..2usize, m, ef_construction, any::<u64>()).prop_map(
        |(dimensions, metric, quantization, m, ef_construction, seed)| Config {
            metric: METRICS[metric],
            quantization: QUANTIZATIONS[quantization],
            m,
            ef_construction,
            seed,
            ..Config::new(dimensions)
        },
    )
}

/// The possible number of tombstones: exact, except for those that a job under way has yet to remove.
#[derive(Default)]
struct Tombstones {
    /// Deleted since the job began, or all of them if there is no job.
    settled: usize,
    /// Deleted before the job began: each may be gone. `None` without a job.
    leaving: Option<usize>,
    /// Whether at some moment of the job nothing was live: it may then have removed everything.
    emptied: bool,
}

struct Run {
    index: Index,
    model: Model,
    next_number: u64,
    /// When records expire.
    expiries: HashMap<Id, f64>,
    now_ms: f64,
    tombstones: Tombstones,
    /// Recall of the searches wide enough to be judged: sum and count.
    recall: (f64, usize),
}

impl Run {
    fn new(config: Config) -> Self {
        let tombstones = Tombstones::default();
        let index = Index::new(config).unwrap();
        let (model, expiries) = (Model::default(), HashMap::new());
        Self { index, model, next_number: 0, expiries, now_ms: 1e12, tombstones, recall: (0.0, 0) }
    }

    fn metric(&self) -> Metric {
        self.index.config().metric
    }

    /// Half of the vectors lie on a coarse grid, where many distances are equal.
    fn vector(&self, seed: u64) -> Vec<f32> {
        let mut rng = Rng(seed);
        let dimensions = self.index.config().dimensions;
        let mut vector = rng.vector(dimensions);
        if seed.is_multiple_of(2) {
            vector.iter_mut().for_each(|x| *x = (*x * 2.5).round());
        }
        if vector.iter().all(|x| *x == 0.0) {
            vector[0] = 1.0;
        }
        vector
    }

    fn put(&mut self, id: Id, seed: u64) {
        if let Id::Number(number) = id {
            self.next_number = self.next_number.max(number + 1);
        }
        self.expiries.remove(&id);
        let record = (self.vector(seed), OwnPayload::of(seed));
        if self.model.records.insert(id, record).is_some() {
            self.tombstones.settled += 1;
        }
    }

    fn insert(&mut self, seed: u64) {
        let id = self.index.insert(&self.vector(seed), OwnPayload::of(seed).borrow()).unwrap();
        assert_eq!(id, Id::Number(self.next_number), "the next number never used");
        self.put(id, seed);
    }

    fn insert_many(&mut self, seed: u64, count: usize, twice: bool) {
        let seeds: Vec<u64> = (0..count as u64).map(|i| seed.wrapping_add(i) >> 1).collect();
        let own: Vec<_> = seeds.iter().map(|&seed| (self.vector(seed), OwnPayload::of(seed))).collect();
        let at_ms = |seed: u64| seed.is_multiple_of(5).then_some(self.now_ms + (seed % 300) as f64);
        let first = self.next_number;
        let record = |at: usize| NewRecord {
            id: (at % 3 == 2).then(|| Id::from(format!("{first}-{at}").as_str())),
            payload: own[at].1.borrow(),
            expires_ms: at_ms(seeds[at]),
            ..NewRecord::new(&own[at].0)
        };
        let mut records: Vec<NewRecord<'_>> = (0..count).map(record).collect();
        if twice && let Some(last) = records.last_mut() {
            let taken = self.model.records.keys().min().cloned();
            last.id = taken.clone();
            let before = self.index.export().unwrap();
            if let Some(id) = taken {
                let error = Error::InRecord { at: count - 1, error: Error::DuplicateId { id }.into() };
                assert_eq!(self.index.insert_many(&records), Err(error));
                assert!(self.index.export().unwrap() == before, "nothing has changed");
                return;
            }
        }
        let ids = self.index.insert_many(&records).unwrap();
        assert_eq!(ids.len(), count);
        for (at, id) in ids.into_iter().enumerate() {
            match &records[at].id {
                Some(own) => assert_eq!(*own, id),
                None => assert_eq!(Id::Number(self.next_number), id, "the next number never used"),
            }
            let expires_ms = records[at].expires_ms;
            self.put(id.clone(), seeds[at]);
            if let Some(at_ms) = expires_ms {
                self.expiries.insert(id, at_ms);
            }
        }
    }

    fn delete(&mut self, id: &Id) {
        self.expiries.remove(id);
        let was_live = self.model.records.remove(id).is_some();
        assert_eq!(self.index.delete(id).unwrap(), was_live);
        self.tombstones.settled += usize::from(was_live);
    }

    /// Deletes expired records, in no particular order.
    fn pass(&mut self, ms: f64) {
        self.now_ms += ms;
        let (gone, left) = self.expiries.drain().partition(|(_, at_ms)| *at_ms <= self.now_ms);
        self.expiries = left;
        let gone: HashMap<Id, f64> = gone;
        gone.keys().for_each(|id| drop(self.model.records.remove(id)));
        assert_eq!(self.index.expire(self.now_ms), gone.len());
        self.tombstones.settled += gone.len();
    }

    /// The job is gone. How many of the tombstones it found it has removed is unknown. Those made since it began must
    /// still be there, unless nothing was live for a moment.
    fn job_dropped(&mut self) {
        if self.tombstones.leaving.take().is_some() {
            assert!(self.tombstones.emptied || self.index.deleted() >= self.tombstones.settled);
            self.tombstones.settled = self.index.deleted();
        }
    }

    fn finish(&mut self) {
        let before = self.index.compact_progress().unwrap();
        assert_eq!(before.done, before.total, "an ended job is all done");
        let report = self.index.compact_finish().unwrap();
        let leaving = self.tombstones.leaving.take().unwrap();
        assert_eq!(report.new_size, self.model.records.len());
        if self.tombstones.emptied {
            assert!(report.tombstones_removed >= leaving);
        } else {
            assert_eq!((report.tombstones_removed, self.index.deleted()), (leaving, self.tombstones.settled));
        }
        self.tombstones.settled = self.index.deleted();
        assert_eq!(self.index.last_compaction(), Some(&report));
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Insert(seed) => self.insert(seed),
            Op::InsertEach(seed, count) => (0..count as u64).for_each(|i| self.insert(seed.wrapping_add(i) >> 1)),
            Op::InsertMany(seed, count, twice) => self.insert_many(seed, count, twice),
            Op::InsertWithId(id, seed) => {
                let result = self.index.insert_with_id(id.clone(), &self.vector(seed), OwnPayload::of(seed).borrow());
                if self.model.records.contains_key(&id) {
                    assert_eq!(result, Err(Error::DuplicateId { id }));
                } else {
                    result.unwrap();
                    self.put(id, seed);
                }
            }
            Op::Upsert(id, seed) => {
                self.index.upsert(id.clone(), &self.vector(seed), OwnPayload::of(seed).borrow()).unwrap();
                self.put(id, seed);
            }
            Op::UpsertExpiring(id, seed, after) => {
                let (vector, payload) = (self.vector(seed), OwnPayload::of(seed));
                let at_ms = self.now_ms + f64::from(after);
                self.index.upsert_expiring(id.clone(), &vector, payload.borrow(), Some(at_ms)).unwrap();
                self.put(id.clone(), seed);
                self.expiries.insert(id, at_ms);
            }
            Op::Pass(ms) => self.pass(f64::from(ms)),
            Op::Delete(id) => self.delete(&id),
            Op::DeleteMany(seed, one_in) => {
                let mut ids: Vec<Id> = self.model.records.keys().cloned().collect();
                ids.sort();
                let mut rng = Rng(seed);
                ids.retain(|_| rng.below(one_in) == 0);
                ids.iter().for_each(|id| self.delete(id));
            }
            Op::Search { seed, k, ef, one_in } => self.search(seed, k, ef, one_in),
            Op::Reserve(count) => self.index.reserve(count).unwrap(),
            Op::Compact => {
                let fresh = self.tombstones.leaving.is_none();
                let expected = self.tombstones.settled;
                let report = self.index.compact().unwrap();
                assert_eq!(report.new_size, self.model.records.len());
                if fresh {
                    assert_eq!((report.tombstones_removed, self.index.deleted()), (expected, 0));
                }
                self.job_dropped();
                self.tombstones.settled = self.index.deleted();
            }
            Op::Start(packs) => {
                if packs { self.index.pack_start() } else { self.index.compact_start() }.unwrap();
                if self.tombstones.leaving.is_none() {
                    let leaving = Some(core::mem::take(&mut self.tombstones.settled));
                    self.tombstones = Tombstones { settled: 0, leaving, emptied: false };
                }
            }
            Op::Steps { budget_us, count } => {
                for _ in 0..count {
                    let before = self.index.compact_progress();
                    let more = self.index.compact_step(budget_us).unwrap();
                    let after = self.index.compact_progress();
                    assert_eq!(before.is_some(), after.is_some());
                    assert!(before.zip(after).is_none_or(|(b, a)| b.done <= a.done && a.done <= a.total));
                    if !more {
                        if after.is_some() {
                            self.finish();
                        }
                        break;
                    }
                }
            }
            // Ending a job early is the same as dropping it.
            Op::Finish => {
                assert_eq!(self.index.compact_finish().is_some(), self.tombstones.leaving.is_some());
                self.job_dropped();
            }
            Op::Abort => {
                self.index.compact_abort();
                assert!(self.index.compact_progress().is_none());
                self.job_dropped();
            }
            Op::Clear => {
                self.index.clear().unwrap();
                self.model.records.clear();
                self.expiries.clear();
                self.tombstones = Tombstones::default();
            }
            Op::Reload => {
                let bytes = self.index.export().unwrap();
                self.index = Index::import(&bytes).unwrap();
                assert!(self.index.export().unwrap() == bytes, "the same bytes again");
                self.job_dropped();
            }
        }
    }

    fn search(&mut self, seed: u64, k: usize, ef: usize, one_in: u64) {
        let query = self.vector(seed ^ 1);
        let passes = |id: &Id| match id {
            Id::Number(number) => number % one_in == 0,
            Id::Text(text) => (text.len() as u64).is_multiple_of(one_in),
        };
        let mut filter = |id: &Id| passes(id);
        let mut options = SearchOptions::top(k).with_ef(ef);
        if one_in > 1 {
            options = options.with_filter(&mut filter);
        }
        let hits = self.index.search(&query, options).unwrap();
        let recall = self.model.verify_hits(self.metric(), &query, &hits, k, passes);
        let config = self.index.config();
        if ef >= self.model.records.len() && config.quantization == Quantization::None {
            assert_eq!(recall, 1.0, "a search as wide as the index misses nothing");
        }
        // In fewer dimensions, a cluster of identical vectors fills a search of any width.
        if ef >= 60 && config.dimensions == 17 {
            self.recall = (self.recall.0 + recall, self.recall.1 + 1);
        }
    }

    fn verify(&mut self) {
        self.tombstones.emptied |= self.model.records.is_empty();
        self.model.verify(&self.index);
        assert_eq!(self.index.next_expiry_ms(), self.expiries.values().copied().reduce(f64::min));
        let (found, Tombstones { settled, leaving, .. }) = (self.index.deleted(), &self.tombstones);
        match leaving {
            None => assert_eq!(found, *settled),
            Some(leaving) => assert!(found <= settled + leaving, "{found} tombstones, {settled} + {leaving}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, max_shrink_iters: 3000, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_behaves_like_a_map(config in any_config(), ops in prop::collection::vec(any_op(), 1..60)) {
        let mut run = Run::new(config);
        for op in ops {
            run.apply(op);
            run.verify();
        }
        let (sum, count) = run.recall;
        prop_assert!(count < 6 || sum / count as f64 >= 0.75, "recall {} over {count} searches", sum / count as f64);
    }
}
