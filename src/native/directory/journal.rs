//! The journal of a commit: the changes still to be made, as text.
//!
//! ```text
//! thermocline commit 1
//! put <name>
//! delete <name>
//! end <number of the lines between>
//! ```
//!
//! The journal gets its name only once it is on the medium, so it is whole if the medium keeps its promises. The count
//! in the last line is for media that do not.

use super::names::{is_name, to_name};
use crate::store::{Batch, StoreError};

const FIRST: &str = "thermocline commit 1";

/// One change of a commit, by the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// The staged file replaces the file of this name.
    Put(&'a str),
    /// The file of this name is removed.
    Delete(&'a str),
}

impl<'a> Change<'a> {
    const fn name(self) -> &'a str {
        let (Self::Put(name) | Self::Delete(name)) = self;
        name
    }
}

/// The changes of a journal by the names of their files. A reader beside a commit asks for the name of each value that
/// it reads, and both may be many.
pub(super) struct Changes<'a>(Vec<Change<'a>>);

impl<'a> Changes<'a> {
    /// Returns the change to the file of this name, or `None` if there is none.
    pub(super) fn of_name(&self, name: &str) -> Option<Change<'a>> {
        let at = self.0.partition_point(|change| change.name() < name);
        self.0.get(at).copied().filter(|change| change.name() == name)
    }

    /// Returns the changes in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = Change<'a>> {
        self.0.iter().copied()
    }
}

/// A whole journal, kept as text so that reading its changes needs no more memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommitJournal {
    text: String,
}

impl CommitJournal {
    /// Returns the journal of a batch.
    pub(super) fn of(batch: &Batch) -> Result<Self, StoreError> {
        let puts = batch.puts.iter().map(|(key, _)| ("put ", key));
        let deletes = batch.deletes.iter().map(|key| ("delete ", key));
        let changes = puts.chain(deletes);
        let count = (batch.puts.len() + batch.deletes.len()).to_string();
        let length = changes.clone().map(|(verb, key)| verb.len() + key.len() + 1).sum::<usize>();
        let mut text = String::new();
        text.try_reserve_exact(FIRST.len() + 1 + length + "end \n".len() + count.len())?;
        text.push_str(FIRST);
        text.push('\n');
        for (verb, key) in changes {
            text.push_str(verb);
            text.extend(key.chars().map(to_name));
            text.push('\n');
        }
        text.push_str("end ");
        text.push_str(&count);
        text.push('\n');
        Ok(Self { text })
    }

    /// Parses a journal. Returns `None` if it is incomplete.
    ///
    /// # Errors
    /// A description of what is not understood. The file may come from a later version, or not belong to an index at
    /// all, so it must be neither followed nor removed.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Option<Self>, String> {
        let unlike = || Err(format!("it does not begin with \"{FIRST}\""));
        // A medium may have allocated the file without writing into it, so zeros are not an error.
        if !bytes.iter().zip(FIRST.bytes().chain([b'\n'])).all(|(&byte, first)| byte == first || byte == 0) {
            return unlike();
        }
        let Ok(text) = String::from_utf8(bytes) else {
            return Ok(None);
        };
        let lines = text.lines().count();
        let last = text.strip_suffix('\n').and_then(|text| text.lines().next_back());
        let counted = last.and_then(|last| last.strip_prefix("end ")).and_then(|count| count.parse().ok());
        if counted.and_then(|count: usize| count.checked_add(2)) != Some(lines) {
            return Ok(None);
        }
        let journal = Self { text };
        if !journal.text.starts_with(&format!("{FIRST}\n")) {
            return unlike();
        }
        if let Some(line) = journal.lines().find(|line| change(line).is_none()) {
            return Err(format!("it has the line {line:?}"));
        }
        Ok(Some(journal))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Returns the changes, in the order in which they are made.
    pub(super) fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.lines().filter_map(change)
    }

    /// Sorts the changes by name. Of a file that is both replaced and removed, the replacement comes first.
    pub(super) fn by_name(&self) -> Result<Changes<'_>, StoreError> {
        let mut changes = Vec::new();
        changes.try_reserve_exact(self.lines().count())?;
        changes.extend(self.changes());
        changes.sort_unstable_by_key(|change| (change.name(), matches!(change, Change::Delete(_))));
        Ok(Changes(changes))
    }

    /// Returns the lines between the first and the last.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().count();
        self.text.lines().take(lines - 1).skip(1)
    }
}

/// Parses a line. Checks the name because it becomes a path: a journal must not lead out of its directory.
fn change(line: &str) -> Option<Change<'_>> {
    let (verb, name) = line.split_once(' ')?;
    match verb {
        _ if !is_name(name) => None,
        "put" => Some(Change::Put(name)),
        "delete" => Some(Change::Delete(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let puts = [("manifest", "1"), ("segment/0/7", "2")].map(|(key, value)| (key.into(), value.into()));
        Batch { puts: puts.into(), deletes: vec!["log/3".into()] }
    }

    const TEXT: &str = "thermocline commit 1\nput manifest\nput segment_0_7\ndelete log_3\nend 3\n";

    #[test]
    fn a_batch_is_written_and_read_as_documented() {
        let journal = CommitJournal::of(&batch()).unwrap();
        assert_eq!(str::from_utf8(journal.as_bytes()), Ok(TEXT));
        assert_eq!(journal.text.capacity(), TEXT.len(), "room for all of it was taken at once");
        let read = CommitJournal::parse(TEXT.into()).unwrap().unwrap();
        assert_eq!(read, journal);
        let changes: Vec<Change> = read.changes().collect();
        assert_eq!(changes, [Change::Put("manifest"), Change::Put("segment_0_7"), Change::Delete("log_3")]);
        let sorted = read.by_name().unwrap();
        assert!(changes.iter().all(|&change| sorted.of_name(change.name()) == Some(change)));
        assert_eq!(sorted.of_name("log_4"), None);
        assert!(sorted.iter().is_sorted_by_key(Change::name));
    }

    #[test]
    fn one_that_is_cut_anywhere_is_not_whole() {
        for length in 0..TEXT.len() {
            assert_eq!(CommitJournal::parse(TEXT[..length].into()), Ok(None), "cut at {length}");
        }
        for damaged in ["end 2", "end 4", "end -1", "end 18446744073709551615", "end", "end 3\nend 3"] {
            assert_eq!(CommitJournal::parse(TEXT.replace("end 3", damaged).into()), Ok(None), "{damaged}");
        }
        for text in ["", "\0\0\0", &format!("{FIRST}\n\0\0\0")] {
            assert_eq!(CommitJournal::parse(text.into()), Ok(None), "{text:?}");
        }
        assert_eq!(CommitJournal::parse([FIRST.as_bytes(), b"\n\xFF\n"].concat()), Ok(None));
    }

    #[test]
    fn one_that_is_not_understood_is_an_error() {
        for text in ["thermocline commit 2\npu", "thermocline commit 10\npu", "Add the gloss\n", "\u{FF}"] {
            assert!(CommitJournal::parse(text.into()).is_err(), "{text:?}");
        }
        for (from, to) in
            [("commit 1", "commit 2"), ("put manifest", "move a b"), ("manifest", "../x"), ("log_3", "commit")]
        {
            assert!(CommitJournal::parse(TEXT.replace(from, to).into()).is_err(), "{to}");
        }
    }
}
