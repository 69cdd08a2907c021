//! The order of the operations. It decides what a power failure leaves, which `power.rs` tries on a model of a medium.

use super::{Directory, RELAXED, STRICT, batch};
use crate::native::DirectoryStore;
use crate::native::block_on;
use crate::store::Store;

fn expect(store: &DirectoryStore, steps: &[&str]) {
    assert_eq!(store.folder.watch.take(), steps);
}

#[test]
fn one_value_is_staged_synced_and_renamed() {
    let place = Directory::with(&[("a", "old")]);
    let store = place.open(RELAXED);
    store.folder.watch.take();
    block_on(store.commit(batch(&[("a", "new")], &[]))).unwrap();
    expect(&store, &["write a~", "fill a~", "sync a~", "rename a~", "sync ."]);
    block_on(store.commit(batch(&[], &[]))).unwrap();
    expect(&store, &[]);
}

#[test]
fn several_changes_are_journalled_before_any_is_made() {
    let place = Directory::with(&[("a", "old"), ("c/d", "old")]);
    for options in [RELAXED, STRICT] {
        let store = place.open(options);
        store.folder.watch.take();
        block_on(store.commit(batch(&[("a", "new"), ("b", "new")], &["c/d"]))).unwrap();
        let stages = ["write a~", "fill a~", "sync a~", "write b~", "fill b~", "sync b~"];
        let moment = ["write commit~", "fill commit~", "sync commit~", "sync .", "rename commit~", "sync ."];
        let changes = ["rename a~", "rename b~", "remove c_d", "sync .", "remove commit", "sync ."];
        expect(&store, &[&stages[..], &moment, &changes].concat());
    }
    let store = place.open(RELAXED);
    store.folder.watch.take();
    block_on(store.commit(batch(&[], &["a"]))).unwrap();
    let moment = ["write commit~", "fill commit~", "sync commit~", "sync .", "rename commit~", "sync ."];
    expect(&store, &[&moment[..], &["remove a", "sync .", "remove commit", "sync ."]].concat());
}

#[test]
fn only_strict_appends_are_synced() {
    let place = Directory::new();
    let store = place.open(RELAXED);
    store.folder.watch.take();
    block_on(store.append("log", b"1")).unwrap();
    expect(&store, &["append log", "fill log"]);
    block_on(store.close()).unwrap();
    let store = place.open(STRICT);
    store.folder.watch.take();
    block_on(store.append("log", b"2")).unwrap();
    expect(&store, &["append log", "fill log", "sync log"]);
    block_on(store.append("new", b"1")).unwrap();
    expect(&store, &["append new", "fill new", "sync new", "sync ."]);
}

/// Logs continue one another. An owner that is killed between an append and its sync leaves a log that only the page
/// cache has. If the next owner continued it in a new log and synced only that one, a loss of power could leave frames
/// missing between the two logs, and the index would not open.
#[test]
fn logs_are_synced_before_a_new_one_continues_them() {
    let (first, second) = ("log_00000000000000000001", "log_00000000000000000002");
    let place = Directory::new();
    let store = place.open(RELAXED);
    block_on(store.append(&first.replace('_', "/"), b"1")).unwrap();
    block_on(store.close()).unwrap();
    for options in [RELAXED, STRICT] {
        let store = place.open(options);
        let steps = store.folder.watch.take();
        assert_eq!(steps[steps.len() - 2..], [format!("sync {first}"), "sync .".to_owned()]);
    }
    let store = place.open(RELAXED);
    store.folder.watch.take();
    for _ in 0..2 {
        block_on(store.append(&second.replace('_', "/"), b"2")).unwrap();
    }
    let [synced, append, fill] =
        [format!("sync {first}"), format!("append {second}"), format!("fill {second}")].map(String::leak);
    expect(&store, &[synced, "sync .", append, fill, append, fill]);
}
