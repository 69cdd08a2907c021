//! An index in memory becomes a stored one.

use super::backing::Backing;
use super::inventory::Inventory;
use super::journal::Journal;
use super::open::{MOST_BLOCK_PIECES, MOST_PIECES};
use super::values::most_bytes;
use crate::arena::MAX_PAYLOAD_BYTES;
use crate::format::Manifest;
use crate::index::{Config, Error, Index};
use crate::segments::SEGMENT_SLOTS;

/// The shortest pieces that an index may be stored in: the longest record, which has a block of its own, then is in no
/// more than [`MOST_BLOCK_PIECES`].
const LEAST_PIECE_BYTES: usize = (MAX_PAYLOAD_BYTES + 1 + 4 * Config::MAX_DIMENSIONS) / MOST_BLOCK_PIECES as usize + 1;

impl Index {
    /// Makes an index in memory a stored one, whose first checkpoint is still to be written. Values that the place
    /// holds are left over from a first checkpoint that was cut off. Mapped records stay in their file until it is
    /// written. Values are cut into pieces of `piece_bytes`, or longer ones where a segment or a record would be in
    /// more pieces than an opening accepts.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an index that is in a store already, since its records may be only there;
    /// [`Error::OutOfMemory`].
    pub(crate) fn attach(&mut self, inventory: &Inventory, piece_bytes: usize) -> Result<(), Error> {
        if self.is_stored() {
            return Err(Error::InvalidOption {
                option: "index",
                expected: "one that is in memory only; export and import make such a copy".to_owned(),
                received: "one that is in another store".to_owned(),
            });
        }
        // Before product codes are trained, and again once all records are gone, they take as much as full vectors.
        let vectors = 4 * self.config.dimensions * SEGMENT_SLOTS;
        let longest = most_bytes(&self.parts, 0, SEGMENT_SLOTS).into_iter().fold(vectors, usize::max);
        let piece_bytes = piece_bytes.max(longest.div_ceil(MOST_PIECES as usize)).max(LEAST_PIECE_BYTES);
        let manifest = Manifest {
            generation: 0,
            log: 0,
            next_sequence: 1,
            piece_bytes: u32::try_from(piece_bytes).unwrap_or(u32::MAX),
            next_block: 0,
            compression: 0,
            meta: self.meta(),
            segments: Vec::new(),
            blocks: Vec::new(),
        };
        let found = inventory.found(&manifest, 0, 1)?;
        let journal = Journal::new(manifest, found)?;
        self.parts.records.store(self.parts.slots())?;
        self.backing = Backing::Journal(journal);
        self.begin_fitting();
        Ok(())
    }

    /// Copies the records of a mapped file to memory. Otherwise, once the index is in a store, they are only there.
    pub(crate) fn copy_mapped(&mut self) -> Result<(), Error> {
        Ok(self.parts.records.copy_mapped()?)
    }

    /// Undoes [`Index::attach`] when the first checkpoint could not be written: the index is in memory only, as before.
    pub(crate) fn detach(&mut self) {
        self.backing = Backing::Memory;
        self.end_fitting();
        self.parts.records.unstore();
    }
}
