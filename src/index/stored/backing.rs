//! Where the changes of an index are written besides memory: nowhere, or to the log of a store. A read-only index has
//! no changes to write.

use super::journal::Journal;
use crate::arena::Compression;
use crate::format::{Entry, Put};
use crate::index::{Error, Index, Payload, StoredBytes};
use crate::types::Id;

/// Which manifest an index was opened from. By its generation alone one could take the manifest of another index for
/// it, which was created in the same place since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenedManifest {
    pub(crate) generation: u64,
    /// The checksum of all of its bytes.
    pub(crate) checksum: u64,
}

/// The store behind an index, if any.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Backing {
    /// No store: the index is in memory only.
    Memory,
    /// A store that must not be changed, so the index must not be either.
    ReadOnly {
        /// The length of the pieces that stored values are cut into.
        piece_bytes: u32,
        opened: OpenedManifest,
        /// What the store held then, and how its blocks were compressed.
        stored: StoredBytes,
        compression: Option<Compression>,
    },
    /// A store whose log gets each change. Not boxed: a box cannot report that memory was refused, and each index has
    /// only one backing.
    Journal(Journal),
}

impl Index {
    /// Refuses changes of an index that is read only, or whose store has failed, before they begin.
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        match &self.backing {
            Backing::Memory => Ok(()),
            Backing::ReadOnly { .. } => Err(Error::ReadOnly),
            Backing::Journal(journal) => journal.check(),
        }
    }

    /// Logs a record that is about to be put. [`Index::unlog`] takes the entry back when the change fails after all.
    pub(in crate::index) fn log_put(
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

    /// Logs a change that is about to be made; refuses it as [`Index::check_writable`].
    pub(in crate::index) fn log(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        self.check_writable()?;
        match &mut self.backing {
            Backing::Journal(journal) => journal.push(entry),
            _ => Ok(()),
        }
    }

    /// Takes back what was logged since the last [`Index::logged`].
    pub(in crate::index) fn unlog(&mut self) {
        if let Backing::Journal(journal) = &mut self.backing {
            journal.rewind();
        }
    }

    /// Marks what was logged since the last call as done. It is one change: after a crash all of it is there, or
    /// nothing.
    pub(in crate::index) fn logged(&mut self) {
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

    /// For an index that is read only, the manifest that it was opened from.
    pub(crate) const fn opened_manifest(&self) -> Option<OpenedManifest> {
        if let Backing::ReadOnly { opened, .. } = self.backing { Some(opened) } else { None }
    }

    /// Whether a checkpoint would pay: for the reasons of [`Journal::checkpoint_due`], because options have changed or
    /// records been linked that the last one has without links, neither of which a log can repeat, or because more
    /// records are warm than the budget allows.
    pub(crate) fn checkpoint_due(&self) -> bool {
        self.journal().is_some_and(|journal| {
            journal.checkpoint_due()
                || (!journal.has_failed()
                    && (self.has_new_options(journal)
                        || (journal.has_waiting && self.pending.queue.is_empty())
                        || self.is_over_budget()))
        })
    }

    /// Whether options differ from those that the current checkpoint has.
    fn has_new_options(&self, journal: &Journal) -> bool {
        let [now, stored] = [&self.meta(), &journal.manifest.meta]
            .map(|meta| (meta.ef, meta.ef_construction, meta.compaction_threshold));
        now != stored
    }

    /// Bytes in memory of changes that are in no log yet.
    pub(in crate::index) fn unlogged_bytes(&self) -> usize {
        self.journal().map_or(0, Journal::resident_bytes)
    }

    /// The length of the pieces that stored values are cut into.
    pub(in crate::index) const fn piece_bytes(&self) -> u32 {
        match &self.backing {
            Backing::Memory => u32::MAX,
            Backing::ReadOnly { piece_bytes, .. } => *piece_bytes,
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
