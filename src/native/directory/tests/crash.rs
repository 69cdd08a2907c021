//! A process that ends between any two file operations, or in the middle of a write.

use super::{Content, Directory, READ_ONLY, RELAXED, batch, content, map};
use crate::native::DirectoryStore;
use crate::native::block_on;
use crate::store::{Batch, Mode, Store, StoreError, StoreOptions};
use std::time::Instant;

const MANIFEST: &str = "m/00000000000000000001";
const ONE: &str = "b/0000000001.0000000000";
const TWO: &str = "b/0000000002.0000000000";
const THREE: &str = "b/0000000003.0000000000";
const LOG: &str = "log/00000000000000000001";
const NEXT_LOG: &str = "log/00000000000000000002";
const LAST_LOG: &str = "log/00000000000000000009";
const NEW: &str = "s/c/0000000000.00000000000000000001.0000000000";
const LAST: &str = "s/l/0000000000.00000000000000000001.0000000000";
const NEVER: &str = "s/i/0000000000.00000000000000000001.0000000000";
const OLD: [(&str, &str); 4] = [(MANIFEST, "1"), (ONE, "one"), (TWO, "two"), (LOG, "entries")];

/// Batches of each kind, and what they turn [`OLD`] into.
fn batches() -> Vec<(Batch, Content)> {
    let changes = |puts: &[(&str, &str)], deletes: &[&str]| {
        let mut content = map(&OLD);
        content.extend(map(puts));
        content.retain(|key, _| !deletes.contains(&key.as_str()));
        (batch(puts, deletes), content)
    };
    vec![
        changes(&[(MANIFEST, "2")], &[]),
        changes(&[(NEW, "")], &[]),
        changes(&[], &[LOG, NEVER]),
        changes(&[(MANIFEST, "2"), (TWO, "2.2"), (THREE, ""), (NEXT_LOG, "")], &[LOG, ONE]),
    ]
}

/// Nothing but values may remain.
fn expect_clean(place: &Directory, content: &Content) {
    let names: Vec<String> = content.keys().map(|key| key.replace('/', "_")).collect();
    assert!(place.files().keys().eq(names.iter()), "{:?}", place.files().keys());
}

/// Opens the place for writing, as the next owner would, and checks that it can be used.
fn expect_lives_on(place: &Directory, mut expected: Content) {
    let store = place.open(RELAXED);
    assert_eq!(content(&store), expected);
    block_on(store.append(ONE, b" and more")).unwrap();
    expected.entry(ONE.into()).or_default().extend(b" and more");
    let change = batch(&[(MANIFEST, "3"), (LAST, "x")], &[LOG]);
    expected.remove(LOG);
    expected.extend(change.puts.clone());
    block_on(store.commit(change)).unwrap();
    assert_eq!(content(&store), expected);
    drop(store);
    expect_clean(place, &expected);
}

#[test]
fn a_commit_that_is_cut_off_has_changed_everything_or_nothing() {
    for (batch, new) in batches() {
        let (mut counted, mut steps) = (false, 0);
        loop {
            let place = Directory::with(&OLD);
            let store = place.open(RELAXED);
            store.folder.watch.stop_after(steps);
            let result = block_on(store.commit(batch.clone()));
            let left = place.files();

            // The failed store, a reader beside it, and a later reader and writer must all see the same.
            let found = content(&store);
            assert!(found == map(&OLD) || found == new, "after {steps} steps: {found:?}");
            assert!(!counted || found == new, "undone after {steps} steps");
            counted = found == new;
            assert_eq!(place.content(), found, "after {steps} steps, beside it");
            drop(store);
            assert_eq!(place.content(), found, "after {steps} steps");
            let unlocked = left.iter().filter(|(name, _)| !name.starts_with("lock."));
            assert!(place.files().iter().eq(unlocked), "reading changed something");
            drop(place.open(RELAXED));
            expect_clean(&place, &found);
            expect_lives_on(&place, found);
            if result.is_ok() {
                break;
            }
            steps += 1;
        }
        assert!(counted && steps >= 5, "{steps} steps are no test");
    }
}

/// A recovery may itself be cut off, repeatedly.
#[test]
fn a_recovery_that_is_cut_off_is_gone_on_with() {
    for (batch, _) in batches() {
        for steps in 0.. {
            let place = Directory::with(&OLD);
            let store = place.open(RELAXED);
            store.folder.watch.stop_after(steps);
            let done = block_on(store.commit(batch.clone())).is_ok();
            let found = content(&store);
            drop(store);
            // Each opening gets at least one step further, because the previous one left less to do.
            for again in 0.. {
                let opened = place.open_until(again);
                assert_eq!(place.content(), found, "after {steps} steps, then {again}");
                match opened {
                    Ok(store) => {
                        assert_eq!(content(&store), found);
                        break;
                    }
                    Err(error) => assert!(error.to_string().contains("stopped before"), "{error}"),
                }
            }
            expect_clean(&place, &found);
            expect_lives_on(&place, found);
            if done {
                break;
            }
        }
    }
}

#[test]
fn an_append_that_is_cut_off_has_added_its_first_bytes() {
    for (key, before) in [(LOG, "entries"), (NEXT_LOG, "")] {
        let mut lengths = Vec::new();
        for steps in 0.. {
            let place = Directory::with(&OLD);
            let store = place.open(super::STRICT);
            store.folder.watch.stop_after(steps);
            let done = block_on(store.append(key, b"0123456789")).is_ok();
            drop(store);
            let found = place.content().remove(key).unwrap_or_default();
            let whole = format!("{before}0123456789");
            assert!(whole.as_bytes().starts_with(&found) && found.len() >= before.len());
            lengths.push(found.len() - before.len());
            expect_lives_on(&place, place.content());
            if done {
                break;
            }
        }
        lengths.dedup();
        assert_eq!(lengths, [0, 5, 10], "before, torn, and whole");
    }
}

/// After its commit point a commit counts although it failed, and only a new opening makes the directory usable for
/// another.
#[test]
fn nothing_is_written_after_a_commit_that_failed_late() {
    let (batch, new) = batches().pop().unwrap();
    for steps in 0.. {
        let place = Directory::with(&OLD);
        let store = place.open(RELAXED);
        store.folder.watch.stop_after(steps);
        let done = block_on(store.commit(batch.clone())).is_ok();
        store.folder.watch.stop_after(usize::MAX);
        let found = content(&store);
        let again = block_on(store.append(LAST_LOG, b"x"));
        if done || found == map(&OLD) && again.is_ok() {
            assert_eq!(again, Ok(()), "after {steps} steps");
        } else {
            assert!(matches!(&again, Err(StoreError::Failed { why }) if why.contains("cut off")), "{again:?}");
            assert!(block_on(store.commit(super::batch(&[("a", "b")], &[]))).is_err());
            assert_eq!(content(&store), found, "it is still read");
            let other = DirectoryStore::open(&place.0, RELAXED);
            assert!(matches!(other, Err(StoreError::Locked { .. })), "it is still owned");
        }
        block_on(store.close()).unwrap();
        if done {
            assert_eq!(found, new);
            break;
        }
    }
}

#[test]
fn reading_only_refuses_to_write_and_needs_a_directory() {
    let place = Directory::with(&OLD);
    let reader = place.open(READ_ONLY);
    assert_eq!(block_on(reader.append("a", b"b")), Err(StoreError::ReadOnly));
    assert_eq!(block_on(reader.commit(batch(&[("a", "b")], &[]))), Err(StoreError::ReadOnly));
    block_on(reader.close()).unwrap();
    assert!(matches!(block_on(reader.list("")), Err(StoreError::Failed { why }) if why.contains("closed")));
    expect_clean(&place, &map(&OLD));

    let nowhere = Directory::new();
    let options = StoreOptions { mode: Mode::ReadOnly, ..RELAXED };
    assert!(matches!(DirectoryStore::open(&nowhere.0, options), Err(StoreError::NotFound { .. })));
    assert!(!nowhere.0.exists());
}

/// Looking for each name in the whole journal took seconds, and a reader beside a large commit waited for them.
#[test]
fn a_large_pending_commit_is_read_through_in_little_time() {
    const DELETES: usize = 20_000;
    let place = Directory::with(&[("a", "b")]);
    let names: Vec<String> = (0..DELETES).map(|number| format!("s_c_{number:010}.0")).collect();
    let lines: String = names.iter().map(|name| format!("delete {name}\n")).collect();
    place.put("commit", &format!("thermocline commit 1\n{lines}end {DELETES}\n"));
    let reader = place.open(READ_ONLY);
    // Reading the journal once takes this long on this machine, now.
    let begun = Instant::now();
    assert_eq!(block_on(reader.list("")).unwrap(), ["a"]);
    let once = begun.elapsed();
    let keys: Vec<String> = names.iter().map(|name| name.replace('_', "/")).collect();
    let begun = Instant::now();
    assert!(block_on(reader.read(&keys)).unwrap().iter().all(Option::is_none));
    let all = begun.elapsed();
    assert!(all < 100 * once, "{all:?} for {DELETES} names, {once:?} for the journal");
}
