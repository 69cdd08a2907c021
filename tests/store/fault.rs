//! The fault store does exactly what is planned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Waker};

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

/// Everything that changes the place is called alone. Reads may overlap, but not the closing.
#[test]
fn calls_that_may_not_overlap_are_found() {
    type Making<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;
    let key = ["a".to_owned()];
    for (first, second, is_allowed) in [
        ("read", "read", true),
        ("read", "commit", true),
        ("append", "read", true),
        ("append", "append", false),
        ("append", "commit", false),
        ("commit", "append", false),
        ("commit", "list", false),
        ("commit", "close", false),
        ("read", "close", false),
    ] {
        let store = FaultStore::new(MemoryStore::default(), None);
        store.set_waits(true);
        let call = |name: &str| -> Making<'_> {
            match name {
                "read" => Box::pin(async { drop(store.read(&key).await) }),
                "commit" => Box::pin(async { drop(store.commit(batch(&[("b", b"x")], &[])).await) }),
                "append" => Box::pin(async { drop(store.append("log", b"x").await) }),
                "list" => Box::pin(async { drop(store.list("").await) }),
                _ => Box::pin(async { drop(store.close().await) }),
            }
        };
        let poll = |making: &mut Making<'_>| making.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let mut waiting = call(first);
        assert!(poll(&mut waiting).is_pending());
        let overlapped = catch_unwind(AssertUnwindSafe(|| poll(&mut call(second))));
        assert_eq!(overlapped.is_ok(), is_allowed, "{second} during {first}");
        // A call that was given up is not under way any more.
        drop(waiting);
        if is_allowed {
            assert!(poll(&mut call("commit")).is_pending());
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
