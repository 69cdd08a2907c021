//! One index in many threads: readers beside compactions and writers, and nobody waits forever.
//!
//! | file | what is proved |
//! |---|---|
//! | `main.rs` | searches, changes, commits, linking and compactions at the same time |
//! | `many.rs` | many queries or records in one call, beside other threads |
//! | `mixed.rs` | every kind of change and compactions in the store beside a hundred readers |
//! | `stored.rs` | an index in a store: created, exported, closed |
//! | `upkeep.rs` | the thread that compacts when that is due |
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod many;
mod mixed;
mod stored;
mod upkeep;
#[path = "../support/watched.rs"]
#[allow(dead_code)]
mod watched;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use thermocline::{
    Config, Hit, Id, Index, MemoryStore, OpenOptions, Payload, SearchOptions, SharedIndex, Store, block_on,
};

const DIMENSIONS: usize = 8;
const READERS: usize = 100;

/// A vector that identifies its number: splitmix64, one component at a time.
fn vector(number: u64) -> [f32; DIMENSIONS] {
    core::array::from_fn(|at| {
        let mut z = (number * DIMENSIONS as u64 + at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

fn filled(count: u64) -> Index {
    let mut index = Index::new(Config { ef_construction: 32, ..Config::new(DIMENSIONS) }).unwrap();
    for number in 0..count {
        index.insert_with_id(number, &vector(number), None).unwrap();
    }
    index
}

/// Returns whether the record itself is nearest to its vector.
fn finds(index: &SharedIndex, number: u64) -> bool {
    let hits = index.search(&vector(number), SearchOptions::top(1).with_ef(64)).unwrap();
    hits.first().is_some_and(|hit| hit.id == Id::Number(number))
}

#[test]
fn a_hundred_readers_find_what_lives_while_it_is_compacted() {
    let index = SharedIndex::new(filled(3000));
    for number in (0..3000).filter(|number| number % 3 == 0) {
        assert!(index.delete(&Id::Number(number)).unwrap());
    }
    let (over, meanwhile, longest) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    let reports = thread::scope(|scope| {
        for reader in 0..READERS as u64 {
            let (index, over, meanwhile, longest) = (index.clone(), &over, &meanwhile, &longest);
            scope.spawn(move || {
                let mut number = reader;
                while !over.load(Ordering::Relaxed) {
                    number = (number * 31 + 17) % 3000;
                    let asked = Instant::now();
                    index.read(|index| {
                        longest.fetch_max(asked.elapsed().as_micros() as usize, Ordering::Relaxed);
                        let hits = index.search(&vector(number), SearchOptions::top(10)).unwrap();
                        assert_eq!(hits.len(), 10, "as many live hits as were asked for");
                        let is_deleted = |hit: &Hit| matches!(hit.id, Id::Number(id) if id % 3 == 0);
                        assert!(!hits.iter().any(is_deleted), "none is deleted");
                        meanwhile.fetch_add(usize::from(index.compact_progress().is_some()), Ordering::Relaxed);
                    });
                    // Two cores for a hundred threads: as in a server, most of them wait for something else most of the
                    // time.
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
        // Two threads compact, but it is a single compaction.
        let compactors: Vec<_> =
            (0..2).map(|_| index.clone()).map(|index| scope.spawn(move || index.compact(0.05).unwrap())).collect();
        let reports: Vec<_> = compactors.into_iter().map(|thread| thread.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        reports
    });
    let (took, longest, meanwhile) = (begun.elapsed(), longest.into_inner(), meanwhile.into_inner());
    println!("{meanwhile} searches, which waited for {longest} us at most, in {took:?}: {reports:?}");
    assert!(reports.iter().any(|report| report.tombstones_removed == 1000), "{reports:?}");
    assert!(reports.iter().all(|report| report.new_size == 2000), "{reports:?}");
    let slices = reports.iter().map(|report| report.slices).max().unwrap() as usize;
    assert!(slices > 20 && meanwhile > slices / 8, "{meanwhile} searches during {slices} slices");
    assert!(index.read(|index| index.check().unwrap().ok));
    assert!((0..3000).filter(|number| number % 3 != 0).step_by(97).all(|number| finds(&index, number)));
}

#[test]
fn writers_compactions_and_readers_in_turns() {
    let index = SharedIndex::new(filled(1000));
    thread::scope(|scope| {
        for writer in 0..4u64 {
            let index = index.clone();
            scope.spawn(move || {
                // Each writer has its own ids: whatever it inserts and does not delete must be there at the end.
                for number in (0..200).map(|at| 10_000 * (writer + 1) + at) {
                    index.change(|index| index.insert_with_id(number, &vector(number), None)).unwrap();
                    if number % 2 == 0 {
                        assert!(index.delete(&Id::Number(number)).unwrap());
                    }
                }
            });
        }
        for _ in 0..3 {
            let index = index.clone();
            scope.spawn(move || (0..5).for_each(|_| assert!(index.compact(0.1).is_ok())));
        }
        for reader in 0..8 {
            let index = index.clone();
            scope.spawn(move || (0..200).for_each(|at| assert!(finds(&index, (reader * 131 + at * 7) % 1000))));
        }
    });
    assert_eq!(index.read(Index::len), 1000 + 4 * 100);
    index.compact(1.0).unwrap();
    assert_eq!(index.read(Index::deleted), 0);
    assert!(index.read(|index| index.check().unwrap().ok));
}

/// Whoever asks for a compaction gets a finished one and its own report, not that of the previous one.
#[test]
fn a_compaction_that_another_thread_aborts_is_begun_anew() {
    // The compacting thread may finish before this one gets to abort it.
    let mut aborted = 0;
    for _ in 0..20 {
        let index = SharedIndex::new(filled(1500));
        assert!(index.delete(&Id::Number(0)).unwrap());
        assert_eq!(index.compact(1.0).unwrap().tombstones_removed, 1);
        for number in 1..1000 {
            assert!(index.delete(&Id::Number(number)).unwrap());
        }
        let report = thread::scope(|scope| {
            let compacting = scope.spawn(|| index.compact(0.001).unwrap());
            let mut is_aborted = false;
            while !compacting.is_finished() && !is_aborted {
                is_aborted = index
                    .change(|index| {
                        // Before anything was removed.
                        let is_early = index.compact_progress().is_some_and(|progress| progress.phase == "graph");
                        let is_early = is_early && index.deleted() == 999;
                        is_early.then(|| index.compact_abort());
                        Ok(is_early)
                    })
                    .unwrap();
            }
            aborted += usize::from(is_aborted);
            compacting.join().unwrap()
        });
        assert_eq!((report.tombstones_removed, index.read(Index::deleted)), (999, 0));
        assert!(index.read(|index| index.check().unwrap().ok));
    }
    assert!(aborted > 0, "none was aborted");
}

#[test]
fn what_threads_commit_together_is_there_again() {
    let store = MemoryStore::default();
    let options = OpenOptions { config: Some(Config::new(DIMENSIONS)), ..OpenOptions::default() };
    let index = SharedIndex::open(store.clone(), options).unwrap();
    thread::scope(|scope| {
        for writer in 0..8u64 {
            let index = index.clone();
            scope.spawn(move || {
                for number in (0..50).map(|at| 100 * writer + at) {
                    index.change(|index| index.insert_with_id(number, &vector(number), None)).unwrap();
                    index.commit().unwrap();
                    if number % 25 == 0 {
                        index.checkpoint().unwrap();
                    }
                }
            });
        }
    });
    drop(index);
    let again = SharedIndex::open(store, OpenOptions::default()).unwrap();
    assert_eq!(again.read(Index::len), 8 * 50);
    assert!(again.read(|index| index.check().unwrap().ok));
}

/// Everything is in the log: nothing is linked at the opening, yet all of it is found throughout.
#[test]
fn readers_find_what_is_being_linked() {
    let store = MemoryStore::default();
    let config = Some(Config { ef_construction: 32, ..Config::new(DIMENSIONS) });
    let filled = SharedIndex::open(store.clone(), OpenOptions { config, ..OpenOptions::default() }).unwrap();
    for number in 0..2000 {
        filled.change(|index| index.insert_with_id(number, &vector(number), None)).unwrap();
    }
    filled.commit().unwrap();
    drop(filled);
    let index = SharedIndex::open(store, OpenOptions { lazy: true, ..OpenOptions::default() }).unwrap();
    assert_eq!(index.read(Index::pending), 2000);
    thread::scope(|scope| {
        // Two threads link at once, so each of them links only a part of the queue.
        for _ in 0..2 {
            let index = index.clone();
            scope.spawn(move || index.link().unwrap());
        }
        for reader in 0..8u64 {
            let index = index.clone();
            scope.spawn(move || {
                (0..100).for_each(|at| {
                    let number = (reader * 131 + at * 7) % 2000;
                    let hits = index.search(&vector(number), SearchOptions::top(1).with_ef(64)).unwrap();
                    assert_eq!(hits[0].id, Id::Number(number));
                });
            });
        }
        for number in 2000..2100 {
            index.change(|index| index.insert_with_id(number, &vector(number), None)).unwrap();
        }
    });
    assert_eq!(index.read(|index| (index.pending(), index.len())), (0, 2100));
    assert!(index.read(|index| index.check().unwrap().ok));
    index.checkpoint().unwrap();
}

#[test]
fn a_writer_that_panics_stops_nobody() {
    let index = SharedIndex::new(filled(10));
    let writer = index.clone();
    let panicked = thread::spawn(move || writer.change::<()>(|_| panic!("a caller's own"))).join();
    assert!(panicked.is_err());
    assert!(finds(&index, 3));
    index.change(|index| index.insert(&vector(99), None)).unwrap();
}

#[test]
fn expired_records_are_found_by_no_call() {
    let index = SharedIndex::new(filled(10));
    let now_ms = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() * 1000.0;
    // It has expired by the time it is inserted.
    index.change(|index| index.insert_with_id_expiring("brief", &vector(99), None, Some(now_ms()))).unwrap();
    index.change(|index| index.insert_with_id_expiring("later", &vector(98), None, Some(now_ms() + 1e9))).unwrap();
    assert_eq!(index.read(|index| (index.len(), index.contains(&"brief".into()))), (11, Ok(false)));
    index.change(|index| index.upsert_expiring("brief", &vector(99), None, Some(now_ms()))).unwrap();
    let hits = index.search(&vector(99), SearchOptions::top(20)).unwrap();
    assert!(hits.len() == 11 && hits.iter().all(|hit| hit.id != "brief".into()));
    index.change(|index| index.upsert_expiring("brief", &vector(99), None, Some(now_ms()))).unwrap();
    assert_eq!(index.compact(1.0).unwrap().tombstones_removed, 3);
}

/// Returns whether some value of a store contains these bytes.
fn holds(store: &MemoryStore, bytes: &[u8]) -> bool {
    let keys = block_on(store.list("")).unwrap();
    let values = block_on(store.read(&keys)).unwrap();
    values.into_iter().flatten().any(|value| value.windows(bytes.len()).any(|window| window == bytes))
}

/// A concurrent compaction may end one that began before the deletion, and checkpoints may write the old state.
#[test]
fn erasing_beside_compactions_leaves_nothing() {
    let store = MemoryStore::with_value_bytes(2000);
    let options = OpenOptions {
        config: Some(Config { ef_construction: 32, ..Config::new(DIMENSIONS) }),
        ..OpenOptions::default()
    };
    let index = SharedIndex::open(store.clone(), options).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            let (index, over) = (index.clone(), &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    index.compact(0.05).unwrap();
                    thread::yield_now();
                }
            });
        }
        let (writer, over_too) = (index.clone(), &over);
        scope.spawn(move || {
            for number in 5000.. {
                if over_too.load(Ordering::Relaxed) {
                    break;
                }
                writer.change(|index| index.upsert(5000 + number % 50, &vector(number), None)).unwrap();
                thread::sleep(Duration::from_micros(200));
            }
        });
        for round in 0..6u64 {
            let secret = format!("a secret of round {round}");
            for number in 0..60 {
                let payload = if number % 20 == 7 { secret.as_str() } else { "nothing of interest" };
                let put = |index: &mut Index| {
                    index.upsert(number, &vector(100 * round + number), Some(Payload::Json(payload)))
                };
                index.change(put).unwrap();
            }
            index.checkpoint().unwrap();
            assert!(holds(&store, secret.as_bytes()), "it is there before");
            for number in [7, 27, 47] {
                assert!(index.delete(&Id::Number(number)).unwrap());
            }
            index.erase(0.05).unwrap();
            assert!(!holds(&store, secret.as_bytes()), "round {round}");
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(index.read(|index| index.check().unwrap().ok));
}

/// A clock on which everything takes long.
fn slow_clock() -> f64 {
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    LOOKS.fetch_add(1, Ordering::Relaxed) as f64 * 50.0
}

/// Without a clock, equal calls write equal bytes.
#[test]
fn how_records_are_compressed_depends_on_the_clock_that_was_given() {
    let codec = |clock: Option<fn() -> f64>| {
        let options =
            OpenOptions { config: Some(Config::new(DIMENSIONS)), clock, lazy: true, ..OpenOptions::default() };
        let index = SharedIndex::open(MemoryStore::with_value_bytes(6000), options).unwrap();
        let text = "some words, ".repeat(30);
        for number in 0..300 {
            index.change(|index| index.insert_with_id(number, &vector(number), Some(Payload::Json(&text)))).unwrap();
        }
        index.checkpoint().unwrap();
        index.read(|index| index.stats().codec)
    };
    assert_eq!(codec(Some(slow_clock)), "none");
    assert_ne!(codec(None), "none");
}

/// Once to find out which records it needs, and once with them: each attempt takes as long as a search.
#[test]
fn a_search_that_reads_records_is_made_twice() {
    let store = MemoryStore::with_value_bytes(2000);
    let config = Some(Config::new(DIMENSIONS));
    let filled = SharedIndex::open(store.clone(), OpenOptions { config, ..OpenOptions::default() }).unwrap();
    for number in 0..50 {
        filled.change(|index| index.insert_with_id(number, &vector(number), None)).unwrap();
    }
    filled.checkpoint().unwrap();
    drop(filled);
    let index = SharedIndex::open(store, OpenOptions { lazy: true, ..OpenOptions::default() }).unwrap();
    for searches in [2, 1] {
        let mut looks = 0;
        let mut passes = |id: &Id| {
            looks += usize::from(*id == Id::Number(7));
            true
        };
        let hits = index.search_stored(&vector(7), SearchOptions::top(5).with_filter(&mut passes)).unwrap();
        assert_eq!((&hits[0].id, hits.len()), (&Id::Number(7), 5));
        assert_eq!(looks, searches);
    }
    let same = |record: thermocline::Record<'_>| record.vector == vector(3);
    assert_eq!(index.get_stored(&Id::Number(3), same), Ok(Some(true)));
}

/// A slice that is not a number would be the whole compaction.
#[test]
fn a_slice_is_a_number_of_milliseconds() {
    let shared = SharedIndex::new(Index::new(Config::new(3)).unwrap());
    for slice_ms in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
        let error = shared.compact(slice_ms).unwrap_err();
        assert!(error.code() == "INVALID_OPTION" && error.to_string().contains("sliceMs"), "{error}");
    }
    assert!(shared.compact(4.0).is_ok());
}
