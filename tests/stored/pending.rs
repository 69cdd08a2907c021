//! Records found in logs that are not linked yet: they are found like all others, and whatever happens before they are
//! linked, and whenever they are, the graph becomes that of an index that was never closed.

use std::cell::Cell;
use std::collections::BTreeSet;

use thermocline::{
    Clock, Config, Error, Hit, Id, Index, MemoryStore, Metric, Mode, OpenOptions, Payload, Quantization, SearchOptions,
    StoredIndex,
};

use crate::support::{Rng, content, now};

type Stored = StoredIndex<MemoryStore>;

/// Opens it with nothing linked yet and all records in memory.
fn open(place: &MemoryStore, config: Config, mode: Mode) -> Stored {
    let options = OpenOptions { config: Some(config), lazy: true, mode, ..Default::default() };
    let stored = now(StoredIndex::open(place.clone(), options)).unwrap();
    now(stored.read_ahead()).unwrap();
    stored
}

fn config(rng: &mut Rng, dimensions: usize) -> Config {
    Config {
        metric: rng.pick(&[Metric::Cosine, Metric::L2, Metric::Dot]),
        quantization: rng.pick(&[Quantization::Int8, Quantization::None]),
        m: 6,
        ef_construction: 30,
        ..Config::new(dimensions)
    }
}

/// Makes a change, the same for the same state of `rng`.
fn change(index: &mut Index, rng: &mut Rng) -> Result<(), Error> {
    let vector = rng.vector(index.config().dimensions);
    let number = rng.below(300) as u64;
    match rng.below(20) {
        0..=8 => index.insert(&vector, Some(Payload::Bytes(&[1, 2, 3]))).map(drop),
        9..=12 => index.upsert(number, &vector, None),
        13 => match index.insert_with_id(number, &vector, None) {
            Err(Error::DuplicateId { .. }) => Ok(()),
            outcome => outcome,
        },
        14 if rng.one_in(20) => index.clear(),
        _ => index.delete(&number.into()).map(drop),
    }
}

/// An index that is never closed, and one that is opened repeatedly. After compacting both, a checkpoint follows:
/// compaction is not in the log, so a new opening would undo it.
struct Twins {
    place: MemoryStore,
    config: Config,
    never: Index,
    stored: Stored,
    rng: Rng,
}

impl Twins {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let config = config(&mut rng, 6);
        let place = MemoryStore::with_value_bytes(3000);
        let stored = open(&place, config, Mode::ReadWrite);
        Self { never: Index::new(config).unwrap(), stored, place, config, rng }
    }

    fn change(&mut self, count: usize) {
        for _ in 0..count {
            let mut same = self.rng.clone();
            change(&mut self.never, &mut self.rng).unwrap();
            self.stored.change(|index| change(index, &mut same)).unwrap();
        }
    }

    fn reopen(&mut self) {
        now(self.stored.commit()).unwrap();
        self.stored = open(&self.place, self.config, Mode::ReadWrite);
    }

    fn link(&self, count: usize) {
        for _ in 0..count {
            self.stored.change(Index::link_step).unwrap();
        }
    }

    /// Compacts in steps, verifying after each.
    fn compact(&mut self) {
        self.stored.change(Index::compact_start).unwrap();
        let before = self.stored.index().unwrap().compact_progress().unwrap();
        let (mut done, mut total) = (before.done, before.total);
        while self.stored.change(|index| index.compact_step(500)).unwrap() {
            let progress = self.stored.index().unwrap().compact_progress().unwrap();
            assert!(progress.done >= done && progress.done <= progress.total && progress.total >= total);
            (done, total) = (progress.done, progress.total);
            self.verify();
        }
        assert_eq!(self.stored.index().unwrap().pending(), 0);
        let report = self.stored.change(|index| Ok(index.compact_finish())).unwrap().unwrap();
        let other = self.never.compact().unwrap();
        assert_eq!((report.tombstones_removed, report.new_size), (other.tombstones_removed, other.new_size));
        now(self.stored.checkpoint()).unwrap();
    }

    /// Both hold the same, and a search as wide as the index finds all of it.
    fn verify(&mut self) {
        let query = self.rng.vector(self.config.dimensions);
        let one_in = self.rng.pick(&[1, 1, 2, 3]);
        let stored = self.stored.index().unwrap();
        let report = stored.check().unwrap();
        assert!(report.ok, "{:?}", report.problems);
        assert_eq!((report.live, report.reachable), (self.never.len(), self.never.len()));
        assert!(stored.compact_progress().is_some() || stored.deleted() == self.never.deleted());
        assert!(stored.pending() <= stored.len() + stored.deleted());
        let passes = |id: &Id| matches!(id, Id::Number(number) if number % one_in == 0);
        let width = self.never.len().max(1);
        // Order equal distances by id: a compaction moves records, and of two hits at the same distance the lower slot
        // comes first.
        let found = |index: &Index, k| {
            let (mut passes, options) = (passes, SearchOptions::top(k).with_ef(width));
            let options = if one_in == 1 { options } else { options.with_filter(&mut passes) };
            let mut hits = index.search(&query, options).unwrap();
            hits.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
            hits
        };
        assert!(found(&stored, width) == found(&self.never, width));
        for k in [1, 7] {
            let distances = |index: &Index| found(index, k).into_iter().map(|hit| hit.distance).collect::<Vec<_>>();
            assert_eq!(distances(&stored), distances(&self.never));
        }
    }
}

#[test]
fn in_any_order_of_events_a_reopened_index_equals_one_that_was_never_closed() {
    let mut most = 0;
    for seed in 0..60 {
        let mut twins = Twins::new(seed);
        for _ in 0..25 {
            let count = twins.rng.below(40);
            twins.change(count);
            match twins.rng.below(16) {
                0 => twins.compact(),
                1 | 2 => now(twins.stored.checkpoint()).unwrap(),
                3..=9 => twins.reopen(),
                10 | 11 => {
                    let count = twins.rng.below(30);
                    twins.link(count);
                }
                12 => {
                    let bytes = now(twins.stored.export()).unwrap();
                    assert!(bytes == twins.never.export().unwrap(), "seed {seed}");
                    assert_eq!(twins.stored.index().unwrap().pending(), 0);
                }
                _ => {}
            }
            most = most.max(twins.stored.index().unwrap().pending());
            twins.verify();
        }
        assert!(now(twins.stored.export()).unwrap() == twins.never.export().unwrap(), "seed {seed}");
    }
    assert!(most > 60, "at most {most} were waiting");
}

/// A place with this many records in its checkpoint and in its log. Some of both are deleted.
fn place(config: Config, linked: usize, waiting: usize) -> MemoryStore {
    let place = MemoryStore::default();
    let stored = open(&place, config, Mode::ReadWrite);
    let mut rng = Rng(77);
    let mut insert = |count: usize| {
        for _ in 0..count {
            let vector = rng.vector(config.dimensions);
            stored.change(|index| index.insert(&vector, None)).unwrap();
        }
    };
    insert(linked);
    now(stored.checkpoint()).unwrap();
    insert(waiting);
    for number in (0..linked + waiting).step_by(9) {
        assert!(stored.change(|index| index.delete(&Id::Number(number as u64))).unwrap());
    }
    now(stored.commit()).unwrap();
    place
}

/// Where the graph is walked, pending records are all compared too: no pending record among the nearest is missed.
#[test]
fn every_pending_record_is_compared_beside_a_walk() {
    let (linked, waiting, k) = (2000, 300, 10);
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        for quantization in [Quantization::None, Quantization::Int8] {
            let config = Config { metric, quantization, m: 6, ef_construction: 40, ..Config::new(12) };
            let stored = open(&place(config, linked, waiting), config, Mode::ReadOnly);
            let waits = |hit: &Hit| matches!(hit.id, Id::Number(number) if number >= linked as u64);
            let mut rng = Rng(5);
            let (mut found, mut expected, mut among_expected) = (0, 0, 0);
            for at in 0..60 {
                let query = rng.vector(12);
                let passes = |id: &Id| matches!(id, Id::Number(number) if number % 2 == 0);
                let index = stored.index().unwrap();
                assert_eq!(index.pending(), waiting);
                let width = index.len();
                let search = |ef| {
                    let (mut passes, options) = (passes, SearchOptions::top(k).with_ef(ef));
                    // With a filter that half of them pass, or without one.
                    let options = if at % 2 == 0 { options } else { options.with_filter(&mut passes) };
                    index.search(&query, options).unwrap()
                };
                let (exact, hits) = (search(width), search(20));
                assert_eq!(hits.len(), k);
                let ids: BTreeSet<&Id> = hits.iter().map(|hit| &hit.id).collect();
                assert_eq!(ids.len(), k, "each once");
                for hit in exact.iter().filter(|hit| waits(hit)) {
                    assert!(hits.contains(hit), "{hit:?} of {hits:?}");
                    among_expected += 1;
                }
                found += exact.iter().filter(|hit| hits.contains(hit)).count();
                expected += exact.len();
            }
            assert!(among_expected > 30, "{among_expected} waited");
            assert!(found * 10 >= expected * 9, "{found} of {expected}");
        }
    }
}

#[test]
fn each_insert_links_two_and_what_needs_the_graph_links_all() {
    let config = Config { m: 4, ef_construction: 16, ..Config::new(5) };
    let place = place(config, 50, 40);
    let before = content(&place);
    let pending = |stored: &Stored| stored.index().unwrap().pending();
    let fresh = || {
        let stored = open(&crate::support::copied(&place), config, Mode::ReadWrite);
        assert_eq!(pending(&stored), 40);
        stored
    };
    let stored = fresh();
    for left in (2..40).rev() {
        stored.change(|index| index.insert(&[1.0, left as f32, 0.5, 0.0, 0.0], None)).unwrap();
        assert_eq!(pending(&stored), left);
    }
    stored.change(|index| index.insert(&[1.0; 5], None)).unwrap();
    assert_eq!(pending(&stored), 0, "two are linked, and nobody waits before this one");
    stored.change(|index| index.insert(&[1.0; 5], None)).unwrap();
    assert_eq!(pending(&stored), 0, "nobody waits, so neither does this one");

    let stored = fresh();
    assert!(stored.change(|index| index.delete(&60.into())).unwrap());
    assert!(stored.change(|index| index.delete(&3.into())).unwrap());
    assert_eq!(pending(&stored), 40, "the graph is not told of deletions");
    assert_eq!(stored.index().unwrap().export().err(), Some(Error::Unlinked));
    now(stored.checkpoint()).unwrap();
    assert_eq!(pending(&stored), 0);
    assert!(stored.index().unwrap().export().is_ok());

    let stored = fresh();
    stored.change(Index::clear).unwrap();
    assert_eq!(pending(&stored), 0);

    let stored = now(StoredIndex::open(place.clone(), OpenOptions::default())).unwrap();
    assert_eq!(pending(&stored), 0, "opened to the end");

    // A reader links too, in memory.
    let reader = open(&place, config, Mode::ReadOnly);
    for left in (0..40).rev() {
        assert_eq!(reader.change(Index::link_step), Ok(left > 0));
        assert_eq!(pending(&reader), left);
    }
    assert!(reader.index().unwrap().check().unwrap().ok);
    now(reader.close()).unwrap();
    assert_eq!(content(&place), before);
}

/// A clock that advances by a millisecond on each reading.
struct Ticking(Cell<f64>);

impl Clock for Ticking {
    fn now_ms(&self) -> f64 {
        self.0.set(self.0.get() + 1.0);
        self.0.get()
    }
}

#[test]
fn a_slice_ends_when_its_time_is_over() {
    let config = Config { m: 4, ef_construction: 16, ..Config::new(5) };
    let stored = open(&place(config, 10, 30), config, Mode::ReadWrite);
    let clock = Ticking(Cell::new(0.0));
    let pending = || stored.index().unwrap().pending();
    assert!(stored.change(|index| index.link_slice(&clock, 4.0)).unwrap());
    assert_eq!(pending(), 26);
    assert!(stored.change(|index| index.link_slice(&clock, 0.0)).unwrap());
    assert_eq!(pending(), 25, "one at least");
    assert!(!stored.change(|index| index.link_slice(&clock, 1000.0)).unwrap());
    assert_eq!(pending(), 0);
    assert!(!stored.change(|index| index.link_slice(&clock, 1000.0)).unwrap());
}

/// Links follow the options in force when the record was inserted, not when it is linked.
#[test]
fn records_are_linked_by_the_options_they_were_inserted_under() {
    let config = Config { m: 4, ef_construction: 10, ..Config::new(5) };
    let place = place(config, 200, 100);
    let opened =
        |ef_construction| now(open(&place, Config { ef_construction, ..config }, Mode::ReadOnly).export()).unwrap();
    // The meta section holds the options: clear efConstruction at its offset there.
    let [mut a, mut b] = [opened(10), opened(300)];
    for bytes in [&mut a, &mut b] {
        bytes[448 + 10..448 + 14].fill(0);
    }
    assert!(a[448..] == b[448..]);
}

#[test]
fn records_after_a_clear_in_a_log_are_pending_too() {
    let place = MemoryStore::default();
    let mut rng = Rng(41);
    let config = Config { m: 4, ef_construction: 16, ..Config::new(3) };
    let stored =
        now(StoredIndex::open(place.clone(), OpenOptions { config: Some(config), ..Default::default() })).unwrap();
    for number in 0..90_u64 {
        if number == 30 {
            stored.change(Index::clear).unwrap();
        }
        let vector = rng.vector(3);
        stored.change(|index| index.insert_with_id(number, &vector, None)).unwrap();
    }
    now(stored.commit()).unwrap();
    drop(stored);
    let again = now(StoredIndex::open(place, OpenOptions { lazy: true, ..Default::default() })).unwrap();
    assert_eq!((again.index().unwrap().pending(), again.index().unwrap().len()), (60, 60));
    again
        .change(|index| {
            while index.link_step()? {}
            Ok(())
        })
        .unwrap();
    assert!(again.index().unwrap().check().unwrap().ok);
}
