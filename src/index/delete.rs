//! delete, clear.

use super::{Error, Index, Parts};
use crate::format::Entry;
use crate::types::{Id, Slot};

impl Index {
    /// Deletes a record. Its id may be inserted again at once; its bytes come back at the next compaction.
    ///
    /// Says whether there was one. Constant time.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; [`Error::ReadOnly`]; of a stored index [`Error::OutOfMemory`], what the store has failed with, and
    /// [`Error::Corrupt`] when two of its records have one id: nobody can tell which of them is meant.
    pub fn delete(&mut self, id: &Id) -> Result<bool, Error> {
        Self::check_id(id)?;
        self.check_writable()?;
        let Some(slot) = self.parts.ids.slot_of(id)? else { return Ok(false) };
        self.reserve_pending(1)?;
        self.log(&Entry::Delete(id.into()))?;
        self.bury(slot);
        self.logged();
        Ok(true)
    }

    /// Makes a live slot a tombstone. Room for that has been reserved in the queue of [`super::pending`].
    pub(super) fn bury(&mut self, slot: Slot) {
        self.parts.ids.unbind(slot);
        self.parts.tombstones.delete(slot);
        self.pending.bury(slot);
        self.parts.records.remove(slot);
        self.parts.expiries.remove(slot);
    }

    /// Deletes every record and gives their memory back at once. A compaction under way ends. Numbers that were ids
    /// are still not given again by [`Index::insert`].
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; of a stored index [`Error::OutOfMemory`] and what the store has failed with.
    pub fn clear(&mut self) -> Result<(), Error> {
        self.log(&Entry::Clear)?;
        let used = self.parts.ids.numbers_used();
        self.job = None;
        self.pending = self.pending.emptied();
        if cfg!(not(target_arch = "wasm32")) && self.is_stored() {
            // Codes are not to be found in memory that is given back.
            (0..self.parts.codes.len()).for_each(|slot| self.parts.codes.erase(Slot(slot as u32)));
        }
        let records = self.parts.records.emptied();
        self.parts = Parts { records, ..Self::empty_parts(&self.config) };
        self.parts.ids.raise_next_number(used);
        self.logged();
        Ok(())
    }
}
