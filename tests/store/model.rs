//! Any sequence of calls, compared with a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use thermocline::{Batch, MemoryStore, Store, StoreError, block_on};

use crate::support::{Place, READ_ONLY, RELAXED, STRICT, content};

/// Few enough to repeat often; some are prefixes of others.
const KEYS: [&str; 7] = ["a", "a/b", "a-b", "ab", "log/1", "log/2", "manifest"];

#[derive(Clone, Debug)]
enum Op {
    Commit(Batch),
    Append(&'static str, Vec<u8>),
    Reopen,
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&KEYS[..])
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn batch() -> impl Strategy<Value = Batch> {
    prop::collection::btree_map(key(), prop::option::of(value()), 0..5).prop_map(|changes| {
        let mut batch = Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.puts.push((key.to_owned(), value)),
                None => batch.deletes.push(key.to_owned()),
            }
        }
        batch
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => batch().prop_map(Op::Commit),
        4 => (key(), value()).prop_map(|(key, bytes)| Op::Append(key, bytes)),
        1 => Just(Op::Reopen),
    ]
}

fn follow<S: Store>(ops: &[Op], open: impl Fn() -> Result<S, StoreError>) -> Result<(), TestCaseError> {
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut store = open().unwrap();
    for op in ops {
        match op {
            Op::Commit(batch) => {
                block_on(store.commit(batch.clone())).unwrap();
                model.retain(|key, _| !batch.deletes.contains(key));
                model.extend(batch.puts.clone());
            }
            Op::Append(key, bytes) => {
                block_on(store.append(key, bytes)).unwrap();
                model.entry((*key).to_owned()).or_default().extend(bytes);
            }
            Op::Reopen => {
                block_on(store.close()).unwrap();
                store = open().unwrap();
            }
        }
        prop_assert_eq!(&content(&store), &model);
        for prefix in ["a", "a/", "log/", "m"] {
            let mut keys = block_on(store.list(prefix)).unwrap();
            keys.sort();
            let expected: Vec<_> = model.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
            prop_assert_eq!(keys, expected);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn memory_follows_a_map(ops in prop::collection::vec(op(), 1..60)) {
        let place = MemoryStore::default();
        follow(&ops, || Ok(place.clone()))?;
    }
}

proptest! {
    // Few cases, because every commit waits for the medium.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_directory_follows_a_map(ops in prop::collection::vec(op(), 1..30), strict in any::<bool>()) {
        let place = Place::new();
        follow(&ops, || place.open(if strict { STRICT } else { RELAXED }))?;
        let before = content(&place.open(RELAXED).unwrap());
        prop_assert_eq!(content(&place.open(READ_ONLY).unwrap()), before);
    }
}
