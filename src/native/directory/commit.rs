//! How several files change together or not at all.
//!
//! 1. Each new value is written beside the old one, as `<name>~`, and synced. Nothing has changed yet.
//! 2. The journal of all changes is written to `commit~` and synced, then the directory is synced for the names of
//!    these files.
//! 3. `commit~` is renamed to `commit`. *This is the commit point.* If the process ends after it, the next opening for
//!    writing continues from here, and a reader reads as if the commit were complete.
//! 4. The staged files get their names; files to be deleted are removed; the directory is synced.
//! 5. `commit` is removed and the directory is synced again: a journal that reappeared could find files staged by a
//!    later commit and take them for its own.
//!
//! A commit of one value and nothing else needs no journal: its rename is the commit point.

use super::folder::Folder;
use super::journal::{Change, CommitJournal};
use super::names::{JOURNAL, is_log, is_staged, name_of, staged};
use crate::store::{Batch, StoreError};
use std::fs::File;

/// A batch whose values are staged, with its journal if it needs one.
pub(super) struct Staged {
    journal: Option<CommitJournal>,
    /// The name whose rename is the commit point.
    last: String,
}

/// Does steps 1 and 2. On an error nothing has changed, and the files written so far are removed as far as possible:
/// the space they take may be why the step failed.
pub(super) fn stage(folder: &Folder, batch: &Batch) -> Result<Staged, StoreError> {
    for key in batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes) {
        name_of(key)?;
    }
    let done = write_all(folder, batch);
    if done.is_err() {
        let names = batch.puts.iter().filter_map(|(key, _)| name_of(key).ok());
        for name in names.chain([JOURNAL.to_owned()]) {
            // Return the first error rather than this one.
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

/// Does steps 3 to 5. After an error it is unknown what a power failure would leave, so nothing more may be written.
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

/// Does steps 4 and 5, even when resumed in the middle: a staged file that is missing already has its final name.
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

/// Recovers a directory from a commit that was cut off: completes a whole journal, removes an incomplete one, and
/// removes all files staged for a commit that did not happen. Only for the owner of the directory.
pub(super) fn recover(folder: &Folder) -> Result<(), StoreError> {
    if let Some(file) = folder.open(JOURNAL)? {
        match read(folder, &file)? {
            Some(journal) => finish(folder, &journal)?,
            None => drop_journal(folder)?,
        }
    }
    let names = folder.names()?;
    for name in names.iter().filter(|name| is_staged(name)) {
        folder.remove(name)?;
    }
    sync_logs(folder, &names)?;
    // The previous owner may not have waited for the names of its logs either.
    folder.sync()
}

/// Waits until every byte of the logs among `names` is on the medium.
///
/// The next log continues them, but an owner that was killed or is not strict may not have waited for all that they
/// hold. If a loss of power took the end of an older log and left the next one, the frames in between would be missing,
/// and nothing after them could be read.
///
/// Returns whether there are any. Their names then need [`Folder::sync`] too.
pub(super) fn sync_logs(folder: &Folder, names: &[String]) -> Result<bool, StoreError> {
    let mut logs = names.iter().filter(|name| is_log(name)).peekable();
    let has_logs = logs.peek().is_some();
    logs.try_for_each(|name| folder.sync_file(name))?;
    Ok(has_logs)
}

/// Reads the journal from its open file. Returns `None` if it is incomplete.
pub(super) fn read(folder: &Folder, file: &File) -> Result<Option<CommitJournal>, StoreError> {
    let path = folder.path().join(JOURNAL);
    let unknown = |what| StoreError::failed(format!("{} cannot be followed: {what}", path.display()));
    CommitJournal::parse(folder.read_open(JOURNAL, file)?).map_err(unknown)
}
