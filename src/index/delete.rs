//! delete, clear.

use super::{Error, Index, Parts};
use crate::format::Entry;
use crate::types::{Id, Slot};

impl Index {
    /// Deletes a record, and returns whether there was one. Constant time, but for the first call by id after opening
    /// or mapping an index: it makes the table of ids, in time linear in their number.
    ///
    /// The id can be inserted again at once. The record's bytes are reclaimed by the next compaction.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; [`Error::OutOfMemory`]; [`Error::ReadOnly`]. Of a stored index also the error with which
    /// its store has failed, and [`Error::Corrupt`] when two of its records have the same id, which is then ambiguous.
    pub fn delete(&mut self, id: &Id) -> Result<bool, Error> {
        Self::check_id(id)?;
        self.check_writable()?;
        let Some(slot) = self.parts.ids.slot_of(id)? else {
            if self.has_expired() {
                // The record may have expired by a clock that is ahead. Its deletion counts by any clock.
                self.log(&Entry::Delete(id.into()))?;
                self.logged();
            }
            return Ok(false);
        };
        self.reserve_pending(1)?;
        self.log(&Entry::Delete(id.into()))?;
        self.delete_slot(slot);
        self.logged();
        self.make_room();
        Ok(true)
    }

    /// Makes a live slot a tombstone. The caller has reserved room in the queue of [`super::pending`], and ids can be
    /// looked up.
    pub(super) fn delete_slot(&mut self, slot: Slot) {
        self.parts.ids.unbind(slot);
        self.parts.tombstones.delete(slot);
        self.pending.delete(slot);
        self.parts.records.remove(slot);
        self.parts.expiries.remove(slot);
    }

    /// Deletes every record and gives the memory back at once. Ends a compaction under way. [`Index::insert`] still
    /// gives no number again that was an id.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; of a stored index [`Error::OutOfMemory`] and the error with which its store has failed.
    pub fn clear(&mut self) -> Result<(), Error> {
        self.log(&Entry::Clear)?;
        let used = self.parts.ids.numbers_used();
        self.job = None;
        self.pending = self.pending.emptied();
        self.drop_bulk();
        if cfg!(not(target_arch = "wasm32")) && self.is_stored() {
            // Codes are overwritten before their memory is given back.
            (0..self.parts.codes.len()).for_each(|slot| self.parts.codes.erase(Slot(slot as u32)));
        }
        let records = self.parts.records.emptied();
        self.parts = Parts { records, ..Self::empty_parts(&self.config) };
        self.parts.ids.raise_next_number(used);
        self.logged();
        self.make_room();
        Ok(())
    }
}
