//! Memory under a budget: after each call the index holds no more than the budget, if what is always held leaves room.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

use thermocline::{
    Config, Error, Id, Index, MemoryStore, Metric, NewRecord, OpenOptions, Payload, Quantization, SearchOptions,
    StoredIndex,
};

use crate::support::{Rng, Shared, now};

fn lazily(config: Config) -> OpenOptions {
    OpenOptions { config: Some(config), lazy: true, ..Default::default() }
}

/// Returns whether the index stays within the budget, or `None` if codes, links and ids alone take most of it.
fn fits(index: &Index, budget: usize) -> Option<bool> {
    let bytes = index.stats().bytes;
    let always = bytes.codes + bytes.graph + bytes.ids;
    (always < budget / 10 * 7).then_some(bytes.total() <= budget)
}

/// Makes a call of a random kind. Returns its name. Making the change durable is left to the caller.
fn call(stored: &StoredIndex<MemoryStore>, rng: &mut Rng, dimensions: usize, longest: usize) -> &'static str {
    let (vector, number) = (rng.vector(dimensions), rng.below(1500) as u64);
    let (id, bytes) = (Id::Number(number), vec![number as u8; rng.below(longest)]);
    let payload = Some(Payload::Bytes(&bytes));
    match rng.below(20) {
        0..7 => match stored.change(|index| index.upsert(number, &vector, payload)) {
            Ok(()) | Err(Error::OverBudget) => "upsert",
            Err(error) => panic!("{error}"),
        },
        7 | 8 => match stored.change(|index| index.insert(&vector, payload)) {
            Ok(_) | Err(Error::OverBudget) => "insert",
            Err(error) => panic!("{error}"),
        },
        9 => {
            let vectors: Vec<Vec<f32>> = (0..rng.below(20)).map(|_| rng.vector(dimensions)).collect();
            let records: Vec<_> =
                vectors.iter().map(|vector| NewRecord { payload, ..NewRecord::new(vector) }).collect();
            match stored.change(|index| index.insert_many(&records)) {
                Ok(_) | Err(Error::OverBudget) => "insert_many",
                Err(error) => panic!("{error}"),
            }
        }
        10..12 => {
            stored.change(|index| index.delete(&id)).unwrap();
            "delete"
        }
        12 | 13 => {
            now(stored.get(&id, |_| ())).unwrap();
            "get"
        }
        14..18 => {
            let options = SearchOptions::top(1 + rng.below(30)).with_ef(1 + rng.below(300));
            match now(stored.search(&vector, options)) {
                Ok(_) | Err(Error::Untrained { .. }) => "search",
                Err(error) => panic!("{error}"),
            }
        }
        18 => {
            now(stored.commit()).unwrap();
            "commit"
        }
        _ if rng.one_in(4) => {
            stored.change(Index::compact_start).unwrap();
            "compact_start"
        }
        _ => {
            let more = stored.change(|index| index.compact_step(200)).unwrap();
            if !more {
                stored.change(|index| Ok(index.compact_finish())).unwrap();
            }
            "compact_step"
        }
    }
}

#[test]
fn after_each_call_no_more_is_held_than_the_budget_says() {
    let (mut times, mut beyond, mut cached) = (0, 0, 0);
    for seed in 0..12 {
        let mut rng = Rng(seed);
        let quantization =
            rng.pick(&[Quantization::Int8, Quantization::None, Quantization::Binary, Quantization::Product]);
        let dimensions = rng.pick(&[16, 100]);
        let base = Config { m: 8, ef_construction: 40, quantization, ..Config::new(dimensions) };
        // Product codes are the vectors themselves until training.
        let codes = if quantization == Quantization::Product { 3_000_000 } else { 1100 * dimensions };
        let budget = 500_000 + codes + rng.below(300_000);
        let config = Config { max_bytes: Some(budget), ..base };
        let place = MemoryStore::with_value_bytes(rng.pick(&[4000, 60_000]));
        let open = || now(StoredIndex::open(place.clone(), lazily(config))).unwrap();
        let (mut stored, longest) = (open(), rng.pick(&[50, 600, 2000]));
        for round in 0..2500 {
            let name = call(&stored, &mut rng, dimensions, longest);
            let fits = |call: &str| {
                let index = stored.index().unwrap();
                let fits = fits(&index, budget)?;
                // A change may exceed the budget until it is stored, but then a checkpoint is due.
                let waits = call != "checkpoint" && stored.checkpoint_due().unwrap();
                let bytes = index.stats().bytes;
                assert!(
                    fits || waits,
                    "after {call}, seed {seed}, round {round}, {quantization:?}: {} of {budget}, {bytes:?}",
                    bytes.total()
                );
                Some(fits)
            };
            match fits(name) {
                Some(true) => times += 1,
                Some(false) => beyond += 1,
                None => {}
            }
            if stored.checkpoint_due().unwrap() {
                now(stored.checkpoint()).unwrap();
                fits("checkpoint");
            }
            if rng.one_in(600) {
                now(stored.commit()).unwrap();
                stored = open();
                assert_ne!(self::fits(&stored.index().unwrap(), budget), Some(false), "seed {seed}, round {round}");
            }
            cached += usize::from(stored.index().unwrap().stats().bytes.cold_cache > 0);
        }
        let report = stored.index().unwrap().check();
        assert!(report.is_err() || report.unwrap().ok, "seed {seed}");
    }
    assert!(
        times > 15_000 && beyond < times / 500 && cached > 5_000,
        "{times} times within and {beyond} times beyond it, {cached} times with cached blocks"
    );
}

/// Buffers are at least as long as vectors, and there are two of each kind.
#[test]
fn buffers_are_counted_and_go_when_there_is_no_room() {
    const DIMENSIONS: usize = 8192;
    let base = Config { quantization: Quantization::None, m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) };
    let stored = now(StoredIndex::open(MemoryStore::default(), lazily(base))).unwrap();
    let mut rng = Rng(1);
    for _ in 0..20 {
        stored.change(|index| index.insert(&rng.vector(DIMENSIONS), None)).unwrap();
    }
    now(stored.checkpoint()).unwrap();
    let bytes = stored.index().unwrap().stats().bytes;
    assert!(bytes.scratch >= 2 * 4 * DIMENSIONS, "{bytes:?}");
    let mut search = || now(stored.search(&rng.vector(DIMENSIONS), SearchOptions::top(5))).unwrap().len();
    for (max_bytes, keeps) in [(bytes.total() - bytes.scratch, false), (bytes.total(), true)] {
        stored.change(|index| index.set_options(Config { max_bytes: Some(max_bytes), ..base })).unwrap();
        for _ in 0..3 {
            assert_eq!(search(), 5);
            let held = stored.index().unwrap().stats().bytes;
            assert!(held.total() <= max_bytes && (held.scratch > 0) == keeps, "{held:?} of {max_bytes}");
        }
    }
}

/// Otherwise nothing makes room for frames that are not committed yet, and no checkpoint comes due because of them. A
/// checkpoint writes them too, and must free their memory.
#[test]
fn changes_that_are_not_committed_are_counted() {
    let config = Config { m: 4, ef_construction: 8, ..Config::new(4) };
    let stored = now(StoredIndex::open(MemoryStore::default(), lazily(config))).unwrap();
    let text = "a".repeat(10_000);
    let insert = |count: usize| {
        for _ in 0..count {
            stored.change(|index| index.insert(&[1.0; 4], Some(Payload::Json(&text)))).unwrap();
        }
    };
    let scratch = || stored.index().unwrap().stats().bytes.scratch;
    insert(100);
    assert!(scratch() > 1_000_000 && !stored.checkpoint_due().unwrap(), "{}", scratch());
    insert(20);
    assert!(stored.checkpoint_due().unwrap());
    now(stored.checkpoint()).unwrap();
    assert!(scratch() < 100_000 && !stored.checkpoint_due().unwrap(), "{}", scratch());
    insert(100);
    let max_bytes = Some(stored.index().unwrap().stats().bytes.total());
    stored.change(|index| index.set_options(Config { max_bytes, ..config })).unwrap();
    assert!(stored.checkpoint_due().unwrap(), "three quarters of what the budget leaves are taken");
    now(stored.commit()).unwrap();
    assert!(scratch() < 100_000 && !stored.checkpoint_due().unwrap(), "{}", scratch());
}

/// How a call ends that has read records and is about to read more.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Dropped,
    DroppedWhileBorrowed,
    Busy,
    Panics,
}

/// What was read for a call stays until the call has been repeated, even beyond the budget. The call may never be: then
/// the budget used to have no effect until another call had read something.
fn leaves_the_budget_in_force(end: End) {
    const BUDGET: usize = 2_500_000;
    const DIMENSIONS: usize = 32;
    let store = Shared::new(&MemoryStore::with_value_bytes(8000), None);
    let config = Config { metric: Metric::L2, max_bytes: Some(2 * BUDGET), ..Config::new(DIMENSIONS) };
    let stored = now(StoredIndex::open(store.clone(), lazily(config))).unwrap();
    let mut rng = Rng(4);
    let payload = Some(Payload::Bytes(&[7; 400]));
    for number in 0..4000u64 {
        stored.change(|index| index.insert_with_id(number, &rng.vector(DIMENSIONS), payload)).unwrap();
    }
    now(stored.checkpoint()).unwrap();
    stored.change(|index| index.set_options(Config { max_bytes: Some(BUDGET), ..config })).unwrap();
    for _ in 0..60 {
        now(stored.search(&rng.vector(DIMENSIONS), SearchOptions::top(20))).unwrap();
    }
    let mut ended = false;
    while !ended {
        let query = rng.vector(DIMENSIONS);
        let is_armed = Cell::new(false);
        let mut filter = |_: &Id| {
            assert!(!is_armed.get(), "as planned");
            true
        };
        let mut context = Context::from_waker(Waker::noop());
        let mut search = Box::pin(stored.search(&query, SearchOptions::top(20).with_filter(&mut filter)));
        store.set_waits(true);
        let waits = search.as_mut().poll(&mut context).is_pending();
        store.set_waits(false);
        if !waits {
            continue;
        }
        if end == End::Panics {
            is_armed.set(true);
            let polled = catch_unwind(AssertUnwindSafe(|| search.as_mut().poll(&mut context).is_ready()));
            assert!(polled.is_err(), "the filter was not called");
            break;
        }
        // What it would have found is deleted, so that it needs other records.
        let options = SearchOptions::top(60).with_rerank(false);
        let hits = stored.index().unwrap().search(&query, options).unwrap();
        for hit in hits {
            stored.change(|index| index.delete(&hit.id)).unwrap();
        }
        store.set_waits(true);
        ended = search.as_mut().poll(&mut context).is_pending();
        store.set_waits(false);
        let reading = (ended && end != End::Dropped).then(|| stored.index().unwrap());
        if ended && end == End::Busy {
            assert!(now(search) == Err(Error::Busy));
        } else {
            drop(search);
        }
        drop(reading);
    }
    for number in 0..100u64 {
        match stored.change(|index| index.upsert(10_000 + number, &rng.vector(DIMENSIONS), payload)) {
            Ok(()) | Err(Error::OverBudget) => {}
            Err(error) => panic!("{error}"),
        }
        let index = stored.index().unwrap();
        assert_eq!(fits(&index, BUDGET), Some(true), "{end:?}, after {number}: {:?}", index.stats().bytes);
    }
}

#[test]
fn a_search_given_up_leaves_the_budget_in_force() {
    leaves_the_budget_in_force(End::Dropped);
}

#[test]
fn a_search_given_up_while_the_index_is_borrowed_leaves_the_budget_in_force() {
    leaves_the_budget_in_force(End::DroppedWhileBorrowed);
}

#[test]
fn a_search_that_finds_the_index_borrowed_leaves_the_budget_in_force() {
    leaves_the_budget_in_force(End::Busy);
}

#[test]
fn a_search_whose_filter_panics_leaves_the_budget_in_force() {
    leaves_the_budget_in_force(End::Panics);
}
