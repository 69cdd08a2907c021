//! A mapped file: never written to, locked while it is mapped, and not affected when it is replaced.

use crate::support::{DIMENSIONS, index};
use std::fs::{self, File};
use std::path::PathBuf;
use thermocline::{Error, Index, Metric, Quantization, SearchOptions};

/// A file with an export, removed when dropped.
struct Kept(PathBuf);

impl Kept {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("thermocline-mapped-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn export() -> Vec<u8> {
    index(Metric::Cosine, Quantization::Int8, 1300).export().unwrap()
}

#[test]
fn a_file_is_searched_changed_and_never_written_to() {
    let bytes = export();
    let kept = Kept::new("searched", &bytes);
    let mut index = Index::map_file(&kept.0).unwrap();
    let imported = Index::import(&bytes).unwrap();
    let query = [0.25; DIMENSIONS];
    let hits = index.search(&query, SearchOptions::top(5)).unwrap();
    assert_eq!(hits, imported.search(&query, SearchOptions::top(5)).unwrap());
    index.delete(&hits[0].id).unwrap();
    index.insert_with_id("new", &query, None).unwrap();
    index.compact_start().unwrap();
    while index.compact_step(1000).unwrap() {}
    index.compact_finish();
    assert_eq!(index.search(&query, SearchOptions::top(1)).unwrap()[0].id, "new".into());
    assert!(index.check().unwrap().ok);
    assert!(fs::read(&kept.0).unwrap() == bytes);
}

#[test]
fn a_mapped_file_stays_as_it_was_when_it_is_replaced() {
    let (bytes, other) = (export(), Index::new(thermocline::Config::new(3)).unwrap().export().unwrap());
    let (kept, next) = (Kept::new("kept", &bytes), Kept::new("next", &other));
    let mut index = Index::map_file(&kept.0).unwrap();
    fs::rename(&next.0, &kept.0).unwrap();
    while index.link_step().unwrap() {}
    assert!(index.export().unwrap() == bytes);
    assert_eq!(Index::map_file(&kept.0).unwrap().config().dimensions, 3);
}

#[test]
fn a_file_that_cannot_be_mapped_is_an_error() {
    let kept = Kept::new("locked", &export());
    let missing = Index::map_file(kept.0.with_extension("none"));
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
    let directory = Index::map_file(std::env::temp_dir());
    assert!(matches!(directory, Err(Error::StoreFailed { .. } | Error::Corrupt { .. })), "{directory:?}");
    let owner = File::open(&kept.0).unwrap();
    owner.lock().unwrap();
    let locked = Index::map_file(&kept.0);
    assert!(matches!(locked, Err(Error::Locked { .. })), "{locked:?}");
    owner.unlock().unwrap();
    let index = Index::map_file(&kept.0).unwrap();
    assert!(owner.try_lock().is_err(), "a mapped file is locked");
    drop(index);
    owner.try_lock().unwrap();
    let empty = Kept::new("empty", b"");
    assert!(matches!(Index::map_file(&empty.0), Err(Error::Corrupt { .. } | Error::StoreFailed { .. })));
}
