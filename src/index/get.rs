//! get, contains, iteration.

use super::{Error, Index, Payload};
use crate::types::{Id, Slot};

/// A record. What may be large of it is borrowed from the index.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// Its key.
    pub id: Id,
    /// The vector as it was given.
    pub vector: &'a [f32],
    /// What it carries, as it was given.
    pub payload: Option<Payload<'a>>,
}

impl Index {
    /// The live record of this id. Constant time.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; [`Error::OutOfMemory`]. [`Error::Cold`] when it is in the store only; [`Error::Corrupt`] when
    /// the store no longer has it as it was written.
    pub fn get(&self, id: &Id) -> Result<Option<Record<'_>>, Error> {
        Self::check_id(id)?;
        let Some(slot) = self.parts.ids.slot_of(id)? else { return Ok(None) };
        self.need([slot].into_iter())?;
        let Some((vector, payload)) = self.contents(slot) else {
            return Err(lost());
        };
        Ok(Some(Record { id: id.try_clone()?, vector, payload }))
    }

    /// Whether there is a live record of this id. Constant time.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; as [`Index::get`], of an index that was stored, [`Error::OutOfMemory`] and [`Error::Corrupt`].
    pub fn contains(&self, id: &Id) -> Result<bool, Error> {
        Self::check_id(id)?;
        Ok(self.parts.ids.slot_of(id)?.is_some())
    }

    /// The live records that are in memory, in no order that means anything: all of them, unless the index is stored and was
    /// opened with a budget, or lazily, or has lost some with a damaged block.
    ///
    /// Copies each string id by an allocation that ends the program when it is refused; [`Index::get`] has an error.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.parts.tombstones.live_slots().iter().filter_map(|slot| {
            let (vector, payload) = self.contents(slot)?;
            Some(Record { id: self.parts.ids.id_of(slot)?.into_owned(), vector, payload })
        })
    }

    /// The record in a live slot, without its id; none when it is not in memory.
    pub(crate) fn contents(&self, slot: Slot) -> Option<(&[f32], Option<Payload<'_>>)> {
        let record = self.parts.records.record(slot)?;
        let vector = self.parts.codes.vector(slot).unwrap_or(record.vector);
        Some((vector, Payload::from_parts(record.kind, record.payload)))
    }
}

/// Why a live record that is in memory, for all that is known, cannot be had.
pub(crate) fn lost() -> Error {
    Error::Corrupt { what: "a record is lost: its block is not as it was written".to_owned() }
}
