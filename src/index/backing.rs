//! Where changes of an index go beside memory: nowhere, into the log of a store, or nowhere because it is read only.

use super::journal::Journal;
use super::{Error, Index, Payload};
use crate::format::{Entry, Put};
use crate::types::Id;

/// What stands behind an index in memory.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Backing {
    /// Nothing: it is stored nowhere.
    Memory,
    /// A store that is not to be changed, so neither is the index.
    ReadOnly {
        /// Values are cut into pieces of this length.
        piece_bytes: u32,
    },
    /// A store that each change is told to. Not boxed: no box can be refused memory, and one of these is in an index.
    Journal(Journal),
}

impl Index {
    /// Refuses a change to an index that is read only, or whose store has failed: what cannot be kept is not begun.
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        match &self.backing {
            Backing::Memory => Ok(()),
            Backing::ReadOnly { .. } => Err(Error::ReadOnly),
            Backing::Journal(journal) => journal.check(),
        }
    }

    /// Tells the log of a record about to be put. [`Index::unlog`] takes it back when the change fails after all.
    pub(super) fn log_put(
        &mut self,
        id: &Id,
        vector: &[f32],
        payload: Option<Payload<'_>>,
        expires_ms: Option<f64>,
    ) -> Result<(), Error> {
        let (kind, payload) = Payload::to_parts(payload);
        let put = Put { id: id.into(), expires_ms, vector: vector.into(), kind: kind.number(), payload };
        self.log(&Entry::Put(put))
    }

    /// Tells the log of a change about to be made.
    pub(super) fn log(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        self.check_writable()?;
        match &mut self.backing {
            Backing::Journal(journal) => journal.push(entry),
            _ => Ok(()),
        }
    }

    /// Takes back what was told since the last [`Index::logged`].
    pub(super) fn unlog(&mut self) {
        if let Backing::Journal(journal) = &mut self.backing {
            journal.rewind();
        }
    }

    /// What was told has happened, all together.
    pub(super) fn logged(&mut self) {
        if let Backing::Journal(journal) = &mut self.backing {
            journal.seal();
        }
    }

    /// Whether the index is kept in a store, to read or to write.
    pub const fn is_stored(&self) -> bool {
        !matches!(self.backing, Backing::Memory)
    }

    /// Whether the index was opened for reading only.
    pub const fn is_read_only(&self) -> bool {
        matches!(self.backing, Backing::ReadOnly { .. })
    }

    /// Whether a checkpoint would pay.
    pub(crate) fn checkpoint_due(&self) -> bool {
        self.journal()
            .is_some_and(|journal| journal.checkpoint_due() || (!journal.has_failed() && self.is_over_budget()))
    }

    /// The length of the pieces that stored values are cut into.
    pub(super) const fn piece_bytes(&self) -> u32 {
        match &self.backing {
            Backing::Memory => u32::MAX,
            Backing::ReadOnly { piece_bytes } => *piece_bytes,
            Backing::Journal(journal) => journal.manifest.piece_bytes,
        }
    }

    pub(crate) const fn journal(&self) -> Option<&Journal> {
        match &self.backing {
            Backing::Journal(journal) => Some(journal),
            _ => None,
        }
    }

    pub(crate) const fn journal_mut(&mut self) -> Option<&mut Journal> {
        match &mut self.backing {
            Backing::Journal(journal) => Some(journal),
            _ => None,
        }
    }
}
