//! The frozen place of format 1: a directory with a checkpoint and a log, as it was once written. The package's tests
//! open it in Node. There is also one with records that expire.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use thermocline::{Config, DirectoryStore, Index, OpenOptions, Payload, Record, StoreOptions, StoredIndex, WallClock};

use crate::frozen;
use crate::support::now;

/// Rows inserted after the checkpoint, and one deleted: only the log has these changes.
const LOGGED: core::ops::Range<u32> = 50..53;
const DELETED: u32 = 0;

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1").join(name)
}

fn fresh(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("thermocline-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

/// Returns the files of a place by name.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    fs::read_dir(path).unwrap().map(entry).collect()
}

fn write(path: &Path, index: Index) {
    let store = DirectoryStore::open(path, StoreOptions::default()).unwrap();
    let stored = now(StoredIndex::create(store, index)).unwrap();
    for row in LOGGED {
        let (json, bytes) = frozen::payload(row);
        let payload = json.as_deref().map(Payload::Json).or(bytes.as_deref().map(Payload::Bytes));
        stored.change(|index| index.insert_with_id(frozen::id(row), &frozen::vector(row), payload)).unwrap();
    }
    stored.change(|index| index.delete(&frozen::id(DELETED))).unwrap();
    now(stored.close()).unwrap();
}

/// All rows except the first expire; half of them are in the checkpoint and half in the log.
fn write_expiring(path: &Path) {
    let config = Config { m: 4, ef_construction: 32, seed: 2026, ..Config::new(frozen::DIMENSIONS) };
    let options = OpenOptions { config: Some(config), now_ms: || 0.0, ..Default::default() };
    let store = DirectoryStore::open(path, StoreOptions::default()).unwrap();
    let stored = now(StoredIndex::open(store, options)).unwrap();
    let put = |row| {
        let (id, vector) = (frozen::id(row), frozen::vector(row));
        stored.change(|index| index.insert_with_id_expiring(id, &vector, None, frozen::expires_ms(row))).unwrap();
    };
    let rows = frozen::expiring_rows();
    let middle = rows.start + 3;
    put(rows.start - 1);
    (rows.start..middle).for_each(put);
    now(stored.checkpoint()).unwrap();
    (middle..rows.end).for_each(put);
    now(stored.close()).unwrap();
}

#[test]
#[ignore = "writes the files that all other tests read; only for a new version of the format"]
fn write_the_frozen_place() {
    let _ = fs::remove_dir_all(place("place"));
    write(&place("place"), frozen::build().unwrap());
    let _ = fs::remove_dir_all(place("expiring"));
    write_expiring(&place("expiring"));
}

#[test]
fn the_frozen_place_is_what_it_was() {
    let path = fresh("frozen");
    fs::create_dir(&path).unwrap();
    for (name, bytes) in files(&place("place")) {
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

/// A manifest without what depends on the order of records in blocks: the checksums of blocks, of place segments, and
/// its own.
fn without_order(manifest: &[u8]) -> Vec<u8> {
    const PLACES: u16 = 12;
    let (head, segment, block, checksum) = (160, 32, 48, 24);
    let word = |at: usize| u32::from_le_bytes(manifest[at..at + 4].try_into().unwrap()) as usize;
    let segments = (0..word(72)).map(|i| head + segment * i);
    let blocks = (0..word(76)).map(|i| head + segment * word(72) + block * i);
    assert_eq!(head + segment * word(72) + block * word(76), manifest.len());
    let places = segments.filter(|&at| u16::from_le_bytes([manifest[at], manifest[at + 1]]) == PLACES);
    let mut left = manifest.to_vec();
    for at in places.chain(blocks).chain([0]) {
        left[at + checksum..at + checksum + 8].fill(0);
    }
    left
}

#[test]
fn the_same_again_gives_the_same_files() {
    for name in ["place", "expiring"] {
        let path = fresh("again");
        if name == "place" {
            write(&path, frozen::build().unwrap())
        } else {
            write_expiring(&path)
        }
        let (written, kept) = (files(&path), files(&place(name)));
        assert_eq!(written.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
        for (name, bytes) in written {
            // A writer may choose the order of the records in a block anew. It affects the block, the places, and the
            // manifest with the checksums of both.
            let has_order = ["b_", "s_p_", "m_"].iter().any(|kind| name.starts_with(kind));
            let sorted = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                bytes.sort_unstable();
                bytes
            };
            if name.starts_with("m_") {
                assert!(without_order(&bytes) == without_order(&kept[&name]), "{name} has changed");
            } else if has_order {
                assert!(sorted(&bytes) == sorted(&kept[&name]), "{name} has changed");
            } else {
                assert!(bytes == kept[&name], "{name} has changed");
            }
        }
        fs::remove_dir_all(path).unwrap();
    }
}

#[test]
fn expired_records_of_the_frozen_place_are_gone() {
    let path = fresh("expiring");
    fs::create_dir(&path).unwrap();
    for (name, bytes) in files(&place("expiring")) {
        fs::write(path.join(name), bytes).unwrap();
    }
    // The expiries of the checkpoint follow the places, one word per slot.
    let is_places = |name: &str| name.starts_with("s_p_");
    let values = files(&path).into_iter().filter(|(name, _)| is_places(name)).map(|(_, value)| value);
    let moments = |value: Vec<u8>| {
        let words = value[4 * 4..].chunks(8).map(|word| f64::from_le_bytes(word.try_into().unwrap()));
        words.collect::<Vec<_>>()
    };
    let first = frozen::expiring_rows().start;
    let expected = (first - 1..first + 3).map(|row| frozen::expires_ms(row).unwrap_or(f64::INFINITY)).collect();
    assert_eq!(values.map(moments).collect::<Vec<_>>(), [expected] as [Vec<f64>; 1]);

    for (now_ms, later) in [((|| 0.0) as WallClock, false), (|| 2e12, true)] {
        let store = DirectoryStore::open(&path, StoreOptions::default()).unwrap();
        let stored = now(StoredIndex::open(store, OpenOptions { now_ms, ..Default::default() })).unwrap();
        let index = stored.index().unwrap();
        assert!(index.check().unwrap().ok);
        for row in frozen::expiring_rows() {
            let is_there = !later || !row.is_multiple_of(2);
            assert_eq!(index.contains(&frozen::id(row)), Ok(is_there), "row {row}");
        }
        assert_eq!(index.len(), if later { 4 } else { 7 });
        assert_eq!(index.next_expiry_ms(), frozen::expires_ms(if later { 61 } else { 60 }));
    }
    fs::remove_dir_all(path).unwrap();
}
