//! An index stored in a directory: from nothing to the first answer.

use std::path::Path;

use thermocline::{
    DirectoryStore, Durability, Error, Mode, OpenOptions, SearchOptions, StoreOptions, StoredIndex, block_on,
};

/// Opens the index for reading, with records read as needed, and answers one query.
///
/// # Errors
/// The error of opening or searching.
pub(crate) fn first_answer(path: &Path, query: &[f32]) -> Result<(), Error> {
    let options = StoreOptions { durability: Durability::Relaxed, mode: Mode::ReadOnly };
    let store = DirectoryStore::open(path, options)?;
    let index =
        block_on(StoredIndex::open(store, OpenOptions { lazy: true, mode: Mode::ReadOnly, ..Default::default() }))?;
    block_on(index.search(query, SearchOptions::top(10).with_ef(64)))?;
    Ok(())
}
