//! A thread that compacts unasked.

use super::watched::{Asked, Watched};
use super::{DIMENSIONS, filled, finds, vector};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};
use thermocline::bench_support::{Fault, FaultPlan, FaultStore};
use thermocline::{
    CompactionReport, Config, Error, Id, Index, MemoryStore, Mode, OpenOptions, Payload, SharedIndex, StoreError,
    UpkeepOptions,
};

/// Longer than anything here takes on any machine.
const LONG: Duration = Duration::from_secs(60);

fn often() -> UpkeepOptions {
    UpkeepOptions { interval: Duration::from_millis(5), ..UpkeepOptions::default() }
}

fn delete<S>(index: &SharedIndex<S>, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        assert!(index.change(|index| index.delete(&Id::Number(number))).unwrap());
    }
}

#[test]
fn unless_told_otherwise_it_checks_once_a_second_in_slices_of_four_milliseconds() {
    assert_eq!(UpkeepOptions::default(), UpkeepOptions { interval: Duration::from_secs(1), slice_ms: 4.0 });
}

#[test]
fn it_compacts_when_that_would_pay_and_only_then() {
    let index = SharedIndex::new(filled(1000));
    delete(&index, 0..300);
    let (told, reports) = channel();
    let upkeep = index.compact_when_needed(often(), move |report| told.send(report).unwrap()).unwrap();
    // Exactly three in ten is not more than three in ten.
    assert_eq!(reports.recv_timeout(Duration::from_millis(100)).unwrap_err(), RecvTimeoutError::Timeout);
    delete(&index, 300..400);
    let report: CompactionReport = reports.recv_timeout(LONG).unwrap().unwrap();
    // The compaction may have begun before the last of them was deleted.
    assert!((301..=400).contains(&report.tombstones_removed), "{report:?}");
    assert_eq!(index.read(Index::deleted), 400 - report.tombstones_removed);
    assert!((400..1000).all(|number| finds(&index, number)));
    drop(upkeep);
    // At once: the drop waited for the thread.
    assert_eq!(reports.try_recv().unwrap_err(), TryRecvError::Disconnected);
    delete(&index, 400..900);
    assert!(index.read(Index::needs_compaction));
    assert!(index.read(|index| index.check().unwrap().ok));
}

#[test]
fn an_index_that_is_fragmented_to_begin_with_does_not_wait_for_the_interval() {
    let index = SharedIndex::new(filled(200));
    delete(&index, 0..100);
    let (told, reports) = channel();
    let options = UpkeepOptions { interval: 1000 * LONG, ..UpkeepOptions::default() };
    let upkeep = index.compact_when_needed(options, move |report| told.send(report).unwrap()).unwrap();
    assert_eq!(reports.recv_timeout(LONG).unwrap().unwrap().tombstones_removed, 100);
    let (ended, end) = channel();
    thread::spawn(move || {
        drop(upkeep);
        ended.send(()).unwrap();
    });
    assert!(end.recv_timeout(LONG).is_ok(), "nor does the end of it");
}

#[test]
fn two_compactions_are_an_interval_apart() {
    let index = SharedIndex::new(filled(400));
    let (told, reports) = channel();
    let options = UpkeepOptions { interval: Duration::from_millis(150), ..UpkeepOptions::default() };
    delete(&index, 0..200);
    let _upkeep = index.compact_when_needed(options, move |_| told.send(Instant::now()).unwrap()).unwrap();
    let first = reports.recv_timeout(LONG).unwrap();
    delete(&index, 200..390);
    let second = reports.recv_timeout(LONG).unwrap();
    assert!(second - first >= options.interval);
}

/// Dropped inside `on_report`, that is, in the upkeep thread itself.
#[test]
fn upkeep_may_be_dropped_within_a_report() {
    let index = SharedIndex::new(filled(100));
    delete(&index, 0..50);
    let ((given, take), (told, reports)) = (channel(), channel());
    let end = move |_| {
        drop(take.recv().unwrap());
        told.send(()).unwrap();
    };
    given.send(index.compact_when_needed(often(), end).unwrap()).unwrap();
    reports.recv_timeout(LONG).unwrap();
    assert_eq!(reports.recv_timeout(LONG).unwrap_err(), RecvTimeoutError::Disconnected);
}

#[test]
fn readers_and_writers_go_on_meanwhile() {
    let index = SharedIndex::new(filled(1000));
    let (told, reports) = channel();
    let upkeep = index.compact_when_needed(often(), move |report| told.send(report).unwrap()).unwrap();
    thread::scope(|scope| {
        for writer in 0..2u64 {
            let index = index.clone();
            scope.spawn(move || {
                for number in (0..600).map(|at| 10_000 * (writer + 1) + at) {
                    index.change(|index| index.insert_with_id(number, &vector(number), None)).unwrap();
                    assert!(index.delete(&Id::Number(number)).unwrap());
                }
            });
        }
        for reader in 0..4 {
            let index = index.clone();
            scope.spawn(move || (0..200).for_each(|at| assert!(finds(&index, (reader * 131 + at * 7) % 1000))));
        }
    });
    assert_eq!(index.read(Index::len), 1000);
    assert!(index.read(|index| index.check().unwrap().ok));
    // 1,200 records were deleted and a thousand remain, so compaction was needed.
    assert!(reports.recv_timeout(LONG).unwrap().is_ok());
    drop(upkeep);
    assert!(reports.try_iter().all(|report| report.is_ok()));
}

/// A compaction that was begun and then left unfinished.
#[test]
fn an_unfinished_compaction_is_continued() {
    let index = SharedIndex::new(filled(1000));
    delete(&index, 0..200);
    index.change(|index| index.compact_start().and_then(|()| index.compact_step(1))).unwrap();
    assert!(!index.read(Index::needs_compaction) && index.read(|index| index.compact_progress().is_some()));
    let (told, reports) = channel();
    let _upkeep = index.compact_when_needed(often(), move |report| told.send(report).unwrap()).unwrap();
    assert_eq!(reports.recv_timeout(LONG).unwrap().unwrap().tombstones_removed, 200);
}

#[test]
fn invalid_options_are_refused() {
    let index = SharedIndex::new(filled(1));
    let no_interval = UpkeepOptions { interval: Duration::ZERO, ..often() };
    let slices = [0.0, -1.0, f64::NAN, f64::INFINITY].map(|slice_ms| UpkeepOptions { slice_ms, ..often() });
    for options in [no_interval].into_iter().chain(slices) {
        let refused = index.compact_when_needed(options, |_| {});
        assert!(matches!(refused, Err(Error::InvalidOption { .. })), "{options:?}");
    }
    let store = MemoryStore::default();
    drop(stored(store.clone()));
    let options = OpenOptions { mode: Mode::ReadOnly, ..OpenOptions::default() };
    let read_only = SharedIndex::open(store, options).unwrap();
    assert!(matches!(read_only.maintain_when_needed(often(), |_| {}), Err(Error::ReadOnly)));
}

fn stored<S: thermocline::Store>(store: S) -> SharedIndex<S> {
    let config = Some(Config { ef_construction: 32, ..Config::new(DIMENSIONS) });
    let index = SharedIndex::open(store, OpenOptions { config, ..OpenOptions::default() }).unwrap();
    for number in 0..500 {
        index.change(|index| index.insert_with_id(number, &vector(number), None)).unwrap();
    }
    index.checkpoint().unwrap();
    index
}

#[test]
fn what_it_compacts_is_compacted_in_the_store() {
    let store = MemoryStore::with_value_bytes(2000);
    let index = stored(store.clone());
    delete(&index, 0..400);
    index.commit().unwrap();
    let (told, reports) = channel();
    let upkeep = index.maintain_when_needed(often(), move |report| told.send(report).unwrap()).unwrap();
    let report = reports.recv_timeout(LONG).unwrap().unwrap();
    assert_eq!(report.tombstones_removed, 400);
    assert!(report.reclaimed_bytes.cold > 0, "{report:?}");
    drop((upkeep, index));
    let again = SharedIndex::open(store, OpenOptions::default()).unwrap();
    assert_eq!(again.read(|index| (index.len(), index.deleted())), (100, 0));
    assert!((400..500).all(|number| again.read(|index| index.contains(&Id::Number(number)).unwrap())));
}

/// Without a compaction: the log has grown.
#[test]
fn a_checkpoint_that_is_due_is_written() {
    let index = stored(MemoryStore::default());
    let text = "a".repeat(10_000);
    for number in 1000..1300 {
        index.change(|index| index.insert_with_id(number, &vector(number), Some(Payload::Json(&text)))).unwrap();
    }
    index.commit().unwrap();
    let log = || index.read(|index| index.stats().stored.log);
    assert!(log() > 300 * 10_000);
    let _upkeep = index.maintain_when_needed(often(), |report| panic!("{report:?}")).unwrap();
    let begun = Instant::now();
    while log() > 0 {
        assert!(begun.elapsed() < LONG, "{} bytes of log are left", log());
        thread::sleep(Duration::from_millis(5));
    }
}

/// From the first call after the opening on.
#[test]
fn a_failing_store_is_reported() {
    let place = MemoryStore::with_value_bytes(2000);
    drop(stored(place.clone()));
    let opened = (0..100).find_map(|call| {
        let error = StoreError::Failed { why: "unplugged".to_owned() };
        let plan = FaultPlan { call, fault: Fault::Before, error, is_dead_after: true };
        SharedIndex::open(FaultStore::new(place.clone(), Some(plan)), OpenOptions::default()).ok()
    });
    let index = opened.unwrap();
    delete(&index, 0..400);
    let (told, reports) = channel();
    let upkeep = index.maintain_when_needed(often(), move |report| told.send(report).unwrap()).unwrap();
    let failed: Result<CompactionReport, Error> = reports.recv_timeout(LONG).unwrap();
    assert!(failed.as_ref().is_err_and(|error| error.to_string().contains("unplugged")), "{failed:?}");
    drop(upkeep);
    assert_eq!(index.read(Index::len), 100);
    assert!(index.read(|index| index.check().unwrap().ok));
}

#[test]
fn a_failure_is_reported_once_and_pending_work_is_done_afterwards() {
    let (place, fails) = (MemoryStore::with_value_bytes(2000), Arc::new(AtomicBool::new(false)));
    let is_told_so = fails.clone();
    // It refuses commits while told to, but accepts appends.
    let index = stored(Watched::new(place.clone(), move |asked| match asked {
        Asked::Commit(_) if is_told_so.load(Ordering::Relaxed) => {
            Err(StoreError::Failed { why: "unplugged".to_owned() })
        }
        _ => Ok(()),
    }));
    delete(&index, 0..400);
    index.commit().unwrap();
    let fail = |fail: bool| fails.store(fail, Ordering::Relaxed);
    fail(true);
    let (told, reports) = channel();
    let upkeep = index.maintain_when_needed(often(), move |report| told.send(report).unwrap()).unwrap();
    let is_failure = |report: &Result<CompactionReport, Error>| {
        report.as_ref().is_err_and(|error| error.to_string().contains("unplugged"))
    };
    let failed = reports.recv_timeout(LONG).unwrap();
    assert!(is_failure(&failed), "{failed:?}");
    // Long enough for many retries that fail in the same way.
    assert_eq!(reports.recv_timeout(Duration::from_millis(200)).unwrap_err(), RecvTimeoutError::Timeout);
    // Acknowledged in the meantime.
    index.change(|index| index.insert_with_id(1000, &vector(1000), None)).unwrap();
    delete(&index, 400..401);
    index.commit().unwrap();
    fail(false);
    let report = reports.recv_timeout(LONG).unwrap().unwrap();
    assert_eq!(report.tombstones_removed, 400);
    assert!(report.reclaimed_bytes.cold > 0, "{report:?}");

    // The same error after a success counts as another failure.
    fail(true);
    delete(&index, 401..480);
    index.commit().unwrap();
    let failed = reports.recv_timeout(LONG).unwrap();
    assert!(is_failure(&failed), "{failed:?}");
    drop((upkeep, index));
    let again = SharedIndex::open(place, OpenOptions::default()).unwrap();
    assert_eq!(again.read(Index::len), 21);
    assert!((480..500).chain([1000]).all(|number| finds_in(&again, number)));
    assert!(again.read(|index| index.check().unwrap().ok));
}

/// Otherwise a second compaction that came due would replace the one that the store could not complete.
#[test]
fn each_compaction_is_reported_when_the_store_works_again() {
    let (place, fails) = (MemoryStore::with_value_bytes(2000), Arc::new(AtomicBool::new(false)));
    let is_told_so = fails.clone();
    let index = stored(Watched::new(place, move |asked| match asked {
        Asked::Commit(_) if is_told_so.load(Ordering::Relaxed) => {
            Err(StoreError::Failed { why: "unplugged".to_owned() })
        }
        _ => Ok(()),
    }));
    delete(&index, 0..400);
    fails.store(true, Ordering::Relaxed);
    let (told, reports) = channel();
    let _upkeep = index.maintain_when_needed(often(), move |report| told.send(report).unwrap()).unwrap();
    assert!(reports.recv_timeout(LONG).unwrap().is_err());
    delete(&index, 400..480);
    assert!(index.read(Index::needs_compaction));
    // Many intervals.
    assert_eq!(reports.recv_timeout(Duration::from_millis(200)).unwrap_err(), RecvTimeoutError::Timeout);
    fails.store(false, Ordering::Relaxed);
    for removed in [400, 80] {
        assert_eq!(reports.recv_timeout(LONG).unwrap().unwrap().tombstones_removed, removed);
    }
}

/// This happens without dropping the upkeep, and nothing is reported.
#[test]
fn closing_ends_upkeep_which_releases_the_index() {
    let index = stored(MemoryStore::default());
    let (told, reports) = channel();
    let _upkeep = index.maintain_when_needed(often(), move |report| told.send(report).unwrap()).unwrap();
    // Compaction would be due if the index were not closed.
    delete(&index, 0..400);
    index.close().unwrap();
    let mut report = reports.recv_timeout(LONG);
    if let Ok(Ok(compacted)) = report {
        assert!(compacted.tombstones_removed > 0, "it may have been faster");
        report = reports.recv_timeout(LONG);
    }
    assert_eq!(report.unwrap_err(), RecvTimeoutError::Disconnected);
}

fn finds_in<S>(index: &SharedIndex<S>, number: u64) -> bool {
    index.read(|index| index.get(&Id::Number(number)).is_ok_and(|record| record.is_some()))
}
