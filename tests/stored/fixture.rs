//! The frozen place of format 1: a directory with a checkpoint and a log, as it was written once. The package's tests open it
//! in Node.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use thermocline::{DirectoryStore, OpenOptions, Payload, Record, StoreOptions, StoredIndex};

use crate::frozen;
use crate::support::now;

/// Rows that were inserted after the checkpoint, and one that was deleted: only the log has them.
const LOGGED: core::ops::Range<u32> = 50..53;
const DELETED: u32 = 0;

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1/place")
}

fn fresh(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("thermocline-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

/// The files of a place by name.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    fs::read_dir(path).unwrap().map(entry).collect()
}

fn write(path: &Path) {
    let store = DirectoryStore::open(path, StoreOptions::default()).unwrap();
    let stored = now(StoredIndex::create(store, frozen::build().unwrap())).unwrap();
    for row in LOGGED {
        let (json, bytes) = frozen::payload(row);
        let payload = json.as_deref().map(Payload::Json).or(bytes.as_deref().map(Payload::Bytes));
        stored.change(|index| index.insert_with_id(frozen::id(row), &frozen::vector(row), payload)).unwrap();
    }
    stored.change(|index| index.delete(&frozen::id(DELETED))).unwrap();
    now(stored.close()).unwrap();
}

#[test]
#[ignore = "writes the files that all other tests read; only for a new version of the format"]
fn write_the_frozen_place() {
    let _ = fs::remove_dir_all(place());
    write(&place());
}

#[test]
fn the_frozen_place_is_what_it_was() {
    let path = fresh("frozen");
    fs::create_dir(&path).unwrap();
    for (name, bytes) in files(&place()) {
        fs::write(path.join(name), bytes).unwrap();
    }
    for lazy in [false, true] {
        let store = DirectoryStore::open(&path, StoreOptions::default()).unwrap();
        let stored = now(StoredIndex::open(store, OpenOptions { lazy, ..Default::default() })).unwrap();
        assert!(stored.index().unwrap().check().unwrap().ok);
        let mut live = 0;
        for row in frozen::rows().chain(LOGGED) {
            let (json, bytes) = frozen::payload(row);
            let expected = json.as_deref().map(Payload::Json).or(bytes.as_deref().map(Payload::Bytes));
            let is_right = |record: Record<'_>| record.vector == frozen::vector(row) && record.payload == expected;
            let is_there = (LOGGED.contains(&row) || frozen::is_live(row)) && row != DELETED;
            assert_eq!(now(stored.get(&frozen::id(row), is_right)), Ok(is_there.then_some(true)), "row {row}");
            live += usize::from(is_there);
        }
        let index = stored.index().unwrap();
        assert_eq!((index.len(), index.deleted()), (live, frozen::deleted() + 1));
        drop(index);
        now(stored.close()).unwrap();
    }
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn the_same_again_gives_the_same_files() {
    let path = fresh("again");
    write(&path);
    let (written, kept) = (files(&path), files(&place()));
    assert_eq!(written.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    for (name, bytes) in written {
        assert!(bytes == kept[&name], "{name} has changed");
    }
    fs::remove_dir_all(path).unwrap();
}
