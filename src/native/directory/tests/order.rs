//! The order of the operations. It decides what a power failure leaves, which no test can try.

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
