//! What changes while a checkpoint or an export waits for the store: records cleared, moved, replaced by longer ones,
//! codes trained. Each test tells of a defect that was found. A comment in the past tense tells what the program did
//! before.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use thermocline::{Config, Error, Index, MemoryStore, OpenOptions, Payload, Quantization, SearchOptions, StoredIndex};

use crate::support::{Rng, Shared, drive, now};

/// The number of records that training needs.
const ENOUGH: u64 = 1024;

const DIMENSIONS: usize = 128;

fn open(place: &MemoryStore, quantization: Quantization) -> (Shared, StoredIndex<Shared>) {
    let store = Shared::new(place, None);
    let config = Config { m: 4, ef_construction: 8, quantization, ..Config::new(DIMENSIONS) };
    let options = OpenOptions { config: Some(config), ..Default::default() };
    (store.clone(), now(StoredIndex::open(store, options)).unwrap())
}

fn insert(stored: &StoredIndex<Shared>, number: u64, payload_bytes: usize) {
    let (vector, payload) = (Rng(number + 1).vector(DIMENSIONS), vec![number as u8; payload_bytes]);
    stored.change(|index| index.insert_with_id(number, &vector, Some(Payload::Bytes(&payload)))).unwrap();
}

/// Drives a call, and makes the change when it has waited for the store this often.
fn change_after<T>(waits: usize, call: impl Future<Output = T>, change: impl FnOnce()) -> T {
    let (mut waited, mut change) = (0, Some(change));
    let done = drive(call, || {
        waited += 1;
        if waited == waits {
            change.take().unwrap()();
        }
    });
    assert!(change.is_none(), "it waited only {waited} times");
    done
}

/// Opened again, the index has exactly the records of these numbers.
fn has_exactly(place: &MemoryStore, numbers: impl Iterator<Item = u64>) {
    let again = now(StoredIndex::open(place.clone(), OpenOptions::default())).unwrap();
    let index = again.index().unwrap();
    assert!(index.check().unwrap().ok);
    let mut count = 0;
    for number in numbers {
        let record = index.get(&number.into()).unwrap().unwrap();
        assert_eq!(record.vector, Rng(number + 1).vector(DIMENSIONS), "{number}");
        count += 1;
    }
    assert_eq!(index.len(), count);
}

/// Slots that a block had met, and whose records were then written or gone, counted as passed over for ever. When
/// longer records came into them, the checkpoint found nothing to write next, and never ended.
#[test]
fn a_checkpoint_ends_when_longer_records_come_into_slots_that_it_had_written() {
    for clears in [false, true] {
        let place = MemoryStore::with_value_bytes(2000);
        let (store, stored) = open(&place, Quantization::Int8);
        (0..300).for_each(|number| insert(&stored, number, 300));
        now(stored.commit()).unwrap();
        store.set_waits(true);
        let checkpoint = change_after(3, stored.checkpoint(), || {
            if clears {
                stored.change(Index::clear).unwrap();
            } else {
                (0..300).for_each(|number| assert!(stored.change(|index| index.delete(&number.into())).unwrap()));
                stored.change(Index::compact).unwrap();
            }
            (1000..1200).for_each(|number| insert(&stored, number, 700 + number as usize % 7 * 100));
        });
        checkpoint.unwrap();
        store.set_waits(false);
        now(stored.close()).unwrap();
        has_exactly(&place, 1000..1200);
    }
}

/// After `clear` the codes are the vectors again, until they are trained anew. The checkpoint's buffer had been made
/// for trained codes, and the next block panicked.
#[test]
fn a_trained_index_is_cleared_while_a_checkpoint_is_written() {
    let place = MemoryStore::with_value_bytes(2000);
    let (store, stored) = open(&place, Quantization::Product);
    (0..ENOUGH + 50).for_each(|number| insert(&stored, number, 300));
    stored.change(Index::link_all).unwrap();
    now(stored.commit()).unwrap();
    store.set_waits(true);
    let checkpoint = change_after(3, stored.checkpoint(), || {
        stored.change(Index::clear).unwrap();
        (2000..2900).for_each(|number| insert(&stored, number, 300));
    });
    checkpoint.unwrap();
    store.set_waits(false);
    now(stored.close()).unwrap();
    has_exactly(&place, 2000..2900);
}

/// Codes that are trained between two reads change the length of all that is not records. The export was then one that
/// no import accepted.
#[test]
fn an_export_begins_again_when_codes_are_trained_meanwhile() {
    let place = MemoryStore::with_value_bytes(4096);
    let (_, stored) = open(&place, Quantization::Product);
    (0..ENOUGH - 24).for_each(|number| insert(&stored, number, 6000));
    now(stored.commit()).unwrap();
    now(stored.checkpoint()).unwrap();
    now(stored.close()).unwrap();

    let store = Shared::new(&place, None);
    let lazy = OpenOptions { lazy: true, ..Default::default() };
    let stored = now(StoredIndex::open(store.clone(), lazy)).unwrap();
    insert(&stored, ENOUGH - 24, 6000);
    store.set_waits(true);
    let mut checkpoint = pin!(stored.checkpoint());
    let mut write = || checkpoint.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    (0..3).for_each(|_| assert!(write().is_pending()));
    // Enough records, but while a checkpoint is written no training begins.
    (ENOUGH - 23..ENOUGH + 16).for_each(|number| insert(&stored, number, 6000));
    let exported = change_after(8, stored.export(), || {
        while write().is_pending() {}
        stored.change(Index::link_all).unwrap();
    });
    let again = Index::import(&exported.unwrap()).unwrap();
    assert!(again.check().unwrap().ok);
    assert_eq!(again.len() as u64, ENOUGH + 16);
}

/// A search is not `UNTRAINED` once there are enough records and nothing waits.
fn is_trained(stored: &StoredIndex<Shared>) {
    stored.change(Index::link_all).unwrap();
    let index = stored.index().unwrap();
    assert_eq!(index.search(&[1.0; DIMENSIONS], SearchOptions::top(1)).unwrap().len(), 1);
}

/// Codes are not trained while a checkpoint is written. One whose future had been dropped counted as being written
/// until the next one began, so every search failed.
#[test]
fn a_dropped_checkpoint_does_not_delay_training() {
    for borrows in [false, true] {
        let (store, stored) = open(&MemoryStore::with_value_bytes(2000), Quantization::Product);
        (0..ENOUGH - 24).for_each(|number| insert(&stored, number, 0));
        store.set_waits(true);
        let mut checkpoint = Box::pin(stored.checkpoint());
        for _ in 0..6 {
            assert!(checkpoint.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        // An index that is borrowed learns of it when the next call gets it.
        let borrowed = borrows.then(|| stored.index().unwrap());
        drop(checkpoint);
        drop(borrowed);
        (ENOUGH - 24..ENOUGH + 500).for_each(|number| insert(&stored, number, 0));
        is_trained(&stored);
    }
}

/// So did one that had failed because the index was borrowed.
#[test]
fn a_checkpoint_refused_as_busy_does_not_delay_training() {
    let (store, stored) = open(&MemoryStore::with_value_bytes(2000), Quantization::Product);
    (0..ENOUGH - 24).for_each(|number| insert(&stored, number, 0));
    store.set_waits(true);
    {
        let mut checkpoint = pin!(stored.checkpoint());
        let mut poll = || checkpoint.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        (0..4).for_each(|_| assert!(poll().is_pending()));
        let _borrowed = stored.index().unwrap();
        let refused = loop {
            if let Poll::Ready(refused) = poll() {
                break refused;
            }
        };
        assert_eq!(refused, Err(Error::Busy));
    }
    (ENOUGH - 24..ENOUGH + 500).for_each(|number| insert(&stored, number, 0));
    is_trained(&stored);
    store.set_waits(false);
    now(stored.checkpoint()).unwrap();
}
