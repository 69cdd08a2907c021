//! The same for an index in a store: committing, writing a checkpoint, opening. The store itself is never refused anything.

use crate::refusing::{Refused, refusing, undisturbed};
use crate::{config, id, seen, vector};
use thermocline::{
    Batch, Error, Index, MemoryStore, Mode, OpenOptions, Payload, Quantization, SearchOptions, Store, StoreError,
    StoredIndex, block_on,
};
use xxhash_rust::xxh64::Xxh64;

/// A place whose own memory does not count.
#[derive(Clone)]
struct Calm(MemoryStore);

impl Store for Calm {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        undisturbed(|| block_on(self.0.read(keys)).unwrap())
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        undisturbed(|| block_on(self.0.commit(batch)).unwrap())
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        undisturbed(|| block_on(self.0.append(key, bytes)).unwrap())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        undisturbed(|| block_on(self.0.list(prefix)).unwrap())
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn value_bytes(&self) -> usize {
        self.0.value_bytes()
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    block_on(future).unwrap()
}

fn open(place: &Calm) -> Result<StoredIndex<Calm>, Error> {
    let options = OpenOptions { config: Some(config(Quantization::Int8)), mode: Mode::ReadWrite, ..Default::default() };
    now(StoredIndex::open(place.clone(), options))
}

/// What the logs tell of is not linked yet.
fn open_lazily(place: &Calm) -> StoredIndex<Calm> {
    let stored = now(StoredIndex::open(place.clone(), OpenOptions { lazy: true, ..Default::default() })).unwrap();
    now(stored.read_ahead()).unwrap();
    assert!(stored.index().unwrap().pending() > 10);
    stored
}

/// Records in a checkpoint, in two logs since, and what a checkpoint that was cut off has left.
fn place() -> Calm {
    let place = Calm(MemoryStore::with_value_bytes(700));
    let stored = open(&place).unwrap();
    let put = |stored: &StoredIndex<Calm>, number: usize| {
        stored.change(|index| index.upsert(id(number), &vector(number), Some(Payload::Bytes(b"some bytes")))).unwrap();
    };
    (0..60).for_each(|number| put(&stored, number));
    now(stored.checkpoint()).unwrap();
    (55..70).for_each(|number| put(&stored, number));
    now(stored.checkpoint()).unwrap();
    for round in 0..2 {
        let stored = open(&place).unwrap();
        (0..6).for_each(|number| put(&stored, number + 30 * round));
        assert!(stored.change(|index| index.delete(&id(round))).unwrap());
        now(stored.commit()).unwrap();
    }
    let key = "s/c/0000000000.00000000000000000009.0000000000".to_owned();
    now(place.commit(Batch { puts: vec![(key, vec![0; 9])], deletes: Vec::new() })).unwrap();
    place
}

fn copied(place: &Calm) -> Calm {
    let keys = now(place.list("")).unwrap();
    let values = now(place.read(&keys)).unwrap();
    let puts = keys.into_iter().zip(values.into_iter().map(Option::unwrap)).collect();
    let copy = Calm(MemoryStore::with_value_bytes(place.value_bytes()));
    now(copy.commit(Batch { puts, deletes: Vec::new() })).unwrap();
    copy
}

/// Refuses each allocation of `run` in turn, and runs it again when it has failed. The index, and what is found by opening
/// the place again, must be as after a run without refusals. Returns how many allocations there are.
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
            now(stored.commit()).unwrap();
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
fn while_some_wait_to_be_linked() {
    assert!(each_refusal(open_lazily, |stored| insert(stored, 500)) > 10);
    // It takes the place of one that waits.
    assert!(each_refusal(open_lazily, |stored| insert(stored, 5)) > 10);
    let gone = id(12);
    assert!(each_refusal(open_lazily, |stored| stored.change(|index| index.delete(&gone).map(drop))) > 0);
    let link_all = |stored: &StoredIndex<Calm>| {
        while stored.change(Index::link_step)? {}
        Ok(())
    };
    assert!(each_refusal(open_lazily, link_all) > 5);
    assert!(each_refusal(open_lazily, |stored| now(stored.checkpoint())) > 20);
    assert!(each_refusal(open_lazily, |stored| now(stored.export()).map(drop)) > 5);
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
    assert!(each_refusal(changed, |stored| now(stored.commit())) > 0);
    assert!(each_refusal(changed, |stored| now(stored.checkpoint())) > 20);
    let unchanged = |place: &Calm| open(place).unwrap();
    assert!(each_refusal(unchanged, |stored| now(stored.checkpoint())) > 5);
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

/// Whatever a manifest says under a right checksum, room is made only for what is there.
#[test]
fn a_hostile_manifest_is_not_believed() {
    let original = place();
    let manifests = now(original.list("m/")).unwrap();
    let newest = manifests.iter().max().unwrap().clone();
    let manifest = now(original.read(std::slice::from_ref(&newest))).unwrap().remove(0).unwrap();
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
            now(place.commit(Batch { puts: vec![(newest.clone(), forged)], deletes })).unwrap();
            let (opened, was_refused) = refusing(Refused::Above(4 << 20), || open(&place));
            assert!(!was_refused, "{word} at {at}: {:?}", opened.err());
            refused += usize::from(opened.is_err());
        }
    }
    assert!(refused > 100, "{refused} were refused");
}
