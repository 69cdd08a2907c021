//! Records that are only in the store: found, read at once, evicted and rewritten, in any order of events.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use thermocline::bench_support::Call;
use thermocline::{
    Config, Error, Id, Index, MemoryStore, Metric, Mode, OpenOptions, Payload, Quantization, SearchOptions,
    SharedIndex, Store, StoredIndex, SystemClock,
};

use crate::layout::{manifests, orphans};
use crate::support::{Rng, Shared, content, copied, drive, now};
use crate::watched::{Asked, Watched};

const DIMENSIONS: usize = 16;

/// Counts the calls that read, and notes which blocks they read.
#[derive(Debug, Default)]
struct Reads {
    calls: Cell<usize>,
    blocks: RefCell<Vec<String>>,
}

impl Reads {
    fn counting(&self, place: MemoryStore) -> impl Store {
        Watched::new(place, |asked| {
            if let Asked::Read(keys) = asked {
                self.calls.set(self.calls.get() + 1);
                self.blocks.borrow_mut().extend(keys.iter().filter(|key| key.starts_with("b/")).cloned());
            }
            Ok(())
        })
    }

    /// Returns calls and blocks since the last call.
    fn since(&self) -> (usize, Vec<String>) {
        (self.calls.take(), self.blocks.take())
    }
}

fn config() -> Config {
    Config { m: 8, ef_construction: 40, ..Config::new(DIMENSIONS) }
}

fn lazily(config: Config) -> OpenOptions {
    OpenOptions { config: Some(config), lazy: true, ..Default::default() }
}

/// This many records, in clusters, each with a payload that names it.
fn filled<S: Store>(store: S, count: usize) -> StoredIndex<S> {
    let stored = now(StoredIndex::open(store, lazily(config()))).unwrap();
    let mut rng = Rng(11);
    let centres: Vec<Vec<f32>> = (0..count / 25 + 1).map(|_| rng.vector(DIMENSIONS)).collect();
    for number in 0..count {
        let noise = rng.vector(DIMENSIONS);
        let vector: Vec<f32> = centres[rng.below(centres.len())].iter().zip(noise).map(|(x, y)| x + 0.1 * y).collect();
        let payload = format!("{{\"number\":{number}}}");
        stored.change(|index| index.insert(&vector, Some(Payload::Json(&payload)))).unwrap();
    }
    now(stored.checkpoint()).unwrap();
    stored
}

/// Iteration skips what is not in memory, but all ids are there.
#[test]
fn the_ids_of_records_that_are_in_the_store_only() {
    let place = MemoryStore::with_value_bytes(4000);
    drop(filled(place.clone(), 300));
    let stored = now(StoredIndex::open(place, lazily(config()))).unwrap();
    stored.change(|index| index.insert_with_id("a text", &[1.0; DIMENSIONS], None)).unwrap();
    assert!(stored.change(|index| index.delete(&7_u64.into())).unwrap());
    let index = stored.index().unwrap();
    assert_eq!(index.iter().count(), 1);
    let ids: BTreeSet<Id> = index.ids().collect();
    let numbers = (0..300).filter(|number| *number != 7);
    assert_eq!(ids, numbers.map(Id::Number).chain(["a text".into()]).collect());
    assert_eq!((index.ids().count(), index.len()), (300, 300));
    assert_eq!(ids.iter().filter_map(Id::as_text).collect::<Vec<_>>(), ["a text"]);
    assert_eq!(ids.iter().filter_map(Id::as_number).max(), Some(299));
}

#[test]
fn opened_lazily_it_reads_no_record_and_a_search_reads_all_that_it_needs_at_once() {
    let (place, reads) = (MemoryStore::with_value_bytes(4000), Reads::default());
    let warm = filled(place.clone(), 2000);
    reads.since();
    let cold = now(StoredIndex::open(reads.counting(place.clone()), lazily(config()))).unwrap();
    assert!(reads.since().1.is_empty(), "blocks were read");
    let (mut most, mut all) = (0, 0);
    let mut rng = Rng(3);
    let before = cold.index().unwrap().stats();
    assert_eq!((before.bytes.cold_cache, before.cache.hits, before.cache.misses), (0, 0, 0));
    for _ in 0..50 {
        let query = rng.vector(DIMENSIONS);
        let expected = warm.index().unwrap().search(&query, SearchOptions::default()).unwrap();
        let missing = cold.index().unwrap().search(&query, SearchOptions::default());
        assert_eq!(now(cold.search(&query, SearchOptions::default())).unwrap(), expected);
        let (calls, blocks) = reads.since();
        match missing {
            Err(Error::Cold(plan)) => {
                assert_eq!((calls, blocks.len()), (1, plan.len()), "one round trip");
                most = most.max(blocks.len());
                all += blocks.len();
            }
            found => assert_eq!((calls, found), (0, Ok(expected))),
        }
    }
    let distinct = manifests(&content(&place))[0].1.blocks.len();
    assert!(all <= distinct && most > 1, "{all} blocks read of {distinct}, at most {most} at once");
    let stats = cold.index().unwrap().stats();
    assert!(stats.cache.hits > 0 && stats.cache.misses > 0 && stats.cache.hit_rate() < 1.0, "{:?}", stats.cache);
    assert!(stats.bytes.cold_cache > 0 && stats.bytes.warm < warm.index().unwrap().stats().bytes.warm / 2);
    // Whatever an answer needs besides distances comes from the same blocks.
    let hits = now(cold.search(&[1.0; DIMENSIONS], SearchOptions::default())).unwrap();
    reads.since();
    for hit in hits {
        let number =
            |payload: Option<Payload<'_>>| matches!(payload, Some(Payload::Json(text)) if text.contains("number"));
        assert_eq!(now(cold.get(&hit.id, |record| number(record.payload))), Ok(Some(true)));
    }
    assert_eq!(reads.since().0, 0);
}

#[test]
fn neighbours_are_stored_together() {
    let (place, reads) = (MemoryStore::with_value_bytes(6000), Reads::default());
    let warm = filled(place.clone(), 3000);
    let cold = now(StoredIndex::open(reads.counting(place.clone()), lazily(config()))).unwrap();
    let blocks = manifests(&content(&place))[0].1.blocks.len();
    let (mut touched, rounds) = (0, 60);
    for number in (0..3000).step_by(3000 / rounds) {
        let id = Id::Number(number as u64);
        let query = warm.index().unwrap().get(&id).unwrap().unwrap().vector.to_vec();
        let fresh = now(StoredIndex::open(reads.counting(place.clone()), lazily(config()))).unwrap();
        reads.since();
        now(fresh.search(&query, SearchOptions::default())).unwrap();
        touched += reads.since().1.len();
    }
    drop(cold);
    // If records were placed at random, ten hits would be in almost ten blocks.
    assert!(blocks > 40 && touched < 2 * rounds, "{touched} blocks of {blocks} for {rounds} answers");
}

/// Whatever the budget and the order of events, an index answers like one that was never stored.
#[test]
fn with_little_memory_it_is_the_same_index() {
    let mut times_demoted = 0;
    for seed in 0..12 {
        let mut rng = Rng(seed);
        let quantization = if seed % 4 == 3 { Quantization::None } else { Quantization::Int8 };
        let metric = rng.pick(&[Metric::Cosine, Metric::L2, Metric::Dot]);
        let base = Config { quantization, metric, ..config() };
        let budget = Config { max_bytes: Some(700_000 + rng.below(60_000)), ..base };
        let place = MemoryStore::with_value_bytes(rng.pick(&[700, 3000, 60_000]));
        let open = || now(StoredIndex::open(place.clone(), lazily(budget))).unwrap();
        let (mut never, mut stored) = (Index::new(base).unwrap(), open());
        let (mut was_cold, mut demoted) = (false, false);
        for round in 0..40 {
            for _ in 0..rng.below(60) {
                let (vector, number) = (rng.vector(DIMENSIONS), rng.below(1500) as u64);
                let bytes = vec![number as u8; rng.below(600)];
                let payload = Some(Payload::Bytes(&bytes));
                if rng.one_in(4) {
                    let id = Id::Number(number);
                    assert_eq!(never.delete(&id), stored.change(|index| index.delete(&id)));
                } else {
                    never.upsert(number, &vector, payload).unwrap();
                    stored.change(|index| index.upsert(number, &vector, payload)).unwrap();
                }
            }
            if rng.one_in(6) {
                never.compact().unwrap();
                stored.change(Index::compact).unwrap();
                now(stored.checkpoint()).unwrap();
            }
            now(stored.commit()).unwrap();
            if stored.checkpoint_due().unwrap() || rng.one_in(4) {
                now(stored.checkpoint()).unwrap();
                let shares = stored.index().unwrap().stats();
                demoted |= shares.bytes.warm < never.stats().bytes.warm / 2;
            }
            was_cold |= stored.index().unwrap().stats().cache.misses > 0;
            if rng.one_in(5) {
                stored = open();
            }
            let query = rng.vector(DIMENSIONS);
            let found = now(stored.search(&query, SearchOptions::default())).unwrap();
            assert_eq!(found, never.search(&query, SearchOptions::default()).unwrap(), "seed {seed}, round {round}");
            for hit in &found {
                let copied = |record: thermocline::Record<'_>| {
                    let payload =
                        if let Some(Payload::Bytes(bytes)) = record.payload { bytes.to_vec() } else { Vec::new() };
                    (record.vector.to_vec(), payload)
                };
                let expected = never.get(&hit.id).unwrap().map(copied);
                assert_eq!(now(stored.get(&hit.id, copied)).unwrap(), expected);
            }
            let report = stored.index().unwrap().check().unwrap();
            assert!(report.ok, "{:?}", report.problems);
        }
        assert!(was_cold, "seed {seed}: nothing was cold");
        times_demoted += usize::from(demoted);
        assert_eq!(now(stored.export()).unwrap(), never.export().unwrap(), "seed {seed}");
    }
    assert!(times_demoted > 3, "{times_demoted} of 12 gave records up");
}

#[test]
fn memory_stays_within_the_budget_and_what_cannot_be_held_is_refused() {
    let budget = Config { max_bytes: Some(600_000), ..config() };
    let stored = now(StoredIndex::open(MemoryStore::default(), lazily(budget))).unwrap();
    let mut rng = Rng(5);
    let bytes = vec![1; 400];
    let mut refused = None;
    for _ in 0..20_000 {
        let vector = rng.vector(DIMENSIONS);
        match stored.change(|index| index.insert(&vector, Some(Payload::Bytes(&bytes)))) {
            Ok(_) => {}
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
        if stored.checkpoint_due().unwrap() {
            now(stored.checkpoint()).unwrap();
        }
        now(stored.search(&vector, SearchOptions::top(3))).unwrap();
        let held = stored.index().unwrap().stats().bytes;
        assert!(held.total() <= 600_000, "{held:?}");
    }
    assert_eq!(refused, Some(Error::OverBudget));
    let (before, held) = (stored.index().unwrap().len(), stored.index().unwrap().stats());
    assert!(before as u64 * 460 > 600_000 && held.stored.cold_raw > 600_000, "{before} records");
    let error = stored.change(|index| index.insert(&rng.vector(DIMENSIONS), None)).unwrap_err();
    assert_eq!((&error, error.code()), (&Error::OverBudget, "OUT_OF_MEMORY"));
    assert!(error.to_string().starts_with("maxBytes leaves no room: "), "{error}");
    assert_eq!((stored.index().unwrap().len(), stored.index().unwrap().check().unwrap().ok), (before, true));
    // Deleting and compacting frees memory again.
    for number in 0..before as u64 / 2 {
        assert!(stored.change(|index| index.delete(&number.into())).unwrap());
    }
    stored.change(Index::compact).unwrap();
    stored.change(|index| index.insert(&rng.vector(DIMENSIONS), None)).unwrap();
}

#[test]
fn mostly_dead_blocks_are_written_anew_and_their_bytes_come_back() {
    let place = MemoryStore::with_value_bytes(4000);
    drop(filled(place.clone(), 1500));
    let stored = now(StoredIndex::open(place.clone(), lazily(config()))).unwrap();
    let before = stored.index().unwrap().stats().stored.cold;
    let mut rng = Rng(9);
    let gone: BTreeSet<u64> = (0..1500).filter(|_| rng.below(10) < 7).collect();
    for &number in &gone {
        assert!(stored.change(|index| index.delete(&number.into())).unwrap());
    }
    for _ in 0..4 {
        now(stored.checkpoint()).unwrap();
    }
    let after = stored.index().unwrap().stats().stored.cold;
    assert!(after < before / 2, "{after} of {before} bytes for three records in ten");
    assert_eq!(orphans(&place), Vec::<String>::new());
    let blocks: u64 =
        content(&place).iter().filter(|(key, _)| key.starts_with("b/")).map(|(_, value)| value.len() as u64).sum();
    assert_eq!(stored.index().unwrap().stats().stored.cold, blocks, "after the last checkpoint both name the same");
    let again = now(StoredIndex::open(place, OpenOptions { mode: Mode::ReadOnly, ..Default::default() })).unwrap();
    let index = again.index().unwrap();
    assert_eq!(index.iter().count(), 1500 - gone.len());
    assert!(index.check().unwrap().ok);
}

/// A block that a reader needs has gone with a checkpoint of the writer: that is not a loss, and the reader is told
/// what to do.
#[test]
fn a_reader_is_told_that_a_writer_has_replaced_what_it_needs() {
    let place = MemoryStore::with_value_bytes(4000);
    drop(filled(place.clone(), 1500));
    let reader =
        now(StoredIndex::open(place.clone(), OpenOptions { mode: Mode::ReadOnly, ..lazily(config()) })).unwrap();
    let writer = now(StoredIndex::open(place.clone(), lazily(config()))).unwrap();
    for number in 0..1500 {
        assert!(writer.change(|index| index.delete(&number.into())).unwrap());
    }
    for _ in 0..3 {
        now(writer.checkpoint()).unwrap();
    }
    assert!(content(&place).keys().all(|key| !key.starts_with("b/")));
    for _ in 0..2 {
        let error = now(reader.get(&7.into(), |_| ())).unwrap_err();
        assert!(error.code() == "STORE_FAILED" && error.to_string().contains("reload()"), "{error}");
    }
}

/// Each block read for a call is one miss, however the call is made, and each other cold record is a hit.
#[test]
fn hits_and_misses_are_counted_once() {
    let place = MemoryStore::with_value_bytes(4000);
    drop(filled(place.clone(), 1500));
    let reads = Reads::default();
    let alone = now(StoredIndex::open(reads.counting(place.clone()), lazily(config()))).unwrap();
    let shared = SharedIndex::open(place, lazily(config())).unwrap();
    let mut rng = Rng(21);
    reads.since();
    let (mut read, mut before) = (0, 0);
    for round in 0..60 {
        let query = rng.vector(DIMENSIONS);
        let hits = now(alone.search(&query, SearchOptions::top(8))).unwrap();
        assert_eq!(shared.search_stored(&query, SearchOptions::top(8)).unwrap(), hits);
        let id = Id::Number(round * 25);
        assert_eq!(now(alone.get(&id, |_| ())), Ok(Some(())));
        assert_eq!(shared.get_stored(&id, |_| ()), Ok(Some(())));
        read += reads.since().1.len() as u64;
        let cache = alone.index().unwrap().stats().cache;
        assert_eq!(cache.misses, read);
        // The requested record is in one block, and those of the answer in one to eighteen (they are eight at least).
        assert!((before + 2..before + 20).contains(&(cache.hits + cache.misses)), "{cache:?} after {before}");
        before = cache.hits + cache.misses;
        assert_eq!(shared.read(|index| index.stats().cache), cache, "round {round}");
    }
    assert!(read > 20, "{read} blocks");
    // Reads that no call asked for count as neither, and do not hide what the next call reads.
    now(alone.export()).unwrap();
    now(alone.search(&[0.5; DIMENSIONS], SearchOptions::top(8))).unwrap();
    let cache = alone.index().unwrap().stats().cache;
    assert!(cache.misses == read && cache.hits + cache.misses > before, "{cache:?}");
}

/// A long record that does not fit leaves its block to shorter ones: half-empty blocks would be read and rewritten by
/// each checkpoint.
#[test]
fn blocks_are_filled_whatever_the_lengths_of_records() {
    for (long, every) in [(5000, 3), (4500, 2), (3000, 2), (7500, 4)] {
        let place = MemoryStore::with_value_bytes(8000);
        let stored = now(StoredIndex::open(place.clone(), lazily(config()))).unwrap();
        let mut rng = Rng(17);
        for number in 0..600 {
            let len = if number % every == 0 { long } else { 100 + rng.below(100) };
            // Incompressible.
            let bytes: Vec<u8> = (0..len).map(|_| rng.below(256) as u8).collect();
            let vector = rng.vector(DIMENSIONS);
            stored.change(|index| index.insert(&vector, Some(Payload::Bytes(&bytes)))).unwrap();
        }
        now(stored.checkpoint()).unwrap();
        let blocks = || manifests(&content(&place))[0].1.blocks.clone();
        let small = blocks().iter().filter(|(_, bytes)| *bytes < 3500).count();
        assert!(small < 4, "{small} of {} blocks are small, with records of {long} bytes", blocks().len());
        let before = blocks();
        for round in 0..3 {
            stored.change(|index| index.insert(&rng.vector(DIMENSIONS), None)).unwrap();
            now(stored.checkpoint()).unwrap();
            let kept = blocks().iter().filter(|block| before.contains(block)).count();
            assert!(kept + 4 > before.len(), "checkpoint {round} has written {} blocks anew", before.len() - kept);
        }
    }
}

/// A compaction rewrites all blocks while an export reads them. At whatever point it does so, each record is read
/// twice, and few of them once more.
#[test]
fn an_export_beside_a_compaction_is_whole_and_reads_no_more() {
    const COUNT: usize = 2500;
    const PAYLOAD_BYTES: usize = 4000;
    let small = Config { m: 4, ef_construction: 8, ..Config::new(4) };
    let place = MemoryStore::with_value_bytes(60_000);
    let (stored, mut never) =
        (now(StoredIndex::open(place.clone(), lazily(small))).unwrap(), Index::new(small).unwrap());
    let mut rng = Rng(31);
    for number in 0..COUNT {
        let (vector, bytes) = (rng.vector(4), [number as u8; PAYLOAD_BYTES]);
        never.insert(&vector, Some(Payload::Bytes(&bytes))).unwrap();
        stored.change(|index| index.insert(&vector, Some(Payload::Bytes(&bytes)))).unwrap();
    }
    now(stored.checkpoint()).unwrap();
    // Some of each block, so that erasing rewrites it.
    for id in (0..COUNT as u64).step_by(20).map(Id::Number) {
        assert!(never.delete(&id).unwrap() && stored.change(|index| index.delete(&id)).unwrap());
    }
    now(stored.close()).unwrap();
    never.compact().unwrap();
    let expected = never.export().unwrap();

    // Every record is read twice, in parts of a megabyte, the last of them shorter.
    let parts = 2 * (COUNT * PAYLOAD_BYTES).div_ceil(1 << 20);
    let budget = Config { max_bytes: Some(1_500_000), ..small };
    // The part of the export from which on erasing continues, and how many steps it makes at each part. A step ends at
    // the store's next wait, before or after a call.
    for (from, pace) in [(1, 4), (1, 20), (5, usize::MAX), (parts - 3, usize::MAX)] {
        let store = Shared::new(&copied(&place), None);
        let reads = || store.calls().iter().filter(|call| **call == Call::Read).count();
        let stored = now(StoredIndex::open(store.clone(), lazily(budget))).unwrap();
        let clock = SystemClock::default();
        let (mut erasing, mut context) = (pin!(stored.erase(&clock)), Context::from_waker(Waker::noop()));
        store.set_waits(true);
        // The compaction in memory, which would make an export start over, is done; only the store is awaited.
        assert!(erasing.as_mut().poll(&mut context).is_pending());
        let (before, mut part, mut reads_of_erasing, mut ended_at) = (reads(), 0, 0, None);
        let exported = drive(stored.export(), || {
            part += 1;
            let before = reads();
            let mut steps = 0;
            while ended_at.is_none() && part >= from && steps < pace {
                steps += 1;
                if let Poll::Ready(report) = erasing.as_mut().poll(&mut context) {
                    assert!(report.unwrap().reclaimed_bytes.cold > 0);
                    ended_at = Some(part);
                }
            }
            reads_of_erasing += reads() - before;
        });
        assert!(exported.unwrap() == expected, "from part {from} on, {pace} steps at each");
        let of_export = reads() - before - reads_of_erasing;
        assert!(
            ended_at.is_some() && of_export <= parts + 4,
            "{of_export} parts, not {parts}; it had ended at {ended_at:?}"
        );
    }
}

/// A block that a search had to read is no hit, although the search looks at it once more for each record in it.
#[test]
fn the_first_search_over_an_empty_cache_hits_nothing() {
    let place = MemoryStore::with_value_bytes(4000);
    drop(filled(place.clone(), 1500));
    let stored = now(StoredIndex::open(place, lazily(config()))).unwrap();
    let search = || now(stored.search(&[0.5; DIMENSIONS], SearchOptions::top(100))).unwrap();
    let cache = || stored.index().unwrap().stats().cache;
    let hits = search();
    let first = cache();
    assert!(first.misses > 1 && first.hits == 0, "{first:?}");
    assert_eq!(search(), hits);
    assert_eq!((cache().hits, cache().misses), (first.misses, first.misses));
}
