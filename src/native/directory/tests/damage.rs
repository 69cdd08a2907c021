//! Directories that no commit leaves: journals that are cut off or not understood, and files of others.

use super::{Directory, READ_ONLY, RELAXED, batch, map};
use crate::native::DirectoryStore;
use crate::native::block_on;
use crate::native::directory::folder::failed;
use crate::store::{Store, StoreError};
use std::io;
use std::path::Path;

const A: &str = "b/0000000001.0000000000";
const B: &str = "b/0000000002.0000000000";
const C: &str = "b/0000000003.0000000000";
const JOURNAL: &str = "thermocline commit 1\nput b_0000000001.0000000000\nput b_0000000002.0000000000\ndelete b_0000000003.0000000000\nend 3\n";

fn staged(key: &str) -> String {
    key.replace('/', "_") + "~"
}

fn place() -> Directory {
    let place = Directory::with(&[(A, "old"), (C, "old")]);
    place.put(&staged(A), "new");
    place.put(&staged(B), "new");
    place
}

#[test]
fn a_whole_journal_is_followed_and_a_cut_one_is_not() {
    for length in 0..=JOURNAL.len() {
        let place = place();
        place.put("commit", &JOURNAL[..length]);
        let expected =
            if length == JOURNAL.len() { map(&[(A, "new"), (B, "new")]) } else { map(&[(A, "old"), (C, "old")]) };
        assert_eq!(place.content(), expected, "cut at {length}, read only");
        assert_eq!(place.files().len(), 5);
        drop(place.open(RELAXED));
        let files = expected.into_iter().map(|(key, value)| (key.replace('/', "_"), value)).collect();
        assert_eq!(place.files(), files, "cut at {length}");
    }
}

#[test]
fn a_journal_of_a_later_version_is_neither_followed_nor_removed() {
    for journal in [JOURNAL.replace("commit 1", "commit 2"), JOURNAL.replace("put b_", "put ../b_")] {
        let place = place();
        place.put("commit", &journal);
        let files = place.files();
        let opened = DirectoryStore::open(&place.0, RELAXED).map(drop);
        let read = block_on(place.open(READ_ONLY).list(""));
        for error in [opened.unwrap_err(), read.unwrap_err()] {
            assert!(error.to_string().contains("cannot be followed"), "{error}");
        }
        assert_eq!(place.files(), files);
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let others = ["Notes.txt", "Notes.txt~", "_", "a_", "draft.txt~", "photo-1.jpg", "x y"];
    let place = Directory::with(&[(A, "1"), (B, "2")]);
    for other in others {
        place.put(other, "mine");
    }
    std::fs::create_dir(place.0.join("d")).unwrap();
    let store = place.open(RELAXED);
    assert!(matches!(DirectoryStore::destroy(&place.0), Err(StoreError::Locked { .. })));
    block_on(store.commit(batch(&[], &[A]))).unwrap();
    block_on(store.close()).unwrap();
    place.put(&staged(A), "left over");
    DirectoryStore::destroy(&place.0).unwrap();
    std::fs::remove_dir(place.0.join("d")).unwrap();
    assert!(place.files().into_keys().eq(others.map(String::from)));
}

/// A file named like a journal, in a directory without an index.
#[test]
fn a_file_that_is_no_journal_is_left_alone() {
    let place = Directory::with(&[]);
    for text in ["Add the gloss\n", "thermocline is a vector index\nend 0\n", "thermocline commits\n"] {
        place.put("commit", text);
        let opened = DirectoryStore::open(&place.0, RELAXED).map(drop);
        for error in [opened.unwrap_err(), DirectoryStore::destroy(&place.0).unwrap_err()] {
            assert!(error.to_string().contains("cannot be followed"), "{error}");
        }
        assert_eq!(place.files(), map(&[("commit", text)]));
    }
}

#[test]
fn names_that_are_no_keys_are_refused_and_nothing_changes() {
    let place = Directory::with(&[("a", "1")]);
    let store = place.open(RELAXED);
    for name in ["commit", "lock.a.1.2.3", "../a", "", "A", "a_b", "a~"] {
        assert!(block_on(store.append(name, b"x")).is_err(), "{name}");
        assert!(block_on(store.commit(batch(&[("a", "2"), (name, "x")], &[]))).is_err(), "{name}");
        assert!(block_on(store.commit(batch(&[("a", "2")], &[name]))).is_err(), "{name}");
        assert!(block_on(store.read(&[name.to_owned()])).is_err(), "{name}");
    }
    drop(store);
    assert_eq!(place.files(), map(&[("a", "1")]));
}

#[test]
fn a_medium_says_what_is_wrong() {
    let of = |kind: io::ErrorKind| failed("writing", Path::new("place/a"), &kind.into());
    assert_eq!(of(io::ErrorKind::StorageFull), StoreError::QuotaExceeded);
    assert_eq!(of(io::ErrorKind::QuotaExceeded), StoreError::QuotaExceeded);
    assert_eq!(of(io::ErrorKind::OutOfMemory), StoreError::OutOfMemory);
    let StoreError::Failed { why } = of(io::ErrorKind::PermissionDenied) else { panic!("another kind") };
    assert!(why.starts_with("writing place/a: "), "{why}");
}

/// A full device stands in for a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_medium_is_no_room_and_no_harm() {
    let place = Directory::with(&[("a", "old")]);
    let store = place.open(RELAXED);
    for name in ["b~", "full"] {
        std::os::unix::fs::symlink("/dev/full", place.0.join(name)).unwrap();
    }
    assert_eq!(block_on(store.append("full", b"x")), Err(StoreError::QuotaExceeded));
    std::fs::remove_file(place.0.join("full")).unwrap();
    let both = batch(&[("a", "new"), ("b", "new")], &[]);
    assert_eq!(block_on(store.commit(both.clone())), Err(StoreError::QuotaExceeded));
    assert_eq!(place.content(), map(&[("a", "old")]));
    // The failed commit removed its staged files, including the link to the full device.
    block_on(store.commit(both)).unwrap();
    block_on(store.close()).unwrap();
    assert_eq!(place.files(), map(&[("a", "new"), ("b", "new")]));
}

/// One of several simultaneous openers must get the directory: if all gave up, it would have no owner.
#[test]
fn of_many_who_come_together_one_owns() {
    let place = Directory::with(&[("a", "old")]);
    for many in [2, 3, 6, 2, 3, 6] {
        let start = std::sync::Barrier::new(many);
        let come = || {
            start.wait();
            DirectoryStore::open(&place.0, RELAXED)
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..many).map(|_| scope.spawn(come)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let refused = outcomes.iter().filter(|one| matches!(one, Err(StoreError::Locked { .. }))).count();
        assert_eq!((refused, outcomes.iter().filter(|one| one.is_ok()).count()), (many - 1, 1));
    }
}
