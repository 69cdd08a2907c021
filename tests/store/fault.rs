//! The fault store does exactly what is planned.

use thermocline::bench_support::{Call, Fault, FaultPlan, FaultStore};
use thermocline::{MemoryStore, Store, StoreError, block_on};

use crate::support::{batch, content};

const CALLS: [Call; 6] =
    [Call::Append { bytes: 4 }, Call::Commit, Call::Read, Call::List, Call::Append { bytes: 4 }, Call::Close];

/// Makes the calls of [`CALLS`] in turn. Returns which succeeded.
fn run(store: &FaultStore<MemoryStore>) -> Vec<Result<(), StoreError>> {
    vec![
        block_on(store.append("log", b"1234")),
        block_on(store.commit(batch(&[("a", b"x"), ("b", b"y")], &[]))),
        block_on(store.read(&["a".into()])).map(drop),
        block_on(store.list("")).map(drop),
        block_on(store.append("log", b"5678")),
        block_on(store.close()),
    ]
}

/// Returns what a whole run leaves in which the call `failed` did `part` of its work.
fn left(failed: usize, part: Fault, is_dead_after: bool) -> Vec<(String, Vec<u8>)> {
    let works = |call| call < failed || call > failed && !is_dead_after || call == failed && part == Fault::After;
    let mut log = Vec::new();
    let mut there = false;
    for (call, bytes) in [(0, b"1234"), (4, b"5678")] {
        match part {
            _ if works(call) => log.extend(bytes),
            Fault::Torn { bytes: first } if call == failed => log.extend(&bytes[..first.min(4)]),
            _ => continue,
        }
        there = true;
    }
    let mut left = Vec::new();
    if works(1) {
        left.extend([("a".to_owned(), b"x".to_vec()), ("b".to_owned(), b"y".to_vec())]);
    }
    if there {
        left.push(("log".to_owned(), log));
    }
    left
}

#[test]
fn every_call_fails_in_every_way() {
    for (call, kind) in CALLS.iter().enumerate() {
        let torn = [0, 1, 3, 4, 9].map(|bytes| Fault::Torn { bytes });
        for fault in [Fault::Before, Fault::After].into_iter().chain(torn) {
            for is_dead_after in [false, true] {
                let error = StoreError::QuotaExceeded;
                let place = MemoryStore::default();
                let plan = FaultPlan { call, fault, error: error.clone(), is_dead_after };
                let store = FaultStore::new(place.clone(), Some(plan));
                let results = run(&store);
                assert_eq!(store.calls(), CALLS);
                for (number, result) in results.iter().enumerate() {
                    match result {
                        Ok(()) => assert!(number < call || number > call && !is_dead_after, "{kind:?} {fault:?}"),
                        Err(found) if number == call => assert_eq!(*found, error),
                        Err(found) => {
                            assert!(number > call && is_dead_after, "{kind:?} {fault:?}");
                            assert_eq!(found.to_string(), format!("the store stopped at call {call}"));
                        }
                    }
                }
                let found: Vec<_> = content(&place).into_iter().collect();
                assert_eq!(found, left(call, fault, is_dead_after), "{kind:?} {fault:?}");
            }
        }
    }
}

#[test]
fn invalid_keys_are_refused() {
    let store = MemoryStore::default();
    assert!(block_on(store.append("A", b"x")).is_err());
    assert!(block_on(store.commit(batch(&[("a", b"x"), ("commit", b"x")], &[]))).is_err());
    assert!(block_on(store.commit(batch(&[("a", b"x")], &["a"]))).is_err());
    assert!(content(&store).is_empty());
}
