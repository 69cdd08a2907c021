//! Many queries or many records in one call, beside other threads.

use super::{filled, vector};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use thermocline::{Error, Id, Index, MemoryStore, NewRecord, OpenOptions, SearchOptions, SharedIndex};

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
