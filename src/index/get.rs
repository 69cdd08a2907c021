//! get, contains, iteration.

use super::{Error, Index, Payload};
use crate::types::{Id, Slot};

/// A record, with its vector and payload borrowed from the index.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// The record's id.
    pub id: Id,
    /// The vector as it was given.
    pub vector: &'a [f32],
    /// The payload as it was given.
    pub payload: Option<Payload<'a>>,
    /// When the record expires, in milliseconds since 1970; `None`: never.
    pub expires_ms: Option<f64>,
}

impl Index {
    /// Returns the live record with this id. Constant time, but for the first call by id after opening or mapping an
    /// index: it makes the table of ids, in time linear in their number.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; [`Error::OutOfMemory`]. [`Error::Cold`] when the record is only in the store;
    /// [`Error::Corrupt`] when the store's copy is damaged, or when two stored records have the same id.
    pub fn get(&self, id: &Id) -> Result<Option<Record<'_>>, Error> {
        Self::check_id(id)?;
        let Some(slot) = self.parts.ids.slot_of(id)? else { return Ok(None) };
        self.parts.records.begin_call();
        self.need([slot].into_iter())?;
        let Some((vector, payload)) = self.contents(slot) else {
            return Err(lost());
        };
        Ok(Some(Record { id: id.try_clone()?, vector, payload, expires_ms: self.parts.expiries.get(slot) }))
    }

    /// Whether there is a live record with this id. Constant time, but for the first call by id after opening or
    /// mapping an index: it makes the table of ids, in time linear in their number.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; [`Error::OutOfMemory`]; [`Error::Corrupt`] when two stored records have the same id.
    pub fn contains(&self, id: &Id) -> Result<bool, Error> {
        Self::check_id(id)?;
        Ok(self.parts.ids.slot_of(id)?.is_some())
    }

    /// The live records that are in memory, in no particular order. These are all live records, unless the index is
    /// stored and was opened with a budget, or lazily, or has lost some with a damaged block: such records are left out
    /// silently, and [`Index::ids`] has their ids.
    ///
    /// Each string id is copied by an allocation that ends the program when it is refused; [`Index::get`] returns an
    /// error instead.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.parts.tombstones.live_slots().iter().filter_map(|slot| {
            let (vector, payload) = self.contents(slot)?;
            let expires_ms = self.parts.expiries.get(slot);
            Some(Record { id: self.parts.ids.id_of(slot)?.into_owned(), vector, payload, expires_ms })
        })
    }

    /// The ids of all live records, including those that are only in the store, in no particular order.
    ///
    /// Each string id is copied by an allocation that ends the program when it is refused.
    pub fn ids(&self) -> impl Iterator<Item = Id> {
        self.parts.ids.iter().map(|(_, id)| id.into_owned())
    }

    /// The vector and the payload of the record in a live slot; `None` when it is not in memory.
    pub(crate) fn contents(&self, slot: Slot) -> Option<(&[f32], Option<Payload<'_>>)> {
        let record = self.parts.records.record(slot)?;
        let vector = self.parts.codes.vector(slot).unwrap_or(record.vector);
        Some((vector, Payload::from_parts(record.kind, record.payload)))
    }
}

/// The error for a live record that is not in memory although nothing is left to read: its block is damaged.
pub(crate) fn lost() -> Error {
    Error::Corrupt { what: "a record is lost: its block is not as it was written".to_owned() }
}
