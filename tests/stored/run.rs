//! One sequence of calls, with or without a fault, and what must hold throughout.

use thermocline::{
    Config, Error, Id, Index, MemoryStore, Metric, Mode, OpenOptions, Payload, Quantization, StoredIndex, SystemClock,
};

use crate::layout;
use crate::model::{Model, fingerprint};
use crate::support::{Rng, Shared, content, copied, drive, now, now_ms, put, set_now_ms};

/// An operation on an index and its store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// This many changes of any kind.
    Change(usize),
    /// This many inserts.
    Fill(usize),
    Commit,
    /// Changes happen while the store is awaited.
    BusyCommit,
    Checkpoint,
    BusyCheckpoint,
    Compact,
    /// This many steps of a compaction, which is left unfinished.
    CompactSteps(usize),
    /// Links this many pending records.
    Link(usize),
    Clear,
    /// This much time passes.
    Pass(usize),
    /// To the end, including the store.
    CompactStored,
    /// The same, leaving nothing of deleted records.
    Erase,
    /// Closed or merely dropped, then opened again.
    Reopen {
        closes: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) config: Config,
    pub(crate) value_bytes: usize,
    /// Whether records from logs are linked later than at the opening.
    pub(crate) lazy: bool,
    /// Done once, without faults.
    pub(crate) before: Vec<Op>,
    pub(crate) ops: Vec<Op>,
    pub(crate) seed: u64,
}

impl Script {
    pub(crate) fn new(seed: u64, is_large: bool) -> Self {
        let mut rng = Rng(seed);
        let config = Config {
            metric: rng.pick(&[Metric::Cosine, Metric::L2, Metric::Dot]),
            quantization: rng.pick(&[Quantization::Int8, Quantization::None]),
            m: rng.pick(&[4, 6]),
            ef_construction: 8,
            ef: 8,
            seed,
            ..Config::new(3 + rng.below(6))
        };
        let value_bytes =
            if is_large { rng.pick(&[6000, 20_000, 65_536]) } else { rng.pick(&[200, 900, 5000, 65_536]) };
        let before = match is_large {
            true => {
                let count = rng.pick(&[1020, 1100, 2050, 3000]);
                vec![Op::Fill(count), Op::Change(60), Op::Checkpoint, Op::Change(9), Op::Commit]
            }
            false => Vec::new(),
        };
        let most = if is_large { 5 } else { 12 };
        let ops = (0..3 + rng.below(most)).map(|_| Self::op(&mut rng, is_large)).collect();
        Self { config, value_bytes, lazy: rng.one_in(2), before, ops, seed }
    }

    fn op(rng: &mut Rng, is_large: bool) -> Op {
        // Relinking thousands of nodes would take longer than everything else.
        let op = rng.below(if is_large { 42 } else { 49 });
        match op {
            0..=11 => Op::Change(1 + rng.below(8)),
            12..=16 => Op::Commit,
            17 | 18 => Op::BusyCommit,
            19..=22 => Op::Checkpoint,
            23..=26 => Op::BusyCheckpoint,
            27 | 28 if !is_large || rng.one_in(4) => Op::Compact,
            27..=30 => Op::CompactSteps(1 + rng.below(30)),
            31..=33 => Op::Reopen { closes: false },
            34 => Op::Reopen { closes: true },
            35 | 36 => Op::Fill(rng.below(if is_large { 150 } else { 30 })),
            37 | 38 => Op::Link(1 + rng.below(20)),
            39..=41 => Op::Pass(rng.below(20)),
            42 => Op::Clear,
            43 | 44 => Op::CompactStored,
            45 | 46 => Op::Erase,
            _ => Op::Change(30),
        }
    }
}

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
        assert_eq!(*error, Error::StoreFailed { why: "as planned".to_owned() }, "failure {}", self.failures);
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
            match opened.and_then(|stored| now(stored.read_ahead()).map(|()| stored)) {
                Ok(stored) => {
                    self.model.settle(&stored.index().unwrap());
                    self.stored = Some(stored);
                    return Ok(());
                }
                Err(error) => self.failed(&error)?,
            }
        }
    }

    fn op(&mut self, op: Op) -> Result<(), Dead> {
        let Self { rng, model, .. } = self;
        let stored = self.stored.as_ref().unwrap();
        match op {
            Op::Change(count) => (0..count).for_each(|_| change(stored, model, rng)),
            Op::Fill(count) => (0..count).for_each(|_| insert(stored, model, rng)),
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
                compacted.unwrap();
            }
            Op::CompactSteps(count) => stored
                .change(|index| {
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
                })
                .unwrap(),
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
        assert_eq!(index.search(&vector, Default::default()).unwrap().is_empty(), index.is_empty());
    }

    /// A failure comes from a commit, after which nothing can be changed any more, or from a checkpoint.
    fn compact(&mut self, erases: bool) -> Result<(), Dead> {
        let changes = self.model.changes();
        let stored = self.stored.as_ref().unwrap();
        let clock = SystemClock::default();
        let outcome = if erases { now(stored.erase(&clock)) } else { now(stored.compact(&clock)) };
        self.model.verify(&stored.index().unwrap());
        if let Err(error) = outcome {
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
                stored.change(|index| index.compact_start().and_then(|()| index.compact_step(200))).unwrap();
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

const TEXTS: usize = 25;

fn any_id(rng: &mut Rng) -> Id {
    if rng.one_in(2) {
        Id::Number(rng.below(40) as u64)
    } else {
        Id::from(format!("text {}", "x".repeat(rng.below(TEXTS))).as_str())
    }
}

fn insert(stored: &StoredIndex<Shared>, model: &mut Model, rng: &mut Rng) {
    let vector = rng.vector(stored.index().unwrap().config().dimensions);
    let id = stored.change(|index| index.insert(&vector, None)).unwrap();
    let print = fingerprint(&id, &vector, None);
    model.put(id, print);
}

/// One change of any kind.
fn change(stored: &StoredIndex<Shared>, model: &mut Model, rng: &mut Rng) {
    let vector = rng.vector(stored.index().unwrap().config().dimensions);
    let bytes = vec![rng.next() as u8; rng.below(40)];
    let text = format!("{{\"n\":{}}}", rng.next());
    let payload = rng.pick(&[None, Some(Payload::Json(&text)), Some(Payload::Bytes(&bytes))]);
    let note = |model: &mut Model, id: Id| {
        let print = fingerprint(&id, &vector, payload);
        model.put(id, print);
    };
    match rng.below(10) {
        8 | 9 => {
            let (id, expires_ms) = (any_id(rng), now_ms() + rng.below(30) as f64 + 0.5);
            stored.change(|index| index.upsert_expiring(id.clone(), &vector, payload, Some(expires_ms))).unwrap();
            let print = fingerprint(&id, &vector, payload);
            model.put_expiring(id, print, expires_ms);
        }
        0..=2 => {
            let id = stored.change(|index| index.insert(&vector, payload)).unwrap();
            note(model, id);
        }
        3 => {
            let id = any_id(rng);
            match stored.change(|index| index.insert_with_id(id.clone(), &vector, payload)) {
                Ok(()) => note(model, id),
                Err(error) => {
                    assert!(model.records.contains_key(&id), "{error}");
                    assert_eq!(error, Error::DuplicateId { id });
                }
            }
        }
        4 => {
            let id = any_id(rng);
            stored.change(|index| index.upsert(id.clone(), &vector, payload)).unwrap();
            note(model, id);
        }
        _ => {
            let near = any_id(rng);
            let found = model.records.range(&near..).next().or_else(|| model.records.iter().next());
            let id = found.map_or(near, |(id, _)| id.clone());
            let was_there = stored.change(|index| index.delete(&id)).unwrap();
            assert_eq!(was_there, model.records.contains_key(&id));
            if was_there {
                model.delete(&id);
            }
        }
    }
}
