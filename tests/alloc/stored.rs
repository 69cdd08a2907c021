//! Each allocation refused in turn, as in `main.rs`, for an index in a store: committing, writing a checkpoint,
//! opening. The store itself is never refused memory.

use crate::refusing::{Refused, held, peak, refusing, undisturbed};
use crate::{config, id, many, seen, vector};
use thermocline::{
    Batch, Config, Error, Id, Index, MemoryStore, Mode, OpenOptions, Payload, Quantization, SearchOptions, Store,
    StoreError, StoredIndex, block_on,
};
use xxhash_rust::xxh64::Xxh64;

/// A place whose own memory is not counted.
#[derive(Clone)]
pub(crate) struct Calm(pub(crate) MemoryStore);

impl Store for Calm {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        undisturbed(|| block_on(self.0.read(keys)))
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        undisturbed(|| block_on(self.0.commit(batch)))
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        undisturbed(|| block_on(self.0.append(key, bytes)))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        undisturbed(|| block_on(self.0.list(prefix)))
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn value_bytes(&self) -> usize {
        self.0.value_bytes()
    }
}

fn open(place: &Calm) -> Result<StoredIndex<Calm>, Error> {
    let options = OpenOptions { config: Some(config(Quantization::Int8)), mode: Mode::ReadWrite, ..Default::default() };
    block_on(StoredIndex::open(place.clone(), options))
}

/// Records from the logs are not linked yet.
fn open_lazily(place: &Calm) -> StoredIndex<Calm> {
    let stored = block_on(StoredIndex::open(place.clone(), OpenOptions { lazy: true, ..Default::default() })).unwrap();
    block_on(stored.read_ahead()).unwrap();
    assert!(stored.index().unwrap().pending() > 10);
    stored
}

/// Records in a checkpoint and in two later logs, and the remains of a checkpoint that was cut off.
fn place() -> Calm {
    let place = Calm(MemoryStore::with_value_bytes(700));
    let stored = open(&place).unwrap();
    let put = |stored: &StoredIndex<Calm>, number: usize| {
        stored.change(|index| index.upsert(id(number), &vector(number), Some(Payload::Bytes(b"some bytes")))).unwrap();
    };
    (0..60).for_each(|number| put(&stored, number));
    block_on(stored.checkpoint()).unwrap();
    (55..70).for_each(|number| put(&stored, number));
    block_on(stored.checkpoint()).unwrap();
    for round in 0..2 {
        let stored = open(&place).unwrap();
        (0..6).for_each(|number| put(&stored, number + 30 * round));
        assert!(stored.change(|index| index.delete(&id(round))).unwrap());
        block_on(stored.commit()).unwrap();
    }
    let key = "s/c/0000000000.00000000000000000009.0000000000".to_owned();
    block_on(place.commit(Batch { puts: vec![(key, vec![0; 9])], deletes: Vec::new() })).unwrap();
    place
}

fn copied(place: &Calm) -> Calm {
    let keys = block_on(place.list("")).unwrap();
    let values = block_on(place.read(&keys)).unwrap();
    let puts = keys.into_iter().zip(values.into_iter().map(Option::unwrap)).collect();
    let copy = Calm(MemoryStore::with_value_bytes(place.value_bytes()));
    block_on(copy.commit(Batch { puts, deletes: Vec::new() })).unwrap();
    copy
}

/// Refuses each allocation of `run` in turn, and repeats `run` after a failure. The index, and what a new opening of
/// the place finds, must be as after a run without refusals. Returns the number of allocations.
fn each_refusal(
    make: impl Fn(&Calm) -> StoredIndex<Calm>,
    run: impl Fn(&StoredIndex<Calm>) -> Result<(), Error>,
) -> usize {
    let original = place();
    let after = {
        let place = copied(&original);
        let stored = make(&place);
        run(&stored).unwrap();
        seen(&stored.index().unwrap())
    };
    let mut count = 0;
    for mode in [Refused::Only, Refused::From] {
        for nth in 1.. {
            let place = copied(&original);
            let stored = make(&place);
            let (outcome, was_refused) = refusing(mode(nth), || run(&stored));
            match outcome {
                Err(Error::OutOfMemory) => {
                    assert!(was_refused, "{nth}");
                    run(&stored).unwrap_or_else(|error| panic!("after {:?}: {error}", mode(nth)));
                }
                outcome => outcome.unwrap_or_else(|error| panic!("{:?}: {error}", mode(nth))),
            }
            assert_eq!(seen(&stored.index().unwrap()), after, "{:?}", mode(nth));
            block_on(stored.commit()).unwrap();
            drop(stored);
            assert_eq!(seen(&open(&place).unwrap().index().unwrap()), after, "opened after {:?}", mode(nth));
            if !was_refused {
                count = nth - 1;
                break;
            }
        }
    }
    count
}

fn insert(stored: &StoredIndex<Calm>, number: usize) -> Result<(), Error> {
    let (id, vector) = undisturbed(|| (id(number), vector(number)));
    stored.change(|index| index.upsert(id, &vector, Some(Payload::Json("{\"a\":1}"))))
}

#[test]
fn insert_and_delete_that_are_logged() {
    let fresh = |place: &Calm| open(place).unwrap();
    assert!(each_refusal(fresh, |stored| insert(stored, 500)) > 0);
    let gone = id(12);
    assert!(each_refusal(fresh, |stored| stored.change(|index| index.delete(&gone).map(drop))) > 0);
    each_refusal(fresh, |stored| stored.change(Index::clear));
}

#[test]
fn insert_many_that_are_logged() {
    let vectors: Vec<_> = (0..7).map(|at| vector(5000 + at)).collect();
    let records = many(&vectors);
    let insert = |stored: &StoredIndex<Calm>| stored.change(|index| index.insert_many(&records).map(drop));
    assert!(each_refusal(|place| open(place).unwrap(), insert) > 20);
    assert!(each_refusal(open_lazily, insert) > 20);
}

#[test]
fn calls_while_records_wait_to_be_linked() {
    assert!(each_refusal(open_lazily, |stored| insert(stored, 500)) > 10);
    // It replaces a pending record.
    assert!(each_refusal(open_lazily, |stored| insert(stored, 5)) > 10);
    let gone = id(12);
    assert!(each_refusal(open_lazily, |stored| stored.change(|index| index.delete(&gone).map(drop))) > 0);
    let link_all = |stored: &StoredIndex<Calm>| {
        while stored.change(Index::link_step)? {}
        Ok(())
    };
    assert!(each_refusal(open_lazily, link_all) > 5);
    assert!(each_refusal(open_lazily, |stored| block_on(stored.checkpoint())) > 20);
    assert!(each_refusal(open_lazily, |stored| block_on(stored.export()).map(drop)) > 5);
    let compact = |stored: &StoredIndex<Calm>| {
        stored.change(|index| {
            index.compact_start()?;
            while index.compact_step(1)? {}
            index.compact_finish();
            Ok(())
        })
    };
    assert!(each_refusal(open_lazily, compact) > 10);
    let query = vector(3);
    let search = |stored: &StoredIndex<Calm>| {
        let index = stored.index()?;
        assert_eq!(index.search(&query, SearchOptions::top(9).with_ef(2))?.len(), 9);
        index.check().map(drop)
    };
    assert!(each_refusal(open_lazily, search) > 5);
}

#[test]
fn commit_and_checkpoint() {
    let changed = |place: &Calm| {
        let stored = open(place).unwrap();
        (500..510).for_each(|number| insert(&stored, number).unwrap());
        stored
    };
    assert!(each_refusal(changed, |stored| block_on(stored.commit())) > 0);
    assert!(each_refusal(changed, |stored| block_on(stored.checkpoint())) > 20);
    let unchanged = |place: &Calm| open(place).unwrap();
    assert!(each_refusal(unchanged, |stored| block_on(stored.checkpoint())) > 5);
}

#[test]
fn opening() {
    let place = place();
    let before = seen(&open(&place).unwrap().index().unwrap());
    for mode in [Refused::Only, Refused::From] {
        for nth in 1.. {
            let (opened, was_refused) = refusing(mode(nth), || open(&place));
            match opened {
                Err(error) => assert!(was_refused && error == Error::OutOfMemory, "{:?}: {error}", mode(nth)),
                Ok(stored) => assert_eq!(seen(&stored.index().unwrap()), before, "{:?}", mode(nth)),
            }
            if !was_refused {
                assert!(nth > 50, "{nth} allocations");
                break;
            }
        }
    }
    let empty = || Calm(MemoryStore::default());
    for nth in 1.. {
        let place = empty();
        let (opened, was_refused) = refusing(Refused::From(nth), || open(&place));
        assert!(opened.is_ok() || opened.err() == Some(Error::OutOfMemory));
        assert_eq!(open(&place).unwrap().index().unwrap().len(), 0);
        if !was_refused {
            break;
        }
    }
}

/// Whatever a manifest with a valid checksum claims, memory is allocated only for what is there.
#[test]
fn a_hostile_manifest_is_not_believed() {
    let original = place();
    let manifests = block_on(original.list("m/")).unwrap();
    let newest = manifests.iter().max().unwrap().clone();
    let manifest = block_on(original.read(std::slice::from_ref(&newest))).unwrap().remove(0).unwrap();
    let mut refused = 0;
    for at in (32..manifest.len() - 3).step_by(2) {
        for word in [0, 1, 0xFFFF, 1 << 28, 1 << 30, u32::MAX] {
            let mut forged = manifest.clone();
            forged[at..at + 4].copy_from_slice(&u32::to_le_bytes(word));
            let mut checksum = Xxh64::new(0);
            checksum.update(&forged[..24]);
            checksum.update(&forged[32..]);
            forged[24..32].copy_from_slice(&checksum.digest().to_le_bytes());
            let place = copied(&original);
            let deletes = manifests.iter().filter(|name| **name != newest).cloned().collect();
            block_on(place.commit(Batch { puts: vec![(newest.clone(), forged)], deletes })).unwrap();
            let (opened, was_refused) = refusing(Refused::Above(4 << 20), || open(&place));
            assert!(!was_refused, "{word} at {at}: {:?}", opened.err());
            refused += usize::from(opened.is_err());
        }
    }
    assert!(refused > 100, "{refused} were refused");
}

/// Records of four kilobytes that do not compress, all in the store.
fn long_records(count: usize, max_bytes: usize) -> StoredIndex<Calm> {
    let place = Calm(MemoryStore::default());
    let config = Config { max_bytes: Some(max_bytes), ..config(Quantization::Int8) };
    let options = OpenOptions { config: Some(config), lazy: true, ..Default::default() };
    let stored = block_on(StoredIndex::open(place.clone(), options)).unwrap();
    let mut state = 1u32;
    for number in 0..count {
        let bytes: Vec<u8> = (0..4000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        stored.change(|index| index.insert_with_id(id(number), &vector(number), Some(Payload::Bytes(&bytes)))).unwrap();
        if stored.checkpoint_due().unwrap() {
            block_on(stored.checkpoint()).unwrap();
        }
    }
    block_on(stored.checkpoint()).unwrap();
    block_on(stored.close()).unwrap();
    block_on(StoredIndex::open(place, options)).unwrap()
}

#[test]
fn an_export_holds_itself_and_a_part_of_the_records() {
    let stored = long_records(3000, 1_500_000);
    let cached = |number| block_on(stored.get(&id(number), |_| ())).unwrap().unwrap();
    (0..200).for_each(cached);
    let before = stored.index().unwrap().stats();
    let (exported, most) = peak(|| block_on(stored.export()).unwrap());
    let beside = most - exported.len() as i64;
    assert!(exported.len() > 12_000_000 && beside < 4_000_000, "{beside} bytes beside {}", exported.len());
    let after = stored.index().unwrap().stats();
    let held = |stats: &thermocline::Stats| (stats.bytes.warm, stats.bytes.cold_cache, stats.cache);
    assert_eq!(held(&after), held(&before), "nothing that was in memory has given way");
    // It equals an export of records in memory.
    let all = Index::import(&exported).unwrap();
    assert!(all.check().unwrap().ok && all.export().unwrap() == exported);
    for number in (0..3000).step_by(37) {
        let expected = |record: thermocline::Record<'_>| format!("{record:?}");
        let found = block_on(stored.get(&id(number), expected)).unwrap();
        assert_eq!(found, all.get(&id(number)).unwrap().map(expected));
    }
}

#[test]
fn each_allocation_of_an_export_refused() {
    let stored = long_records(300, 200_000);
    let expected = block_on(stored.export()).unwrap();
    for mode in [Refused::Only, Refused::From] {
        for nth in 1.. {
            let (exported, was_refused) = refusing(mode(nth), || block_on(stored.export()));
            match exported {
                Ok(exported) => assert!(exported == expected),
                Err(error) => assert!(was_refused && error == Error::OutOfMemory, "{error}"),
            }
            if !was_refused {
                assert!(nth > 10, "{nth}");
                break;
            }
        }
    }
}

#[test]
fn reading_cold_records_again_and_again_keeps_nothing() {
    let stored = long_records(1000, 700_000);
    let read = |from: usize| {
        for number in from..from + 300 {
            block_on(stored.search(&vector(number), SearchOptions::top(5))).unwrap();
            assert_eq!(block_on(stored.get(&id(number * 7 % 1000), |record| record.payload.is_some())), Ok(Some(true)));
        }
        let bytes = stored.index().unwrap().stats().bytes;
        held() - bytes.cold_cache as i64
    };
    let first = read(0);
    let misses = stored.index().unwrap().stats().cache.misses;
    let last = (1..10).fold(first, |_, round| read(100 * round));
    assert!(stored.index().unwrap().stats().cache.misses > misses + 1000, "they were read from the store");
    assert!(last <= first + 2000, "{first} bytes beside the blocks, and later {last}");
}

/// If all memory is refused after the opening, records still expire, and no others are lost.
#[test]
fn expiry_needs_no_memory_after_opening() {
    let place = place();
    let early: fn() -> f64 = || 0.0;
    {
        let options = OpenOptions { now_ms: early, ..Default::default() };
        let stored = block_on(StoredIndex::open(place.clone(), options)).unwrap();
        for number in 0..20 {
            let (id, vector) = (Id::Number(9000 + number), vector(number as usize));
            let moment = 1e12 + number as f64;
            stored.change(|index| index.insert_with_id_expiring(id, &vector, None, Some(moment))).unwrap();
            if number == 9 {
                block_on(stored.checkpoint()).unwrap();
            }
        }
        block_on(stored.commit()).unwrap();
    }
    for lazy in [false, true] {
        let options = OpenOptions { lazy, now_ms: early, ..Default::default() };
        let stored = block_on(StoredIndex::open(place.clone(), options)).unwrap();
        assert_eq!(stored.index().unwrap().pending() > 0, lazy);
        let count = stored.index().unwrap().len();
        let (expired, was_refused) =
            refusing(Refused::From(1), || stored.change(|index| Ok((index.expire(1e12 + 4.0), index.expire(2e12)))));
        assert_eq!((expired, was_refused), (Ok((5, 15)), false));
        assert_eq!(stored.index().unwrap().len(), count - 20);
        assert_eq!(stored.index().unwrap().contains(&Id::Number(9003)), Ok(false));
        block_on(stored.read_ahead()).unwrap();
        seen(&stored.index().unwrap());
    }
}
