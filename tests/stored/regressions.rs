//! A test for each defect found. A comment in the past tense tells what the program did before.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use thermocline::bench_support::{Fault, FaultPlan};
use thermocline::{
    Batch, Config, Error, Id, Index, MemoryStore, Mode, OpenOptions, Payload, Store, StoreError, StoredIndex,
};

use crate::layout::manifests;
use crate::support::{Shared, content, copied, delete, now};

fn options() -> OpenOptions {
    OpenOptions { config: Some(Config::new(3)), mode: Mode::ReadWrite, ..Default::default() }
}

fn insert(stored: &StoredIndex<Shared>, id: &str) {
    stored.change(|index| index.insert_with_id(id, &[1.0, 2.0, 3.0], None)).unwrap();
}

fn ids(place: &MemoryStore) -> Vec<String> {
    let stored =
        now(StoredIndex::open(place.clone(), OpenOptions { mode: Mode::ReadOnly, ..Default::default() })).unwrap();
    let index = stored.index().unwrap();
    let text = |id: &Id| if let Id::Text(text) = id { text.to_string() } else { String::new() };
    let mut ids: Vec<String> = index.iter().map(|record| text(&record.id)).collect();
    ids.sort();
    ids
}

/// Otherwise a backup assigned over a stored index would be committed without an error and kept nowhere.
#[test]
fn an_index_assigned_over_a_stored_one_is_not_stored() {
    let place = MemoryStore::default();
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    stored.change(|index| index.insert_with_id("kept", &[1.0, 2.0, 3.0], None)).unwrap();
    now(stored.commit()).unwrap();
    let replaced = stored.change(|index| {
        *index = Index::new(Config::new(3))?;
        index.insert_with_id("backup", &[1.0, 2.0, 3.0], None)
    });
    let failed = |error: Error| {
        assert!(error.code() == "STORE_FAILED" && error.to_string().contains("in the place of"), "{error}")
    };
    failed(replaced.unwrap_err());
    failed(stored.change(|index| index.insert(&[1.0, 2.0, 3.0], None)).unwrap_err());
    failed(now(stored.commit()).unwrap_err());
    failed(now(stored.checkpoint()).unwrap_err());
    failed(now(stored.close()).unwrap_err());
    assert_eq!(ids(&place), ["kept"]);
}

/// Two swapped indexes would each write to the other's store.
#[test]
fn swapped_stored_indexes_are_refused() {
    let places = [MemoryStore::default(), MemoryStore::default()];
    let [one, other] = places.each_ref().map(|place| now(StoredIndex::open(place.clone(), options())).unwrap());
    one.change(|index| index.insert_with_id("one", &[1.0, 2.0, 3.0], None)).unwrap();
    let swapped = one.change(|index| {
        other.change(|with| {
            std::mem::swap(index, with);
            Ok(())
        })
    });
    assert_eq!(swapped.unwrap_err().code(), "STORE_FAILED");
    for stored in [one, other] {
        assert_eq!(now(stored.commit()).unwrap_err().code(), "STORE_FAILED");
    }
    assert!(places.iter().all(|place| ids(place).is_empty()));
}

/// The options of an open stored index can be changed, except for the seed, which determines the levels drawn from the
/// log.
#[test]
fn options_of_a_stored_index_change_while_it_is_open() {
    let place = MemoryStore::default();
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    let seed = Config::new(3).seed;
    stored.change(|index| index.set_options(Config { ef: 7, seed: 9, ..*index.config() })).unwrap();
    assert_eq!((stored.index().unwrap().config().ef, stored.index().unwrap().config().seed), (7, seed));
    now(stored.checkpoint()).unwrap();
    now(stored.close()).unwrap();
    let again = now(StoredIndex::open(place, OpenOptions::default())).unwrap();
    assert_eq!((again.index().unwrap().config().ef, again.index().unwrap().config().seed), (7, seed));
}

/// The store kept the checkpoint but reported a failure. What is committed next must go where that checkpoint looks.
#[test]
fn a_change_after_a_checkpoint_that_only_seemed_to_fail_is_kept() {
    let place = MemoryStore::default();
    // Four short lists, a long one and the first checkpoint, an append, and the second checkpoint.
    let error = StoreError::Failed { why: "as planned".to_owned() };
    let plan = FaultPlan { call: 7, fault: Fault::After, error, is_dead_after: false };
    let stored = now(StoredIndex::open(Shared::new(&place, Some(plan)), options())).unwrap();
    insert(&stored, "before");
    now(stored.commit()).unwrap();
    assert!(matches!(now(stored.checkpoint()), Err(Error::StoreFailed { .. })));
    assert_eq!(manifests(&content(&place)).len(), 2, "the store has it");
    insert(&stored, "after");
    now(stored.commit()).unwrap();
    assert_eq!(ids(&place), ["after", "before"]);
    now(stored.checkpoint()).unwrap();
    assert_eq!(manifests(&content(&place)).len(), 2, "and gives it up with the next");
    assert_eq!(ids(&place), ["after", "before"]);
}

/// Uncommitted changes are in the new checkpoint. The previous one must find them too.
#[test]
fn what_was_not_committed_is_a_log_beside_the_checkpoint() {
    let place = MemoryStore::default();
    let stored = now(StoredIndex::open(Shared::new(&place, None), options())).unwrap();
    insert(&stored, "a");
    now(stored.checkpoint()).unwrap();
    insert(&stored, "b");
    now(stored.commit()).unwrap();
    delete(&place, &manifests(&content(&place))[0].0);
    assert_eq!(ids(&place), ["a", "b"]);
}

/// Polls a future once, so that it has begun, and drops it.
fn begin<T>(future: impl Future<Output = T>) {
    assert!(matches!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
}

#[test]
fn a_checkpoint_that_was_given_up_is_written_anew() {
    let place = MemoryStore::with_value_bytes(50);
    let store = Shared::new(&place, None);
    let stored = now(StoredIndex::open(store.clone(), options())).unwrap();
    (0..40).for_each(|number| insert(&stored, &number.to_string()));
    now(stored.commit()).unwrap();
    store.set_waits(true);
    begin(stored.checkpoint());
    store.set_waits(false);
    now(stored.checkpoint()).unwrap();
    assert_eq!(ids(&place).len(), 40);
    let manifest = manifests(&content(&place))[0].1.keys();
    assert!(manifest.iter().all(|key| content(&place).contains_key(key)));
}

#[test]
fn a_commit_that_was_given_up_has_failed() {
    let place = MemoryStore::default();
    let store = Shared::new(&place, None);
    let stored = now(StoredIndex::open(store.clone(), options())).unwrap();
    insert(&stored, "a");
    store.set_waits(true);
    begin(stored.commit());
    store.set_waits(false);
    let refused = stored.change(|index| index.insert(&[1.0; 3], None)).unwrap_err();
    assert!(refused.to_string().contains("given up"), "{refused}");
    assert_eq!(now(stored.commit()), Err(refused));
    assert_eq!(ids(&place), Vec::<String>::new());
}

/// The append ended while somebody was reading the index: the index must still learn of it, or it could commit nothing
/// more.
#[test]
fn a_commit_that_ends_while_the_index_is_borrowed_has_ended() {
    for fails in [false, true] {
        let place = MemoryStore::default();
        let error = StoreError::Failed { why: "as planned".to_owned() };
        // Four short lists, a long one and the first checkpoint come before the append.
        let plan = FaultPlan { call: 6, fault: Fault::Before, error: error.clone(), is_dead_after: false };
        let store = Shared::new(&place, fails.then_some(plan));
        let stored = now(StoredIndex::open(store.clone(), options())).unwrap();
        insert(&stored, "a");
        store.set_waits(true);
        let mut reading = None;
        let committed = crate::support::drive(stored.commit(), || reading = Some(stored.index().unwrap()));
        store.set_waits(false);
        assert!(reading.take().is_some_and(|index| index.len() == 1));
        if fails {
            assert_eq!(committed, Err(error.clone().into()));
            assert_eq!(stored.change(|index| index.insert(&[1.0; 3], None)), Err(error.clone().into()));
            assert_eq!(
                (now(stored.commit()), now(stored.checkpoint())),
                (Err(error.clone().into()), Err(error.into()))
            );
            assert!(ids(&place).is_empty());
            continue;
        }
        assert_eq!(committed, Ok(()));
        assert_eq!(ids(&place), ["a"]);
        insert(&stored, "b");
        now(stored.commit()).unwrap();
        now(stored.checkpoint()).unwrap();
        assert_eq!(ids(&place), ["a", "b"]);
    }
}

/// The same for an append that is abandoned meanwhile.
#[test]
fn a_commit_that_is_given_up_while_the_index_is_borrowed_has_failed() {
    let place = MemoryStore::default();
    let store = Shared::new(&place, None);
    let stored = now(StoredIndex::open(store.clone(), options())).unwrap();
    insert(&stored, "a");
    store.set_waits(true);
    let mut commit = Box::pin(stored.commit());
    assert!(commit.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let reading = stored.index().unwrap();
    drop(commit);
    drop(reading);
    store.set_waits(false);
    let refused = now(stored.commit()).unwrap_err();
    assert!(refused.to_string().contains("given up"), "{refused}");
    assert_eq!(stored.change(|index| index.insert(&[1.0; 3], None)), Err(refused));
    assert!(ids(&place).is_empty());
}

/// Two commits at once would be two appends at once, and a checkpoint must know which changes have been written.
#[test]
fn a_commit_beside_another_is_busy() {
    let place = MemoryStore::default();
    let store = Shared::new(&place, None);
    let stored = now(StoredIndex::open(store.clone(), options())).unwrap();
    insert(&stored, "a");
    store.set_waits(true);
    let mut meanwhile = Vec::new();
    crate::support::drive(stored.commit(), || {
        insert(&stored, &format!("b{}", meanwhile.len()));
        store.set_waits(false);
        meanwhile.push(now(stored.commit()));
        meanwhile.push(now(stored.checkpoint()));
        store.set_waits(true);
    })
    .unwrap();
    store.set_waits(false);
    assert!(meanwhile.iter().all(|outcome| *outcome == Err(Error::Busy)), "{meanwhile:?}");
    now(stored.commit()).unwrap();
    assert_eq!(ids(&place), ["a", "b0", "b2"]);
}

/// A commit made while a checkpoint waits for its last step is in the log that both checkpoints lead to. The caller
/// should have waited, but nothing is lost where the store makes one call after the other.
#[test]
fn a_commit_beside_the_last_step_of_a_checkpoint_is_kept() {
    let place = MemoryStore::default();
    let store = Shared::that_queues(&place);
    let stored = now(StoredIndex::open(store.clone(), options())).unwrap();
    insert(&stored, "a");
    store.set_waits(true);
    let mut number = 0;
    crate::support::drive(stored.checkpoint(), || {
        number += 1;
        insert(&stored, &format!("b{number}"));
        store.set_waits(false);
        now(stored.commit()).unwrap();
        store.set_waits(true);
    })
    .unwrap();
    assert_eq!(ids(&place), ["a", "b1", "b2"]);
    delete(&place, &manifests(&content(&place))[0].0);
    assert_eq!(ids(&place), ["a", "b1", "b2"]);
}

/// Values without a manifest are the remains of a first checkpoint that was cut off; the place is free.
#[test]
fn a_place_is_free_after_a_first_checkpoint_that_was_cut_off() {
    let place = MemoryStore::default();
    crate::support::put(&place, "s/c/0000000000.00000000000000000001.0000000000", vec![1; 50]);
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    stored.change(|index| index.insert_with_id("a", &[1.0; 3], None)).unwrap();
    now(stored.checkpoint()).unwrap();
    assert!(!content(&place).contains_key("s/c/0000000000.00000000000000000001.0000000000"));
    assert_eq!(ids(&place), ["a"]);
}

/// Closing returns the outcome of its commit, and releases the place in any case.
#[test]
fn closing_returns_the_failure_of_its_commit() {
    let place = MemoryStore::default();
    let error = StoreError::QuotaExceeded;
    let plan = FaultPlan { call: 6, fault: Fault::Before, error, is_dead_after: true };
    let store = Shared::new(&place, Some(plan));
    let stored = now(StoredIndex::open(store.clone(), options())).unwrap();
    insert(&stored, "a");
    assert_eq!(now(stored.close()), Err(Error::QuotaExceeded));
    assert_eq!(store.calls().len(), 8, "five lists, checkpoint, append, close");
}

#[test]
fn a_compaction_that_ends_while_a_checkpoint_waits_is_due_again() {
    let place = MemoryStore::default();
    let store = Shared::new(&place, None);
    let stored = now(StoredIndex::open(store.clone(), options())).unwrap();
    (0..9).for_each(|number| insert(&stored, &number.to_string()));
    stored.change(|index| index.delete(&"3".into())).unwrap();
    store.set_waits(true);
    let mut compacted = false;
    crate::support::drive(stored.checkpoint(), || {
        if !core::mem::replace(&mut compacted, true) {
            stored.change(Index::compact).unwrap();
        }
    })
    .unwrap();
    assert!(stored.checkpoint_due().unwrap());
}

/// The last segments consist only of imported tombstones, so no record marks them as changed. They must be written all
/// the same, or the index cannot be opened again.
#[test]
fn a_segment_without_a_record_is_stored() {
    let mut index = Index::new(Config { ef_construction: 8, ..Config::new(3) }).unwrap();
    let vector = |number: u64| [1.0 + number as f32, (number % 7) as f32, (number % 11) as f32];
    for number in 0..2500 {
        index.insert_with_id(number, &vector(number), None).unwrap();
    }
    for number in 1024..2500u64 {
        assert!(index.delete(&Id::Number(number)).unwrap());
    }
    let index = Index::import(&index.export().unwrap()).unwrap();
    let place = MemoryStore::default();
    drop(now(StoredIndex::create(place.clone(), index)).unwrap());
    for round in 0..2 {
        let stored = now(StoredIndex::open(place.clone(), OpenOptions::default())).unwrap();
        assert_eq!(stored.index().unwrap().len(), 1024, "round {round}");
        stored.change(|index| index.upsert(3, &vector(5), None)).unwrap();
        now(stored.checkpoint()).unwrap();
    }
}

/// A refused insert has already reserved a place, which the next checkpoint must not write: there is no slot for it.
#[test]
fn a_checkpoint_after_a_refused_insert_can_be_read() {
    let place = MemoryStore::default();
    let stored = now(StoredIndex::open(Shared::new(&place, None), options())).unwrap();
    insert(&stored, "a");
    now(stored.checkpoint()).unwrap();
    let too_long = vec![0; 1 << 30];
    for _ in 0..2 {
        let refused = stored.change(|index| index.insert(&[1.0, 2.0, 3.0], Some(Payload::Bytes(&too_long))));
        assert!(matches!(refused, Err(Error::InvalidOption { .. })));
        now(stored.checkpoint()).unwrap();
        // Without the older checkpoint, which would lead to the same state.
        let only = copied(&place);
        delete(&only, &manifests(&content(&only))[1].0);
        assert_eq!(ids(&only), ["a"]);
    }
}

/// A clock that was ahead let a record expire. Deleting it then found nothing and was not logged, so that by a correct
/// clock the record came back.
#[test]
fn a_deletion_of_an_expired_record_is_logged() {
    let place = MemoryStore::default();
    let at = |now_ms: fn() -> f64| OpenOptions { now_ms, ..options() };
    let (early, late) = (at(|| 0.0), at(|| 2.0));
    let stored = now(StoredIndex::open(place.clone(), early)).unwrap();
    for id in ["deleted", "left"] {
        stored.change(|index| index.insert_with_id_expiring(id, &[1.0, 2.0, 3.0], None, Some(1.0))).unwrap();
    }
    now(stored.close()).unwrap();
    let stored = now(StoredIndex::open(place.clone(), late)).unwrap();
    assert!(!stored.change(|index| index.delete(&"deleted".into())).unwrap());
    now(stored.close()).unwrap();
    let stored = now(StoredIndex::open(place, early)).unwrap();
    let live: Vec<Id> = stored.index().unwrap().iter().map(|record| record.id).collect();
    assert_eq!(live, ["left".into()]);
}

/// What had been written until then stayed, and filled a full place although there was no index in it.
#[test]
fn an_index_that_does_not_fit_into_a_store_leaves_nothing_there() {
    let filled = || {
        let mut index = Index::new(Config::new(3)).unwrap();
        for number in 0..6000u64 {
            index.insert_with_id(number, &[1.0, number as f32, 3.0], Some(Payload::Bytes(&[7; 600]))).unwrap();
        }
        index
    };
    let index = filled().export().unwrap();
    let mut calls = 0;
    for (fault, error) in [(Fault::Before, StoreError::QuotaExceeded), (Fault::After, StoreError::QuotaExceeded)] {
        for call in 0.. {
            let place = MemoryStore::default();
            now(place.commit(Batch { puts: vec![("s/mine".to_owned(), vec![1])], ..Batch::default() })).unwrap();
            let plan = FaultPlan { call, fault, error: error.clone(), is_dead_after: false };
            let store = Shared::new(&place, Some(plan));
            match now(StoredIndex::create(store, Index::import(&index).unwrap())) {
                Err(refused) => assert_eq!(refused.code(), "QUOTA_EXCEEDED"),
                Ok(_) => break,
            }
            assert_eq!(content(&place).keys().collect::<Vec<_>>(), ["s/mine"], "call {call} {fault:?}");
            calls += 1;
        }
    }
    assert!(calls > 12, "{calls} calls");
}

/// An index that was taken out of its store could be put into another, although its records were only in the first:
/// what was written could not be opened.
#[test]
fn an_index_goes_into_one_store() {
    let place = MemoryStore::default();
    let stored = now(StoredIndex::open(Shared::new(&place, None), options())).unwrap();
    insert(&stored, "a");
    let mut taken = None;
    let out = stored.change(|index| {
        taken = Some(std::mem::replace(index, Index::new(Config::new(3))?));
        Ok(())
    });
    assert!(out.is_err());
    let other = MemoryStore::default();
    let error = now(StoredIndex::create(other.clone(), taken.unwrap())).unwrap_err();
    assert_eq!(error.code(), "INVALID_OPTION");
    assert!(content(&other).is_empty());
}
