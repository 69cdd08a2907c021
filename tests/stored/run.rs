//! One sequence of calls, with or without a fault, and what must hold throughout.

use std::collections::BTreeSet;

use thermocline::{
    Config, Error, Id, Index, MemoryStore, Metric, Mode, OpenOptions, Quantization, Record, SearchOptions, StoredIndex,
    SystemClock,
};

use crate::changes::{change, fits, insert, insert_many, note_cold, note_retried, some_id};
use crate::layout;
use crate::model::{Model, fingerprint};
use crate::script::{Op, Script};
use crate::support::{Rng, Shared, content, copied, drive, now, now_ms, put, set_now_ms};

pub(crate) struct Run {
    pub(crate) place: MemoryStore,
    store: Shared,
    config: Config,
    lazy: bool,
    rng: Rng,
    pub(crate) model: Model,
    stored: Option<StoredIndex<Shared>>,
    /// How many calls of the store have failed, and whether every call fails after the first failure.
    failures: usize,
    is_dead_after: bool,
}

/// The store does nothing any more.
pub(crate) struct Dead;

impl Run {
    pub(crate) fn new(script: &Script, place: MemoryStore, store: Shared, model: Model, is_dead_after: bool) -> Self {
        let rng = Rng(script.seed ^ 0x5eed);
        set_now_ms(model.now_ms);
        let Script { config, lazy, .. } = *script;
        Self { place, store, config, lazy, rng, model, stored: None, failures: 0, is_dead_after }
    }

    pub(crate) fn ops(&mut self, ops: &[Op]) -> Result<(), Dead> {
        self.open()?;
        ops.iter().try_for_each(|op| self.op(*op))
    }

    fn stored(&self) -> &StoredIndex<Shared> {
        self.stored.as_ref().unwrap()
    }

    /// A call failed as planned; no other may fail.
    fn failed(&mut self, error: &Error) -> Result<(), Dead> {
        let Error::StoreFailed { why } = error else { panic!("{error}") };
        // A checkpoint does without a block that cannot be read, so the failure may first show at a later call.
        let is_later = self.is_dead_after && why.starts_with("the store stopped at call");
        assert!(why == "as planned" || is_later, "failure {}: {why}", self.failures);
        self.failures += 1;
        if self.is_dead_after {
            return Err(Dead);
        }
        assert_eq!(self.failures, 1, "a second failure");
        Ok(())
    }

    fn open(&mut self) -> Result<(), Dead> {
        let base = OpenOptions { now_ms, ..Default::default() };
        let options = OpenOptions { config: Some(self.config), mode: Mode::ReadWrite, lazy: self.lazy, ..base };
        self.stored = None;
        loop {
            let opened = now(StoredIndex::open(self.store.clone(), options));
            // Opened lazily under a budget, its records are read by the calls that need them.
            let stays_cold = self.lazy && self.config.max_bytes.is_some();
            let read = |stored: StoredIndex<Shared>| {
                if stays_cold { Ok(stored) } else { now(stored.read_ahead()).map(|()| stored) }
            };
            match opened.and_then(read) {
                Ok(stored) => {
                    self.settle(&stored);
                    self.stored = Some(stored);
                    return Ok(());
                }
                Err(error) => self.failed(&error)?,
            }
        }
    }

    fn settle(&mut self, stored: &StoredIndex<Shared>) {
        if self.config.max_bytes.is_none() {
            return self.model.settle(&stored.index().unwrap());
        }
        // With a budget not all records are read: an index without one reads what the store has.
        let options = OpenOptions { mode: Mode::ReadOnly, now_ms, ..Default::default() };
        let whole = now(StoredIndex::open(copied(&self.place), options)).unwrap();
        self.model.settle(&whole.index().unwrap());
        let index = stored.index().unwrap();
        self.model.verify(&index);
        assert_eq!(index.next_expiry_ms(), whole.index().unwrap().next_expiry_ms());
    }

    fn op(&mut self, op: Op) -> Result<(), Dead> {
        let Self { rng, model, .. } = self;
        let stored = self.stored.as_ref().unwrap();
        match op {
            Op::Change(count) => (0..count).for_each(|_| change(stored, model, rng)),
            Op::Fill(count) => (0..count).for_each(|_| insert(stored, model, rng)),
            Op::Many(count) => insert_many(stored, model, rng, count),
            Op::Get(count) => return (0..count).try_for_each(|_| self.get_any()),
            Op::Search(count) => return self.search(count),
            Op::Commit => return self.commit(false),
            Op::BusyCommit => return self.commit(true),
            Op::Checkpoint => return self.checkpoint(false),
            Op::CompactStored => return self.compact(false),
            Op::Erase => return self.compact(true),
            Op::BusyCheckpoint => return self.checkpoint(true),
            Op::Compact => {
                let packs = rng.one_in(3);
                let compacted = stored.change(|index| {
                    if packs {
                        index.pack_start()?;
                    }
                    index.compact()
                });
                fits(stored, model, compacted);
            }
            Op::CompactSteps(count) => {
                let compacted = stored.change(|index| {
                    if rng.one_in(3) {
                        index.pack_start()?;
                    }
                    index.compact_start()?;
                    for _ in 0..count {
                        if !index.compact_step(20)? {
                            index.compact_finish();
                            break;
                        }
                    }
                    Ok(())
                });
                fits(stored, model, compacted);
            }
            Op::Link(count) => {
                (0..count).for_each(|_| assert!(stored.change(Index::link_step).is_ok()));
            }
            Op::Clear => {
                stored.change(Index::clear).unwrap();
                model.clear();
            }
            Op::Pass(ms) => {
                set_now_ms(now_ms() + ms as f64);
                model.pass(now_ms());
                model.verify(&stored.index().unwrap());
            }
            Op::Reopen { closes } => {
                let stored = self.stored.take().unwrap();
                if closes {
                    let changes = self.model.changes();
                    match now(stored.close()) {
                        Ok(()) => self.model.acknowledge(changes),
                        Err(error) => self.failed(&error)?,
                    }
                }
                return self.open();
            }
        }
        Ok(())
    }

    fn commit(&mut self, busy: bool) -> Result<(), Dead> {
        let changes = self.model.changes();
        let Self { rng, model, .. } = self;
        let stored = self.stored.as_ref().unwrap();
        self.store.set_waits(busy);
        let outcome = drive(stored.commit(), || change(stored, model, rng));
        self.store.set_waits(false);
        match outcome {
            Ok(()) => self.model.acknowledge(changes),
            Err(error) => {
                self.sticks(&error);
                self.failed(&error)?;
                // What has not reached the store is only in memory.
                return self.open();
            }
        }
        Ok(())
    }

    /// After a failed commit nothing can be changed any more, but everything can still be read.
    fn sticks(&self, error: &Error) {
        let stored = self.stored();
        let vector = vec![0.5; self.config.dimensions];
        let refusals = [
            stored.change(|index| index.insert(&vector, None)).err(),
            stored.change(|index| index.insert_with_id("never seen", &vector, None)).err(),
            stored.change(|index| index.upsert(7, &vector, None)).err(),
            stored.change(|index| index.delete(&"never seen".into())).err(),
            stored.change(Index::clear).err(),
            stored.change(Index::compact_start).err(),
            now(stored.commit()).err(),
            now(stored.checkpoint()).err(),
        ];
        assert!(refusals.iter().all(|refusal| refusal.as_ref() == Some(error)), "{refusals:?}");
        let index = stored.index().unwrap();
        self.model.verify(&index);
        match index.search(&vector, Default::default()) {
            Ok(hits) => assert_eq!(hits.is_empty(), index.is_empty()),
            Err(Error::Untrained { .. }) => assert_eq!(self.config.quantization, Quantization::Product),
            Err(error) => assert!(matches!(error, Error::Cold(_)) && self.config.max_bytes.is_some(), "{error}"),
        }
    }

    /// Makes a call that reads the store if it must. After a failure it is repeated: nothing has changed.
    fn read<T>(
        &mut self,
        mut call: impl FnMut(&StoredIndex<Shared>) -> Result<T, Error>,
    ) -> Result<Result<T, Error>, Dead> {
        let misses = |run: &Self| run.stored().index().unwrap().stats().cache.misses;
        let before = misses(self);
        let mut outcome = call(self.stored());
        if let Err(error @ Error::StoreFailed { .. }) = &outcome {
            self.failed(&error.clone())?;
            note_retried();
            self.model.verify(&self.stored().index().unwrap());
            outcome = call(self.stored());
        }
        if misses(self) > before {
            note_cold();
        }
        Ok(outcome)
    }

    /// Reads a record, which must be that of the model. Returns its vector, if there is one.
    fn get(&mut self, id: &Id) -> Result<Option<Vec<f32>>, Dead> {
        let found = self.read(|stored| {
            let read =
                |record: Record<'_>| (fingerprint(&record.id, record.vector, record.payload), record.vector.to_vec());
            now(stored.get(id, read))
        })?;
        let (print, vector) = found.unwrap().unzip();
        assert_eq!(print, self.model.records.get(id).copied(), "{id}");
        Ok(vector)
    }

    fn get_any(&mut self) -> Result<(), Dead> {
        let id = some_id(&self.model, &mut self.rng);
        self.get(&id).map(drop)
    }

    /// Whatever is found is a record of the model at its true distance, each once and the nearest first.
    fn search(&mut self, count: usize) -> Result<(), Dead> {
        let (query, ef) = (self.rng.vector(self.config.dimensions), self.rng.pick(&[8, 60, 400]));
        let hits = match self.read(|stored| now(stored.search(&query, SearchOptions::top(count).with_ef(ef))))? {
            Err(Error::Untrained { .. }) => {
                assert_eq!(self.config.quantization, Quantization::Product);
                return Ok(());
            }
            found => found.unwrap(),
        };
        assert_eq!(hits.len(), count.min(self.model.records.len()));
        assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance), "{hits:?}");
        let ids: BTreeSet<&Id> = hits.iter().map(|hit| &hit.id).collect();
        assert_eq!(ids.len(), hits.len(), "{hits:?}");
        for hit in &hits {
            let vector = self.get(&hit.id)?.unwrap();
            let (expected, found) = (distance(self.config.metric, &query, &vector), f64::from(hit.distance));
            assert!((found - expected).abs() < 1e-4, "{} is at {expected}, not {found}", hit.id);
        }
        Ok(())
    }

    /// A failure comes from a commit, after which nothing can be changed any more, or from a checkpoint.
    fn compact(&mut self, erases: bool) -> Result<(), Dead> {
        let changes = self.model.changes();
        let stored = self.stored.as_ref().unwrap();
        let clock = SystemClock::default();
        let outcome = if erases { now(stored.erase(&clock)) } else { now(stored.compact(&clock)) };
        self.model.verify(&stored.index().unwrap());
        if let Err(error) = outcome {
            if error == Error::OverBudget && self.config.max_bytes.is_some() {
                return Ok(());
            }
            self.failed(&error)?;
            return self.open();
        }
        self.model.acknowledge(changes);
        if erases {
            assert_eq!(self.stored().index().unwrap().deleted(), 0);
            self.holds_no_dead();
        }
        Ok(())
    }

    /// Every block in the store is full of live records, and both checkpoints name the same blocks.
    fn holds_no_dead(&self) {
        let found = layout::manifests(&content(&self.place));
        let stored = self.stored().index().unwrap().stats().stored;
        for (_, manifest) in &found {
            assert!(manifest.dead == 0, "{manifest:?}");
            assert_eq!(manifest.blocks, found[0].1.blocks);
        }
        let blocks = content(&self.place).into_iter().filter(|(key, _)| key.starts_with("b/"));
        assert_eq!(blocks.map(|(_, value)| value.len() as u64).sum::<u64>(), stored.cold);
    }

    fn checkpoint(&mut self, busy: bool) -> Result<(), Dead> {
        let changes = self.model.changes();
        let Self { rng, model, .. } = self;
        let stored = self.stored.as_ref().unwrap();
        self.store.set_waits(busy);
        let outcome = drive(stored.checkpoint(), || {
            for _ in 0..rng.below(3) {
                change(stored, model, rng);
            }
            if rng.one_in(6) {
                let compacted = stored.change(|index| index.compact_start().and_then(|()| index.compact_step(200)));
                fits(stored, model, compacted);
            }
        });
        self.store.set_waits(false);
        if let Err(error) = outcome {
            self.failed(&error)?;
            self.model.verify(&self.stored().index().unwrap());
            // A later change is found whichever checkpoint the store has.
            if self.rng.one_in(2) {
                insert(self.stored.as_ref().unwrap(), &mut self.model, &mut self.rng);
                let changes = self.model.changes();
                now(self.stored().commit()).unwrap();
                self.model.acknowledge(changes);
            }
            match self.rng.below(3) {
                0 => return self.open(),
                1 => return Ok(()),
                _ => now(self.stored().checkpoint()).unwrap(),
            }
            // The remains of the failed checkpoint are gone, so they cannot interfere.
            self.reads_by_the_older();
        }
        self.model.acknowledge(changes);
        Ok(())
    }

    /// Opens what is left without faults, continues, opens it again, and leaves nothing behind.
    pub(crate) fn end(mut self) {
        self.store = Shared::new(&self.place, None);
        self.is_dead_after = false;
        let open = |run: &mut Self| run.open().unwrap_or_else(|Dead| unreachable!());
        open(&mut self);
        self.reads_by_the_older();
        self.use_and(|run| now(run.stored().commit()).unwrap());
        open(&mut self);
        self.use_and(|run| now(run.stored().checkpoint()).unwrap());
        let orphans = layout::orphans(&self.place);
        assert!(orphans.is_empty(), "left over: {orphans:?}");
        self.use_and(|run| now(run.stored().commit()).unwrap());
        self.reads_by_the_older();
        open(&mut self);
        assert!(self.model.changes() == 0 && content(&self.place).len() > 1);
    }

    fn use_and(&mut self, keeps: impl FnOnce(&Self)) {
        (0..3).for_each(|_| change(self.stored.as_ref().unwrap(), &mut self.model, &mut self.rng));
        keeps(self);
        self.model.acknowledge(self.model.changes());
        self.model.verify(&self.stored().index().unwrap());
    }

    /// If there are two checkpoints, the older leads to the same state as the newer.
    fn reads_by_the_older(&self) {
        let found = content(&self.place);
        let mut manifests = found.keys().rev().filter(|key| key.starts_with("m/"));
        if let (Some(newest), Some(_)) = (manifests.next(), manifests.next()) {
            let place = copied(&self.place);
            // Damaged, not missing: only the two newest names are looked at.
            put(&place, newest, b"damaged".to_vec());
            let options = OpenOptions { mode: Mode::ReadOnly, now_ms, ..Default::default() };
            let stored = now(StoredIndex::open(place, options)).unwrap();
            self.model.clone().settle(&stored.index().unwrap());
        }
    }
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum = |of: fn(f64, f64) -> f64, a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| of(f64::from(*a), f64::from(*b))).sum()
    };
    let dot = |a: &[f32], b: &[f32]| sum(|a, b| a * b, a, b);
    match metric {
        Metric::Cosine => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
        Metric::L2 => sum(|a, b| (a - b) * (a - b), a, b),
        Metric::Dot => -dot(a, b),
    }
}
