//! How several files change together, or none.
//!
//! 1. Each new value is written beside the old one, as `<name>~`, and synced. Nothing has changed yet.
//! 2. What is to be done is written to `commit~` and synced, and then the names of all these files.
//! 3. `commit~` is renamed to `commit`. *This is the moment of the commit.* Whatever ends the process from now on, whoever
//!    opens the directory next goes on from here, and a reader reads as if all of it were done.
//! 4. The staged files get their names; the files to be deleted go; the directory is synced.
//! 5. `commit` goes, and the directory is synced once more: a journal that came back could find files that a later commit
//!    has staged, and take them for its own.
//!
//! A commit of one value and nothing else needs no journal: its rename is the moment.

use super::folder::Folder;
use super::journal::{Change, Journal};
use super::names::{JOURNAL, is_staged, name_of, staged};
use crate::store::{Batch, StoreError};
use std::fs::File;

/// A batch whose values are staged, and its journal, unless it needs none.
pub(super) struct Staged {
    journal: Option<Journal>,
    /// The file whose rename is the moment.
    last: String,
}

/// Steps 1 and 2. When they fail, nothing has changed, and what they wrote is removed again, as far as that goes: the room
/// it takes may be why they failed.
pub(super) fn stage(folder: &Folder, batch: &Batch) -> Result<Staged, StoreError> {
    for key in batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes) {
        name_of(key)?;
    }
    let done = write_all(folder, batch);
    if done.is_err() {
        let names = batch.puts.iter().filter_map(|(key, _)| name_of(key).ok());
        for name in names.chain([JOURNAL.to_owned()]) {
            // The error that is told is the first one.
            let _ = folder.remove(&staged(&name));
        }
    }
    done
}

fn write_all(folder: &Folder, batch: &Batch) -> Result<Staged, StoreError> {
    for (key, value) in &batch.puts {
        folder.write(&staged(&name_of(key)?), value)?;
    }
    if let ([(key, _)], []) = (batch.puts.as_slice(), batch.deletes.as_slice()) {
        return Ok(Staged { journal: None, last: name_of(key)? });
    }
    let journal = Journal::of(batch)?;
    folder.write(&staged(JOURNAL), journal.as_bytes())?;
    folder.sync()?;
    Ok(Staged { journal: Some(journal), last: JOURNAL.to_owned() })
}

/// Steps 3 to 5. When they fail, it is not known what a loss of power would leave, so nothing more may be written.
pub(super) fn apply(folder: &Folder, batch: &Staged) -> Result<(), StoreError> {
    if !folder.rename(&staged(&batch.last), &batch.last)? {
        return Err(StoreError::failed(format!(
            "somebody removed a file that was staged in {}",
            folder.path().display()
        )));
    }
    folder.sync()?;
    batch.journal.as_ref().map_or(Ok(()), |journal| finish(folder, journal))
}

/// Steps 4 and 5, from wherever they were left: a staged file that is not there any more has its name already.
fn finish(folder: &Folder, journal: &Journal) -> Result<(), StoreError> {
    for change in journal.changes() {
        match change {
            Change::Put(name) => folder.rename(&staged(name), name)?,
            Change::Delete(name) => folder.remove(name)?,
        };
    }
    folder.sync()?;
    drop_journal(folder)
}

fn drop_journal(folder: &Folder) -> Result<(), StoreError> {
    folder.remove(JOURNAL)?;
    folder.sync()
}

/// Brings a directory to where no commit is under way: a journal that is whole is followed to its end, one that is not goes,
/// and so does whatever was staged for a commit that never was. For the owner of the directory only.
pub(super) fn recover(folder: &Folder) -> Result<(), StoreError> {
    if let Some(file) = folder.open(JOURNAL)? {
        match read(folder, &file)? {
            Some(journal) => finish(folder, &journal)?,
            None => drop_journal(folder)?,
        }
    }
    for name in folder.names()?.iter().filter(|name| is_staged(name)) {
        folder.remove(name)?;
    }
    // Whatever the one before did without waiting for the medium counts from here on.
    folder.sync()
}

/// The journal in a file of that name; none when it is not whole.
pub(super) fn read(folder: &Folder, file: &File) -> Result<Option<Journal>, StoreError> {
    let path = folder.path().join(JOURNAL);
    let unknown = |what| StoreError::failed(format!("{} cannot be followed: {what}", path.display()));
    Journal::parse(folder.read_open(JOURNAL, file)?).map_err(unknown)
}
