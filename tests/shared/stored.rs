//! A shared index in a store: created, exported and closed.

use super::watched::{Asked, Watched};
use super::{DIMENSIONS, filled, vector};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use thermocline::{
    Config, Error, Id, Index, MemoryStore, NewRecord, OpenOptions, Payload, SearchOptions, SharedIndex, StoreError,
    UpkeepOptions,
};

fn lazy() -> OpenOptions {
    OpenOptions { lazy: true, ..OpenOptions::default() }
}

fn numbers(index: &SharedIndex<MemoryStore>) -> Vec<u64> {
    let mut numbers: Vec<_> = index.ids().iter().filter_map(Id::as_number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn an_index_is_put_into_a_store_and_found_there() {
    let place = MemoryStore::default();
    let config = Some(Config { ef: 33, ef_construction: 32, ..Config::new(DIMENSIONS) });
    let index = SharedIndex::create_with(place.clone(), filled(50), OpenOptions { config, ..lazy() }).unwrap();
    index.insert_with_id(50, &vector(50), None).unwrap();
    index.close().unwrap();
    let again = SharedIndex::open(place.clone(), OpenOptions::default()).unwrap();
    assert_eq!(numbers(&again), (0..51).collect::<Vec<_>>());
    assert_eq!(again.read(|index| index.config().ef), 33);
    assert_eq!(SharedIndex::create(place, filled(1)).err(), Some(Error::AlreadyExists));
}

/// Only a checkpoint writes them, and a small index may never need one for any other reason.
#[test]
fn options_that_have_changed_are_kept_by_closing() {
    let place = MemoryStore::default();
    SharedIndex::create(place.clone(), filled(50)).unwrap().close().unwrap();
    let config = Some(Config { ef: 33, ef_construction: 32, ..Config::new(DIMENSIONS) });
    SharedIndex::open(place.clone(), OpenOptions { config, ..lazy() }).unwrap().close().unwrap();
    let again = SharedIndex::open(place, OpenOptions::default()).unwrap();
    assert_eq!((again.read(|index| index.config().ef), again.checkpoint_due()), (33, false));
}

#[test]
fn calls_on_records_are_those_of_the_index() {
    let index = SharedIndex::create(MemoryStore::default(), filled(0)).unwrap();
    assert!(index.is_empty());
    assert_eq!(index.insert(&vector(0), Some(Payload::Json("0"))), Ok(Id::Number(0)));
    index.insert_with_id("one", &vector(1), None).unwrap();
    assert_eq!(index.insert_with_id("one", &vector(1), None), Err(Error::DuplicateId { id: "one".into() }));
    index.upsert("one", &vector(2), None).unwrap();
    let (third, fourth) = (vector(3), vector(4));
    let many = [NewRecord::new(&third), NewRecord { id: Some("four".into()), ..NewRecord::new(&fourth) }];
    assert_eq!(index.insert_many(&many), Ok(vec![Id::Number(1), "four".into()]));
    assert_eq!((index.len(), index.ids().len(), index.contains(&"four".into())), (4, 4, Ok(true)));
    let payload = |id: &Id| index.get(id, |record| record.payload.is_some_and(|it| it == Payload::Json("0")));
    assert_eq!([payload(&Id::Number(0)), payload(&"one".into())], [Ok(Some(true)), Ok(Some(false))]);
    assert_eq!(index.get(&"one".into(), |record| record.vector == vector(2)), Ok(Some(true)));
    assert_eq!(index.get(&"two".into(), |_| ()), Ok(None));
    assert_eq!((index.delete(&"one".into()), index.contains(&"one".into())), (Ok(true), Ok(false)));
    // In the year 2096.
    let moment = Some(4e12);
    let id = index.insert_expiring(&vector(5), None, moment).unwrap();
    index.insert_with_id_expiring("five", &vector(5), None, moment).unwrap();
    index.upsert_expiring("four", &vector(5), None, moment).unwrap();
    for id in [id, "five".into(), "four".into()] {
        assert_eq!(index.get(&id, |record| record.expires_ms), Ok(Some(moment)));
    }
    assert_eq!((index.stats().size, index.stats().deleted), (5, 3));
    assert_eq!((index.clear(), index.len()), (Ok(()), 0));
}

#[test]
fn an_export_has_the_records_that_are_in_the_store_only() {
    let place = MemoryStore::with_value_bytes(2000);
    SharedIndex::create(place.clone(), filled(200)).unwrap().close().unwrap();
    let index = SharedIndex::open(place, lazy()).unwrap();
    let unlinked = index.read(Index::export).unwrap_err();
    assert_eq!((&unlinked, unlinked.code()), (&Error::Unlinked, "UNLINKED"));
    index.link().unwrap();
    let cold = index.read(Index::export).unwrap_err();
    assert!(matches!(cold, Error::Cold(_)) && cold.code() == "COLD", "{cold:?}");
    assert!(index.export_stored().unwrap() == filled(200).export().unwrap());
    assert!(matches!(index.read(Index::export), Err(Error::Cold(_))), "it holds no more records than before");
    index.read_ahead().unwrap();
    assert!(index.read(Index::export).unwrap() == filled(200).export().unwrap());
}

#[test]
fn an_export_of_what_is_in_memory_waits_for_no_reader() {
    let index = SharedIndex::create(MemoryStore::default(), filled(50)).unwrap();
    let (told, exported) = channel();
    let exporting = index.clone();
    let bytes = index.read(|_| {
        thread::spawn(move || told.send(exporting.export_stored()));
        exported.recv_timeout(Duration::from_secs(60))
    });
    assert!(bytes.unwrap().unwrap() == filled(50).export().unwrap());
}

/// Every change made before closing is kept, and every later one is refused: there is nothing in between.
#[test]
fn a_change_is_kept_or_refused_by_closing() {
    for _ in 0..20 {
        let place = MemoryStore::default();
        let index = SharedIndex::create(place.clone(), filled(0)).unwrap();
        let kept: Vec<u64> = thread::scope(|scope| {
            let writers: Vec<_> = (0..3u64)
                .map(|writer| (writer, index.clone()))
                .map(|(writer, index)| {
                    scope.spawn(move || {
                        let insert = |number: &u64| match index.insert_with_id(*number, &vector(*number), None) {
                            Err(error) => {
                                assert_eq!((&error, error.code()), (&Error::Closed, "CLOSED"));
                                false
                            }
                            Ok(()) => true,
                        };
                        // Far apart: many inserts happen while the closing thread waits for the lock.
                        (1_000_000_000 * writer..).take_while(insert).collect::<Vec<_>>()
                    })
                })
                .collect();
            while index.len() < 20 {
                thread::yield_now();
            }
            index.close().unwrap();
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        let again = SharedIndex::open(place, OpenOptions::default()).unwrap();
        assert!(kept.len() >= 20);
        assert_eq!((numbers(&again), numbers(&index)), (kept.clone(), kept));
    }
}

#[test]
fn a_closed_index_is_searched_and_its_store_left_alone() {
    let place = MemoryStore::with_value_bytes(2000);
    SharedIndex::create(place.clone(), filled(200)).unwrap().close().unwrap();
    let index = SharedIndex::open(place, lazy()).unwrap();
    let query = vector(7);
    let hits = index.search_stored(&query, SearchOptions::top(3)).unwrap();
    let clone = index.clone();
    index.close().unwrap();
    clone.close().unwrap();
    assert_eq!(clone.search(&query, SearchOptions::top(3)), Ok(hits.clone()));
    assert_eq!(clone.search_stored(&query, SearchOptions::top(3)), Ok(hits));
    let missing = (0..200).find(|&number| matches!(clone.get(&number.into(), |_| ()), Err(Error::Cold(_)))).unwrap();
    assert_eq!(clone.get_stored(&missing.into(), |_| ()), Err(Error::Closed));
    let refused = [
        clone.delete(&Id::Number(1)).err(),
        clone.insert(&query, None).err(),
        clone.link().err(),
        clone.checkpoint().err(),
        clone.read_ahead().err(),
        clone.export_stored().err(),
        clone.compact(1.0).err(),
        clone.compact_stored(1.0).err(),
        clone.erase(1.0).err(),
        clone.maintain_when_needed(UpkeepOptions::default(), |_| ()).err(),
    ];
    assert!(refused.iter().all(|refused| *refused == Some(Error::Closed)), "{refused:?}");
    assert!(clone.contains(&Id::Number(1)).unwrap());
}

/// The commit made by closing included it.
#[test]
fn a_change_is_committed_though_closing_comes_before_its_commit() {
    let place = MemoryStore::default();
    let index = SharedIndex::create(place.clone(), filled(3)).unwrap();
    assert!(index.delete(&Id::Number(1)).unwrap());
    thread::scope(|scope| scope.spawn(|| index.close()).join()).unwrap().unwrap();
    assert_eq!(index.commit(), Ok(()));
    assert_eq!(numbers(&SharedIndex::open(place, OpenOptions::default()).unwrap()), [0, 2]);
}

/// Nothing is kept of an index that replaced another, and no caller may believe otherwise.
#[test]
fn an_index_that_was_replaced_is_closed_all_the_same() {
    let index = SharedIndex::create(MemoryStore::default(), filled(3)).unwrap();
    let replaced = index.change(|index| {
        *index = filled(2);
        Ok(())
    });
    assert!(matches!(replaced, Err(Error::StoreFailed { .. })), "{replaced:?}");
    assert!(matches!(index.close(), Err(Error::StoreFailed { .. })));
    assert!(matches!(index.commit(), Err(Error::StoreFailed { .. })));
    let refused = index.maintain_when_needed(UpkeepOptions::default(), |_| ());
    assert_eq!(refused.err(), Some(Error::Closed));
    assert_eq!(index.close(), Ok(()));
}

/// A closed store releases its place even if a clone of the index is kept.
#[test]
fn a_store_is_dropped_when_it_is_closed_though_the_commit_fails() {
    let held = Arc::new(());
    let token = Arc::clone(&held);
    let store = Watched::new(MemoryStore::default(), move |asked: Asked<'_>| match (&token, asked) {
        (_, Asked::Append(..)) => Err(StoreError::QuotaExceeded),
        _ => Ok(()),
    });
    let index = SharedIndex::create(store, filled(3)).unwrap();
    index.delete(&Id::Number(1)).unwrap();
    assert_eq!(Arc::strong_count(&held), 2);
    assert_eq!(index.close(), Err(Error::QuotaExceeded));
    assert_eq!((Arc::strong_count(&held), index.len()), (1, 2));
    assert_eq!(index.commit(), Err(Error::QuotaExceeded), "what was deleted is not kept");
    assert_eq!(index.delete(&Id::Number(2)), Err(Error::Closed));
}

/// A compaction that will be completed in the store needs the store only then, not during its slices in memory.
#[test]
fn a_commit_does_not_wait_for_a_compaction_in_memory() {
    let compactions: [fn(&SharedIndex<MemoryStore>) -> _; 2] =
        [|index| index.compact_stored(0.001), |index| index.erase(0.001)];
    for compacts in compactions {
        // The thread that compacts may be done before this one comes to commit.
        let mut committed = 0;
        for _ in 0..20 {
            let index = SharedIndex::create(MemoryStore::default(), filled(1500)).unwrap();
            for number in 0..1000 {
                assert!(index.delete(&Id::Number(number)).unwrap());
            }
            thread::scope(|scope| {
                let compacting = scope.spawn(|| compacts(&index).unwrap());
                let is_compacting = || index.read(|index| index.compact_progress().is_some());
                while !compacting.is_finished() && !is_compacting() {
                    thread::yield_now();
                }
                index.commit().unwrap();
                committed += usize::from(is_compacting());
                assert_eq!(compacting.join().unwrap().tombstones_removed, 1000);
            });
            assert!(index.read(|index| index.check().unwrap().ok));
        }
        assert!(committed > 0, "each waited");
    }
}

/// Two threads that have compacted may both wait for the store. If both then returned the report of the compaction that
/// ended last, what the first one removed would be in no report.
#[test]
fn each_compaction_in_the_store_returns_its_own_report() {
    for _ in 0..30 {
        let index = SharedIndex::create(MemoryStore::default(), filled(600)).unwrap();
        for number in 0..400 {
            assert!(index.delete(&Id::Number(number)).unwrap());
        }
        let compact = || index.compact_stored(4.0).unwrap();
        let removed = thread::scope(|scope| {
            let threads = [scope.spawn(compact), scope.spawn(compact)];
            threads.map(|thread| thread.join().unwrap().tombstones_removed)
        });
        assert!(removed.contains(&400), "{removed:?}");
    }
}
