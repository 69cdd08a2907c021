//! A store that has no room left: attempts at checkpoints fail for hours, and cost no more each time.

use std::cell::Cell;

use thermocline::{Config, Error, Id, MemoryStore, Mode, OpenOptions, Payload, Store, StoreError, StoredIndex};

use crate::layout::orphans;
use crate::support::{Rng, now};
use crate::watched::{Asked, Watched};

const DIMENSIONS: usize = 4;
/// So many records, of which two in five are live, in blocks that are worth rewriting.
const RECORDS: u64 = 5000;
const PAYLOAD_BYTES: usize = 4000;

fn options() -> OpenOptions {
    let config = Config { m: 4, ef_construction: 8, max_bytes: Some(12 << 20), ..Config::new(DIMENSIONS) };
    OpenOptions { config: Some(config), lazy: true, ..Default::default() }
}

/// A place whose commits are refused while it is full, and how many deletions the last commit asked for.
#[derive(Default)]
struct Disk {
    place: MemoryStore,
    is_full: Cell<bool>,
    deletions: Cell<usize>,
}

impl Disk {
    fn store(&self) -> impl Store {
        Watched::new(self.place.clone(), |asked| {
            if let Asked::Commit(batch) = asked {
                self.deletions.set(batch.deletes.len());
                if self.is_full.get() {
                    return Err(StoreError::QuotaExceeded);
                }
            }
            Ok(())
        })
    }

    /// Fills a place, and deletes more than half of every block.
    fn wear(&self) {
        let stored = now(StoredIndex::open(self.store(), options())).unwrap();
        let (mut rng, payload) = (Rng(3), [7; PAYLOAD_BYTES]);
        for number in 0..RECORDS {
            let vector = rng.vector(DIMENSIONS);
            stored.change(|index| index.insert_with_id(number, &vector, Some(Payload::Bytes(&payload)))).unwrap();
            if number % 200 == 0 {
                now(stored.checkpoint()).unwrap();
            }
        }
        now(stored.checkpoint()).unwrap();
        for number in (0..RECORDS).filter(|number| number % 5 < 3) {
            assert!(stored.change(|index| index.delete(&Id::Number(number))).unwrap());
        }
        now(stored.close()).unwrap();
    }
}

/// Each attempt had taken more blocks into memory, to rewrite them, and none of them could be dropped.
#[test]
fn attempts_that_fail_hold_no_more_each_time() {
    let disk = Disk::default();
    disk.wear();
    let stored = now(StoredIndex::open(disk.store(), options())).unwrap();
    let held = || stored.index().unwrap().stats().bytes.warm;
    let before = held();
    disk.is_full.set(true);
    assert_eq!(now(stored.checkpoint()), Err(Error::QuotaExceeded));
    let once = held();
    assert!(once > before, "worn blocks are to be rewritten: {before}, {once}");
    for attempt in 0..10 {
        assert_eq!(now(stored.checkpoint()), Err(Error::QuotaExceeded));
        assert_eq!(held(), once, "attempt {attempt}");
    }
    disk.is_full.set(false);
    // One part with each checkpoint, until none is left.
    let blocks = || now(disk.place.list("b/")).unwrap().len();
    let worn = blocks();
    (0..20).for_each(|_| now(stored.checkpoint()).unwrap());
    assert!(blocks() < worn * 2 / 3, "{worn} values of blocks, then {}", blocks());
    for number in (0..RECORDS).filter(|number| number % 5 == 3) {
        assert_eq!(now(stored.get(&Id::Number(number), |record| record.payload.is_some())).unwrap(), Some(true));
    }
    assert_eq!(orphans(&disk.place), [""; 0]);
}

#[test]
fn a_refused_checkpoint_changes_nothing_of_an_index_that_is_only_read() {
    let disk = Disk::default();
    disk.wear();
    let stored = now(StoredIndex::open(disk.store(), OpenOptions { mode: Mode::ReadOnly, ..options() })).unwrap();
    let before = stored.index().unwrap().stats().bytes;
    for _ in 0..3 {
        assert_eq!(now(stored.checkpoint()), Err(Error::ReadOnly));
    }
    assert_eq!(stored.index().unwrap().stats().bytes, before);
}

/// Each attempt has new names, and every batch had deleted those of all attempts before it.
#[test]
fn what_failed_attempts_may_have_left_is_not_noted_for_ever() {
    let disk = Disk::default();
    let stored = now(StoredIndex::open(disk.store(), options())).unwrap();
    let mut most = 0;
    for attempt in 0..1500u64 {
        disk.is_full.set(attempt % 500 != 499);
        stored.change(|index| index.upsert(attempt % 9, &[1.0 + attempt as f32; DIMENSIONS], None)).unwrap();
        let outcome = now(stored.checkpoint());
        assert_eq!(outcome.is_err(), disk.is_full.get(), "attempt {attempt}: {outcome:?}");
        most = most.max(disk.deletions.get());
    }
    // Up to 4,096, and those of the logs between the last two checkpoints: two for each attempt.
    assert!((4000..5200).contains(&most), "{most}");
    assert_eq!(orphans(&disk.place), [""; 0]);
}
