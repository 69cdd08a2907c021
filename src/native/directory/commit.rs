//! How several files change together, or none.
//!
//! 1. Each new value is written beside the old one, as `<name>~`, and synced. Nothing has changed yet.
//! 2. The journal of all changes is written to `commit~` and synced, and then the directory, for the names of these
//!    files.
//! 3. `commit~` is renamed to `commit`. *This is the moment of the commit.* If the process ends from now on, the next
//!    opening for writing goes on from here, and a reader reads as if all of it were done.
//! 4. The staged files get their names; the files to be deleted are removed; the directory is synced.
//! 5. `commit` is removed, and the directory is synced once more: a journal that came back could find files that a
//!    later commit has staged, and take them for its own.
//!
//! A commit of one value and nothing else needs no journal: its rename is the moment.

use super::folder::Folder;
use super::journal::{Change, CommitJournal};
use super::names::{JOURNAL, is_staged, name_of, staged};
use crate::store::{Batch, StoreError};
use std::fs::File;

/// A batch whose values are staged, with its journal, if it needs one.
pub(super) struct Staged {
    journal: Option<CommitJournal>,
    /// The name whose rename is the moment of the commit.
    last: String,
}

/// Does steps 1 and 2. On an error nothing has changed, and the files that they wrote are removed as far as possible:
/// the space that these take may be why they failed.
pub(super) fn stage(folder: &Folder, batch: &Batch) -> Result<Staged, StoreError> {
    for key in batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes) {
        name_of(key)?;
    }
    let done = write_all(folder, batch);
    if done.is_err() {
        let names = batch.puts.iter().filter_map(|(key, _)| name_of(key).ok());
        for name in names.chain([JOURNAL.to_owned()]) {
            // The first error is the one that is returned.
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
    let journal = CommitJournal::of(batch)?;
    folder.write(&staged(JOURNAL), journal.as_bytes())?;
    folder.sync()?;
    Ok(Staged { journal: Some(journal), last: JOURNAL.to_owned() })
}

/// Does steps 3 to 5. On an error it is not known what a loss of power would leave, so nothing more may be written.
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

/// Does steps 4 and 5, also from the middle: a staged file that is gone already has its name.
fn finish(folder: &Folder, journal: &CommitJournal) -> Result<(), StoreError> {
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

/// Recovers a directory from a commit that was cut off: completes a whole journal, removes one that is not whole, and
/// removes all files that were staged for a commit that did not happen. For the owner of the directory only.
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
    // Puts on the medium what the owner before may not have waited for.
    folder.sync()
}

/// Reads the journal from its open file; none when it is not whole.
pub(super) fn read(folder: &Folder, file: &File) -> Result<Option<CommitJournal>, StoreError> {
    let path = folder.path().join(JOURNAL);
    let unknown = |what| StoreError::failed(format!("{} cannot be followed: {what}", path.display()));
    CommitJournal::parse(folder.read_open(JOURNAL, file)?).map_err(unknown)
}
