//! Checkpoints of records that wait to be linked together.

use super::now;
use crate::driver::{OpenOptions, StoredIndex};
use crate::index::{Config, Error, Index, SearchOptions, Step};
use crate::metric::Metric;
use crate::store::{MemoryStore, Mode, Store};
use crate::types::Id;
use std::collections::BTreeMap;

/// As many as a bulk build needs.
const DIMENSIONS: usize = 132;
const RECORDS: usize = 4096;

type Stored = StoredIndex<MemoryStore>;

/// Repeatable, and no two alike.
fn vector(seed: u64) -> [f32; DIMENSIONS] {
    core::array::from_fn(|at| {
        let mixed = (seed * DIMENSIONS as u64 + at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29) >> 40) as f32 / (1 << 24) as f32 - 0.5
    })
}

fn open(place: &MemoryStore) -> Stored {
    let config = Config { metric: Metric::L2, m: 12, ef_construction: 80, ..Config::new(DIMENSIONS) };
    let options = OpenOptions { config: Some(config), lazy: true, mode: Mode::ReadWrite, ..Default::default() };
    now(StoredIndex::open(place.clone(), options)).unwrap()
}

fn with_index(stored: &Stored, change: impl FnOnce(&mut Index)) {
    let done = stored.change(|index| {
        change(index);
        Ok(())
    });
    done.unwrap();
}

/// Writes a checkpoint, and calls `between` before each of its steps.
fn checkpoint(stored: &Stored, place: &MemoryStore, mut between: impl FnMut(&Stored)) {
    // After an opening the links are to be proven first.
    while !stored.index().unwrap().is_proven() {
        stored.change(Index::link_step).unwrap();
    }
    let generation = stored.change(Index::checkpoint_begin).unwrap();
    loop {
        between(stored);
        now(stored.commit()).unwrap();
        let (batch, is_last) = match stored.change(|index| index.checkpoint_step(generation, 1 << 18)).unwrap() {
            Step::More(batch) => (batch, false),
            Step::Last(batch) => (batch, true),
        };
        now(place.commit(batch)).unwrap();
        if is_last {
            with_index(stored, |index| index.checkpoint_ended(generation));
            return;
        }
    }
}

/// The records that an index should have, by id: the seeds of their vectors.
#[derive(Default)]
struct Model {
    live: BTreeMap<u64, u64>,
    seeds: u64,
}

impl Model {
    fn insert(&mut self, stored: &Stored, id: Option<u64>) {
        self.seeds += 1;
        let at = vector(self.seeds);
        let id = stored.change(|index| match id {
            Some(id) => index.upsert(id, &at, None).map(|()| id),
            None => index.insert(&at, None).map(|id| id.as_number().unwrap()),
        });
        self.live.insert(id.unwrap(), self.seeds);
    }

    fn delete(&mut self, stored: &Stored, at: usize) {
        let id = *self.live.keys().nth(at % self.live.len()).unwrap();
        self.live.remove(&id);
        assert!(stored.change(|index| index.delete(&Id::Number(id))).unwrap());
    }

    /// A few of each.
    fn change(&mut self, stored: &Stored, turn: usize) {
        self.insert(stored, None);
        self.delete(stored, turn * 7919);
        let replaced = *self.live.keys().nth(turn * 104_729 % self.live.len()).unwrap();
        self.insert(stored, Some(replaced));
    }

    /// Compares all ids, and the nearest of some.
    fn compare(&self, stored: &Stored) {
        let index = stored.index().unwrap();
        assert_eq!(index.len(), self.live.len());
        assert!(self.live.keys().all(|&id| index.contains(&Id::Number(id)).unwrap()));
        drop(index);
        for (&id, &seed) in self.live.iter().step_by(self.live.len() / 40) {
            let hits = now(stored.search(&vector(seed), SearchOptions::top(1).with_ef(64))).unwrap();
            assert_eq!((hits[0].id.as_number(), hits[0].distance), (Some(id), 0.0), "the record of seed {seed}");
        }
    }
}

fn link_all(stored: &Stored) {
    stored.change(Index::link_all).unwrap();
    assert_eq!(stored.index().unwrap().check().unwrap().problems, Vec::<String>::new());
}

/// The program may end at any moment of a bulk build, and others may change the index meanwhile.
#[test]
fn records_that_wait_are_in_a_checkpoint_without_links() {
    for ends_at in [0, 1, 40, 300, usize::MAX] {
        let (place, mut model) = (MemoryStore::default(), Model::default());
        let stored = open(&place);
        assert!(stored.change(|index| Ok(index.begin_bulk())).unwrap());
        for number in 0..RECORDS + 200 {
            model.insert(&stored, None);
            match number % 1000 {
                500 => checkpoint(&stored, &place, |stored| model.change(stored, number)),
                900 => now(stored.checkpoint()).unwrap(),
                number if number % 50 == 7 => model.change(&stored, number),
                _ => {}
            }
        }
        assert!(stored.index().unwrap().pending() >= RECORDS, "no checkpoint has linked any");
        with_index(&stored, Index::end_bulk);
        let mut steps = 0;
        while steps < ends_at && stored.change(Index::link_step).unwrap() {
            steps += 1;
            if steps % 50 == 20 {
                // In some of these the build goes on.
                checkpoint(&stored, &place, |stored| {
                    model.change(stored, steps);
                    assert!(steps > 200 || stored.change(Index::link_step).unwrap());
                });
            }
        }
        model.compare(&stored);
        now(stored.commit()).unwrap();
        drop(stored);

        let stored = open(&place);
        model.compare(&stored);
        let waiting = stored.index().unwrap().pending();
        assert!(ends_at == usize::MAX || waiting >= RECORDS, "{waiting} wait after {ends_at} steps");
        model.change(&stored, 1);
        checkpoint(&stored, &place, |stored| model.change(stored, 2));
        model.compare(&stored);
        drop(stored);

        let stored = open(&place);
        model.compare(&stored);
        link_all(&stored);
        model.compare(&stored);
        assert!(ends_at == usize::MAX || stored.checkpoint_due().unwrap(), "no log can repeat the links");
        now(stored.checkpoint()).unwrap();
        drop(stored);

        let stored = open(&place);
        assert_eq!(stored.index().unwrap().pending(), 0);
        model.compare(&stored);
        link_all(&stored);
    }
}

/// Deleted records that wait are tombstones after an opening, and can be compacted away.
#[test]
fn deleted_records_that_wait_are_deleted_after_an_opening() {
    let (place, mut model) = (MemoryStore::default(), Model::default());
    let stored = open(&place);
    assert!(stored.change(|index| Ok(index.begin_bulk())).unwrap());
    (0..1500).for_each(|_| model.insert(&stored, None));
    (0..700).for_each(|at| model.delete(&stored, at * 31));
    now(stored.checkpoint()).unwrap();
    drop(stored);
    let stored = open(&place);
    let stats = stored.index().unwrap().stats();
    assert_eq!((stats.size, stats.deleted, stored.index().unwrap().pending()), (800, 700, 1500));
    link_all(&stored);
    now(stored.compact(&|| 0.0)).unwrap();
    model.compare(&stored);
    assert_eq!(stored.index().unwrap().stats().deleted, 0);
    link_all(&stored);
}

/// Codes that are being trained change all at once, and no value could say how far that is.
#[test]
fn no_checkpoint_begins_while_codes_are_trained_or_links_are_not_proven() {
    let place = MemoryStore::default();
    let stored = open(&place);
    let mut model = Model::default();
    (0..2000).for_each(|_| model.insert(&stored, None));
    now(stored.checkpoint()).unwrap();
    drop(stored);
    let stored = open(&place);
    assert_eq!(stored.change(Index::checkpoint_begin).map(drop), Err(Error::Unlinked));
    link_all(&stored);
    assert!(stored.change(Index::checkpoint_begin).is_ok());
}
