//! The logs that follow a checkpoint -> changes of the index that was read from it.

use super::backing::{Backing, OpenedManifest};
use super::inventory::Inventory;
use super::journal::Journal;
use crate::arena::{Compression, PayloadKind};
use crate::format::{Entry, Key, LogReader, Manifest, Put, zeros};
use crate::ids::wipe_id;
use crate::index::bytes::decode::corrupt;
use crate::index::{Error, Index, Payload, StoredBytes};
use crate::store::Mode;
use crate::types::{Id, OutOfMemory};

/// An index that is replaying its logs. The graph does not change in the meantime: all links wait.
#[derive(Debug)]
pub(crate) struct Replay {
    index: Index,
    manifest: Manifest,
    /// The checksum of the manifest's bytes.
    checksum: u64,
    /// Whether the checkpoint has records without links.
    has_waiting: bool,
    next_sequence: u64,
    log_bytes: u64,
    vector: Vec<f32>,
}

impl Replay {
    /// Begins with the index that the checkpoint of this manifest has given.
    pub(super) fn begin(
        index: Index,
        manifest: Manifest,
        checksum: u64,
        has_waiting: bool,
    ) -> Result<Self, OutOfMemory> {
        let vector = zeros(index.config.dimensions)?;
        let next_sequence = manifest.next_sequence;
        Ok(Self { index, manifest, checksum, has_waiting, next_sequence, log_bytes: 0, vector })
    }

    /// Replays a log. A torn end is where the process that wrote it ended, and is ignored.
    pub(crate) fn log(&mut self, number: u64, bytes: &[u8]) -> Result<(), Error> {
        self.frames(bytes).map_err(|error| named(Key::Log { number }, error))
    }

    fn frames(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.log_bytes += bytes.len() as u64;
        let mut reader = LogReader::new(bytes, self.vector.len(), self.next_sequence);
        while let Some(frame) = reader.next_frame()? {
            for entry in frame.entries() {
                self.apply(&entry)?;
            }
        }
        self.next_sequence = reader.next_sequence();
        Ok(())
    }

    fn apply(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let done = match *entry {
            Entry::Clear => self.index.clear(),
            Entry::Delete(id) => {
                let id = id.to_id()?;
                let deleted = self.index.delete(&id);
                wipe_id(id);
                deleted.map(|_| ())
            }
            Entry::Put(Put { id, expires_ms, vector, kind, payload }) => {
                let id: Id = id.to_id()?;
                let kind = PayloadKind::from_number(kind);
                let payload = kind.and_then(|kind| Payload::from_parts(kind, payload));
                if vector.copy_to(&mut self.vector) {
                    self.index.upsert_expiring(id, &self.vector, payload, expires_ms)
                } else {
                    Ok(())
                }
            }
        };
        // The change was accepted when it was logged, so the log must be damaged.
        done.map_err(|error| match error {
            Error::OutOfMemory => Error::OutOfMemory,
            error => corrupt(format_args!("a log says what cannot be: {error}")).into(),
        })
    }

    /// The index as it was when the last change was committed.
    pub(crate) fn finish(self, inventory: &Inventory, mode: Mode) -> Result<Index, Error> {
        let Self { mut index, manifest, checksum, has_waiting, next_sequence, log_bytes, .. } = self;
        index.pending.holds = false;
        // Room for records that expire before the first change.
        index.reserve_pending(0)?;
        if !index.parts.expiries.is_empty() {
            index.parts.ids.prepare_lookups()?;
        }
        index.backing = match mode {
            Mode::ReadOnly => Backing::ReadOnly {
                piece_bytes: manifest.piece_bytes,
                opened: OpenedManifest { generation: manifest.generation, checksum },
                stored: StoredBytes::of(&manifest, log_bytes),
                compression: Compression::from_word(manifest.compression),
            },
            Mode::ReadWrite => {
                let found = inventory.found(&manifest, log_bytes, next_sequence)?;
                let mut journal = Journal::new(manifest, found)?;
                journal.has_waiting = has_waiting;
                Backing::Journal(journal)
            }
        };
        index.begin_fitting();
        Ok(index)
    }
}

/// Adds to an error in which value it was found.
pub(super) fn named(key: Key, error: Error) -> Error {
    match error {
        Error::Corrupt { what } => Error::Corrupt { what: format!("{key}: {what}") },
        error => error,
    }
}
