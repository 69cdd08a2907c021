//! Many queries or many records in one call, beside other threads.

use super::{filled, vector};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use thermocline::{
    Config, Error, Id, Index, MemoryStore, NewRecord, OpenOptions, Quantization, SearchOptions, SharedIndex,
};

/// Longer than anything here takes on any machine.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_hits_are_those_of_single_searches() {
    let place = MemoryStore::with_value_bytes(2000);
    let index = SharedIndex::create(place.clone(), filled(500)).unwrap();
    let queries: Vec<_> = (1000..1200).map(vector).collect();
    let single: Vec<_> = queries.iter().map(|query| index.search(query, SearchOptions::top(5)).unwrap()).collect();
    assert_eq!(index.search_many(&queries, SearchOptions::top(5)).unwrap(), single);
    index.close().unwrap();
    let cold = || {
        let cold = SharedIndex::open(place.clone(), OpenOptions { lazy: true, ..OpenOptions::default() }).unwrap();
        assert!(matches!(cold.search_many(&queries, SearchOptions::top(5)), Err(Error::Cold(_))));
        cold
    };
    let (filtered, mut passes) = (cold(), |_: &_| true);
    assert_eq!(filtered.search_many_stored(&queries, SearchOptions::top(5).with_filter(&mut passes)).unwrap(), single);
    filtered.close().unwrap();
    let cold = cold();
    assert_eq!(cold.search_many_stored(&queries, SearchOptions::top(5)).unwrap(), single);
    let mut refused = queries.clone();
    refused[150][2] = f32::INFINITY;
    for error in [
        cold.search_many(&refused, SearchOptions::top(5)).unwrap_err(),
        cold.search_many_stored(&refused, SearchOptions::top(5)).unwrap_err(),
    ] {
        assert!(matches!(error, Error::InQuery { at: 150, .. }), "{error:?}");
    }
}

/// Many records and many queries, from a thread and from the tasks of a pool. A rayon thread that waits picks up
/// another task, which must not be one that wants the index it has locked.
fn call_from_everywhere(spawn: impl Fn(Box<dyn FnOnce() + Send>)) {
    let index = SharedIndex::new(filled(4000));
    let other = Arc::new(filled(500));
    let (told, done) = channel();
    let calls = move |index: &SharedIndex, round: u64| {
        let vectors: Vec<_> = (0..100).map(|at| vector(10_000 + 100 * round + at)).collect();
        let records: Vec<_> = vectors.iter().map(|vector| NewRecord::new(vector)).collect();
        assert_eq!(index.insert_many(&records).map(|ids| ids.len()), Ok(100));
        assert_eq!(index.search_many(&vectors, SearchOptions::top(3)).map(|hits| hits.len()), Ok(100));
        assert_eq!(index.search(&vectors[0], SearchOptions::top(3)).map(|hits| hits.len()), Ok(3));
        // Another index is searched in parallel while this one is locked.
        let beside = || other.search_many(&vectors, SearchOptions::top(1)).unwrap().len() == 100;
        let mut passes = |id: &Id| *id != Id::Number(0) || beside();
        let options = SearchOptions::top(3).with_filter(&mut passes);
        assert_eq!(index.search(&vector(0), options).map(|hits| hits.len()), Ok(3));
        assert_eq!(index.get(&Id::Number(0), |_| beside()), Ok(Some(true)));
    };
    for round in 0..20 {
        let (index, told, calls) = (index.clone(), told.clone(), calls.clone());
        spawn(Box::new(move || {
            calls(&index, round);
            told.send(()).unwrap();
        }));
    }
    let outside = index.clone();
    thread::spawn(move || {
        (20..30).for_each(|round| calls(&outside, round));
        told.send(()).unwrap();
    });
    for _ in 0..21 {
        done.recv_timeout(LONG).unwrap();
    }
    assert_eq!(index.len(), 4000 + 30 * 100);
    assert!(index.read(|index: &Index| index.check().unwrap().ok));
}

#[test]
fn threads_never_wait_forever() {
    call_from_everywhere(|call| drop(thread::spawn(call)));
}

#[cfg(feature = "rayon")]
#[test]
fn tasks_of_a_pool_never_wait_forever() {
    call_from_everywhere(rayon::spawn);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    call_from_everywhere(|call| pool.spawn(call));
}

fn vectors(numbers: std::ops::Range<u64>) -> Vec<[f32; super::DIMENSIONS]> {
    numbers.map(vector).collect()
}

/// A vector of so many dimensions that many of them may be linked together.
fn long(number: u64) -> Vec<f32> {
    (0..20).flat_map(|part| vector(100 * number + part)).collect()
}

/// Records whose ids are their numbers.
fn records(first: u64, vectors: &[[f32; super::DIMENSIONS]]) -> Vec<NewRecord<'_>> {
    let record = |(number, vector)| NewRecord { id: Some(Id::Number(number)), ..NewRecord::new(vector) };
    (first..).zip(vectors.iter().map(<[f32; super::DIMENSIONS]>::as_slice)).map(record).collect()
}

/// Alone, it makes the same index as the call that holds it throughout, though it links in slices.
#[test]
fn the_index_is_that_of_one_call() {
    let empty = |quantization| {
        let config = Config { quantization, ef_construction: 80, ..Config::new(20 * super::DIMENSIONS) };
        Index::new(config).unwrap()
    };
    // One by one and in batches; in bulk, and in batches after that; with codes that are trained between two batches.
    for (quantization, calls) in [
        (Quantization::Int8, &[1, 300, 1, 40][..]),
        (Quantization::Int8, &[4200, 300]),
        (Quantization::Product, &[1500, 200]),
    ] {
        let (shared, mut alone) = (SharedIndex::new(empty(quantization)), empty(quantization));
        let mut from = 0;
        for count in calls {
            let vectors: Vec<_> = (from..from + count).map(long).collect();
            let records: Vec<_> = vectors.iter().map(|vector| NewRecord::new(vector)).collect();
            assert_eq!(shared.insert_many(&records).unwrap(), alone.insert_many(&records).unwrap());
            from += count;
            let [shared, alone] = [shared.read(Index::export).unwrap(), alone.export().unwrap()];
            assert!(shared == alone, "{quantization:?}: {calls:?}, up to {from}");
        }
    }
}

#[test]
fn a_call_that_is_refused_changes_nothing() {
    let index = SharedIndex::new(filled(200));
    let before = index.read(Index::export).unwrap();
    let vectors = vectors(150..250);
    let refused = index.insert_many(&records(150, &vectors)).unwrap_err();
    assert!(matches!(&refused, Error::InRecord { at: 0, error } if matches!(**error, Error::DuplicateId { .. })));
    assert_eq!(index.insert_many(&[]), Ok(Vec::new()));
    assert!(index.read(Index::export).unwrap() == before);
}

/// Others search while it lasts, and find all of its records or none.
#[test]
fn all_or_none_are_there_while_they_are_linked() {
    let vectors = vectors(2000..4000);
    let index = SharedIndex::new(filled(2000));
    let over = AtomicBool::new(false);
    let between = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            // How many searches there were after the records had come and before they were linked.
            let mut between = 0;
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                number = (number * 31 + 17) % 2000;
                let found = |index: &Index, number: u64| {
                    let hits = index.search(&vector(number), SearchOptions::top(1).with_ef(64)).unwrap();
                    hits[0].id == Id::Number(number)
                };
                index.read(|index| match index.len() {
                    2000 => assert!(found(index, number) && !found(index, 2000 + number)),
                    4000 => assert!(found(index, number) && found(index, 2000 + number)),
                    some => panic!("{some} records"),
                });
                between += usize::from(index.read(Index::pending) > 0);
            }
            between
        });
        assert_eq!(index.insert_many(&records(2000, &vectors)).unwrap().len(), 2000);
        over.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    // There are some thirty batches, and the reader can search between any two of them.
    assert!(between > 0, "the index was held throughout");
    assert_eq!((index.len(), index.read(Index::pending)), (4000, 0));
    assert!(index.read(|index| index.check().unwrap().ok));
}

/// Whatever was put in is kept, and nothing else, though the index is closed while it is being linked.
#[test]
fn records_are_kept_or_refused_by_closing() {
    let vectors = vectors(0..600);
    let (mut kept, mut refused) = (0, 0);
    for round in 0..20 {
        let place = MemoryStore::default();
        let index = SharedIndex::create(place.clone(), filled(0)).unwrap();
        let inserted = thread::scope(|scope| {
            let writer = scope.spawn(|| index.insert_many(&records(0, &vectors)));
            // Sooner or later.
            while round % 4 > 0 && index.is_empty() {
                thread::yield_now();
            }
            index.close().unwrap();
            writer.join().unwrap()
        });
        let count = match inserted {
            Ok(ids) => ids.len(),
            Err(error) => {
                assert_eq!(error, Error::Closed);
                0
            }
        };
        kept += usize::from(count > 0);
        refused += usize::from(count == 0);
        let again = SharedIndex::open(place, OpenOptions::default()).unwrap();
        assert_eq!((again.len(), index.len()), (count, count));
        again.link().unwrap();
        assert!(again.read(|index| index.check().unwrap().ok));
    }
    assert!(kept > 0 && kept + refused == 20);
}

/// Records that can expire take room in the queue of those that wait. Budgets that had room for the records alone were
/// taken for too small, though linking them at once needs no queue.
#[test]
fn a_budget_refuses_what_one_call_would_exceed_and_no_more() {
    let config = Config { m: 4, ef_construction: 8, ..Config::new(super::DIMENSIONS) };
    let expiring = |max_bytes| {
        let mut index = Index::new(Config { max_bytes, ..config }).unwrap();
        for number in 0..3000 {
            index.insert_with_id_expiring(number, &vector(number), None, Some(1e15)).unwrap();
        }
        index
    };
    let held = expiring(None).stats().bytes.total();
    let vectors = vectors(5000..5010);
    let records = records(5000, &vectors);
    for spare in (0..200_000).step_by(10_000) {
        let [mut alone, shared] = [(); 2].map(|()| expiring(Some(held + spare)));
        let shared = SharedIndex::new(shared);
        assert_eq!(shared.insert_many(&records), alone.insert_many(&records), "{spare} bytes to spare");
    }
}

/// In bulk where a budget has room for that, in batches where it has not: as the call that links at once.
#[test]
fn a_budget_decides_how_records_are_linked() {
    let vectors: Vec<_> = (0..4200).map(long).collect();
    let records: Vec<_> = vectors.iter().map(|vector| NewRecord::new(vector)).collect();
    let config = Config { ef_construction: 80, ..Config::new(20 * super::DIMENSIONS) };
    for max_bytes in [5_500_000, 6_500_000, 8_000_000] {
        let open = || {
            let config = Some(Config { max_bytes: Some(max_bytes), ..config });
            SharedIndex::open(MemoryStore::default(), OpenOptions { config, ..OpenOptions::default() }).unwrap()
        };
        let (alone, shared) = (open(), open());
        let expected = alone.change(|index| index.insert_many(&records));
        assert_eq!(shared.insert_many(&records), expected, "{max_bytes}");
        if expected.is_ok() {
            assert!(shared.export_stored().unwrap() == alone.export_stored().unwrap(), "{max_bytes}");
        }
    }
}
