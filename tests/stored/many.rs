//! Many records in one call to a stored index, which is a single change whatever happens; and many queries in one call.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use thermocline::{
    Config, Error, Id, MemoryStore, Mode, NewRecord, OpenOptions, Payload, Record, SearchOptions, Store, StoredIndex,
};

use crate::model::fingerprint;
use crate::support::{Rng, content, copied, now, place_of};
use crate::watched::{Asked, Watched};

const DIMENSIONS: usize = 6;

fn open(place: &MemoryStore, lazy: bool) -> StoredIndex<MemoryStore> {
    let config = Some(Config { m: 4, ef_construction: 20, ..Config::new(DIMENSIONS) });
    now(StoredIndex::open(place.clone(), OpenOptions { config, lazy, ..Default::default() })).unwrap()
}

/// Returns every record, to the last bit.
fn held(stored: &StoredIndex<MemoryStore>) -> Vec<(Id, u64)> {
    now(stored.read_ahead()).unwrap();
    let index = stored.index().unwrap();
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let of = |record: Record<'_>| (record.id.clone(), fingerprint(&record.id, record.vector, record.payload));
    let mut held: Vec<_> = index.iter().map(of).collect();
    held.sort();
    held
}

/// Adds this many in one call, among them ids of every kind, payloads, and records that expire later.
fn insert(stored: &StoredIndex<MemoryStore>, seed: u64, count: usize) -> Result<Vec<Id>, Error> {
    let mut rng = Rng(seed);
    let vectors: Vec<_> = (0..count).map(|_| rng.vector(DIMENSIONS)).collect();
    let record = |at: usize| NewRecord {
        id: (at % 3 == 1).then(|| Id::from(format!("{seed}-{at}").as_str())),
        payload: at.is_multiple_of(2).then_some(Payload::Json("{\"a\":1}")),
        expires_ms: at.is_multiple_of(7).then_some(4e12 + at as f64),
        ..NewRecord::new(&vectors[at])
    };
    let records: Vec<_> = (0..count).map(record).collect();
    stored.change(|index| index.insert_many(&records))
}

#[test]
fn a_call_is_found_again_whole_or_not_at_all() {
    let place = MemoryStore::default();
    let stored = open(&place, false);
    insert(&stored, 1, 300).unwrap();
    now(stored.checkpoint()).unwrap();
    let ids = insert(&stored, 2, 500).unwrap();
    now(stored.commit()).unwrap();
    let expected = held(&stored);
    assert!(ids.iter().all(|id| expected.iter().any(|(other, _)| other == id)));
    // Only in memory.
    insert(&stored, 3, 200).unwrap();
    drop(stored);
    for lazy in [false, true] {
        let again = open(&copied(&place), lazy);
        assert_eq!(again.index().unwrap().pending(), if lazy { 500 } else { 0 });
        assert_eq!(held(&again), expected);
        // Pending records are linked first.
        insert(&again, 4, 100).unwrap();
        assert_eq!((again.index().unwrap().pending(), again.index().unwrap().len()), (0, 900));
        let expected = held(&again);
        now(again.checkpoint()).unwrap();
        assert_eq!(held(&again), expected);
        now(again.close()).unwrap();
    }
}

#[test]
fn a_log_cut_anywhere_has_the_whole_call_or_nothing_of_it() {
    let place = MemoryStore::default();
    let stored = open(&place, false);
    insert(&stored, 1, 70).unwrap();
    now(stored.checkpoint()).unwrap();
    let before = held(&stored);
    insert(&stored, 2, 80).unwrap();
    now(stored.commit()).unwrap();
    let after = held(&stored);
    drop(stored);
    let values = content(&place);
    let (key, log) = values.iter().rfind(|(key, _)| key.starts_with("log/")).unwrap();
    for end in (0..log.len()).step_by(331).chain([log.len() - 1, log.len()]) {
        let mut cut = values.clone();
        cut.insert(key.clone(), log[..end].to_vec());
        let expected = if end < log.len() { &before } else { &after };
        assert!(held(&open(&place_of(cut, place.value_bytes()), false)) == *expected, "{end} of {} bytes", log.len());
    }
}

#[test]
fn a_refused_call_is_in_no_log() {
    let place = MemoryStore::default();
    let stored = open(&place, false);
    insert(&stored, 1, 100).unwrap();
    now(stored.commit()).unwrap();
    let before = content(&place);
    assert!(matches!(insert(&stored, 1, 90), Err(Error::InRecord { at: 1, .. })));
    now(stored.commit()).unwrap();
    assert!(content(&place) == before);
    let reader = OpenOptions { mode: Mode::ReadOnly, ..Default::default() };
    let reading = now(StoredIndex::open(place.clone(), reader)).unwrap();
    assert_eq!(insert(&reading, 2, 90), Err(Error::ReadOnly));
}

/// An index in a place where each block is one value of about 1,000 bytes.
fn in_small_blocks(place: &MemoryStore, count: u64) -> StoredIndex<MemoryStore> {
    let stored = open(place, false);
    let vectors: Vec<_> = (0..count).map(|number| Rng(number).vector(DIMENSIONS)).collect();
    let payload = Some(Payload::Bytes(&[7; 100]));
    let records: Vec<_> = vectors.iter().map(|vector| NewRecord { payload, ..NewRecord::new(vector) }).collect();
    stored.change(|index| index.insert_many(&records)).unwrap();
    now(stored.checkpoint()).unwrap();
    stored
}

fn queries(count: u64) -> Vec<Vec<f32>> {
    (0..count).map(|number| Rng(10_000 + number).vector(DIMENSIONS)).collect()
}

fn lazily(max_bytes: Option<usize>) -> OpenOptions {
    let config = Some(Config { max_bytes, m: 4, ..Config::new(DIMENSIONS) });
    OpenOptions { config, lazy: true, ..Default::default() }
}

/// Returns how many of the keys to be read are blocks.
fn blocks(keys: &[String]) -> usize {
    keys.iter().filter(|key| key.starts_with("b/")).collect::<BTreeSet<_>>().len()
}

#[test]
fn the_records_of_many_queries_are_read_together() {
    let place = MemoryStore::with_value_bytes(1000);
    let stored = in_small_blocks(&place, 800);
    let queries = queries(100);
    let expected = now(stored.search_many(&queries, SearchOptions::top(3))).unwrap();
    for (query, expected) in queries.iter().zip(&expected) {
        assert_eq!(&now(stored.search(query, SearchOptions::top(3))).unwrap(), expected);
    }
    now(stored.close()).unwrap();

    let reads = Cell::new((0, 0));
    let watched = Watched::new(place.clone(), |asked| {
        if let Asked::Read(keys) = asked {
            let (calls, most) = reads.get();
            reads.set((calls + 1, most.max(blocks(keys))));
        }
        Ok(())
    });
    for max_bytes in [None, Some(1)] {
        let again = now(StoredIndex::open(watched.clone(), lazily(max_bytes))).unwrap();
        reads.take();
        assert_eq!(now(again.search_many(&queries, SearchOptions::top(3))).unwrap(), expected);
        let (calls, most) = reads.get();
        assert!((2..=12).contains(&calls) && (64..=80).contains(&most), "{calls} calls, at most {most} blocks");
        let mut refused = queries.clone();
        refused[99].pop();
        reads.take();
        let error = now(again.search_many(&refused, SearchOptions::top(3))).unwrap_err();
        assert!(matches!(error, Error::InQuery { at: 99, .. }) && reads.get().0 == 0, "{error:?}");
    }
}

/// Inspects the index each time something is read for it.
type Look = Rc<RefCell<Option<Box<dyn Fn() -> usize>>>>;

/// Under a budget that leaves no room, blocks read for some queries are dropped before any are read for others.
#[test]
fn blocks_read_for_many_queries_do_not_accumulate() {
    let place = MemoryStore::with_value_bytes(1000);
    now(in_small_blocks(&place, 3000).close()).unwrap();
    let (look, seen) = (Look::default(), Rc::new(RefCell::new(Vec::new())));
    let (looks, sees) = (Rc::clone(&look), Rc::clone(&seen));
    let watched = Watched::new(place.clone(), move |asked| {
        if let (Asked::Read(keys), Some(look)) = (asked, &*looks.borrow()) {
            sees.borrow_mut().push((look(), blocks(keys)));
        }
        Ok(())
    });
    let stored = Rc::new(now(StoredIndex::open(watched, lazily(Some(1)))).unwrap());
    let index = Rc::clone(&stored);
    *look.borrow_mut() = Some(Box::new(move || index.index().unwrap().stats().bytes.cold_cache));
    let hits = now(stored.search_many(&queries(300), SearchOptions::top(3))).unwrap();
    *look.borrow_mut() = None;
    assert!(hits.iter().all(|hits| hits.len() == 3));
    let all: usize = seen.borrow().iter().map(|&(_, blocks)| blocks).sum();
    assert!(all > 4 * 64, "there is something to pile up: {all} blocks");
    for (held, blocks) in seen.take() {
        assert!(held == 0 && blocks <= 80, "{held} bytes are held beside {blocks} blocks");
    }
    assert_eq!(stored.index().unwrap().stats().bytes.cold_cache, 0);
}

/// Each query is searched for twice, however often something is read: once to find out which records it needs, and once
/// with them.
#[test]
fn each_query_is_searched_for_twice_at_most() {
    let place = MemoryStore::with_value_bytes(1000);
    now(in_small_blocks(&place, 1000).close()).unwrap();
    let queries = queries(100);
    for max_bytes in [None, Some(1)] {
        let reads = Cell::new(0);
        let watched = Watched::new(place.clone(), |asked| {
            reads.set(reads.get() + usize::from(matches!(asked, Asked::Read(_))));
            Ok(())
        });
        let stored = now(StoredIndex::open(watched, lazily(max_bytes))).unwrap();
        reads.take();
        // So wide that each search looks at every record once.
        let mut searches = 0;
        let mut passes = |id: &Id| {
            searches += usize::from(*id == Id::Number(7));
            true
        };
        let options = SearchOptions::top(3).with_ef(1000).with_filter(&mut passes);
        assert_eq!(now(stored.search_many(&queries, options)).unwrap().len(), 100);
        assert!(reads.get() > 2, "{} reads", reads.get());
        assert!(searches <= 200, "{searches} searches");
    }
}
