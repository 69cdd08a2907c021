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
    /// [`Error::InvalidId`]; [`Error::OutOfMemory`].
    pub fn get(&self, id: &Id) -> Result<Option<Record<'_>>, Error> {
        Self::check_id(id)?;
        let Some((vector, payload)) = self.parts.ids.slot_of(id).and_then(|slot| self.contents(slot)) else {
            return Ok(None);
        };
        Ok(Some(Record { id: id.try_clone()?, vector, payload }))
    }

    /// Whether there is a live record of this id. Constant time.
    ///
    /// # Errors
    /// [`Error::InvalidId`].
    pub fn contains(&self, id: &Id) -> Result<bool, Error> {
        Self::check_id(id)?;
        Ok(self.parts.ids.slot_of(id).is_some())
    }

    /// The live records, in no order that means anything.
    ///
    /// Copies each string id by an allocation that ends the program when it is refused; [`Index::get`] has an error.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.parts.tombstones.live_slots().iter().filter_map(|slot| {
            let (vector, payload) = self.contents(slot)?;
            Some(Record { id: self.parts.ids.id_of(slot)?.into_owned(), vector, payload })
        })
    }

    /// The record in a live slot, without its id.
    pub(crate) fn contents(&self, slot: Slot) -> Option<(&[f32], Option<Payload<'_>>)> {
        let (kind, bytes) = self.parts.records.payload(slot)?;
        Some((self.vector(slot)?, Payload::from_parts(kind, bytes)))
    }

    fn vector(&self, slot: Slot) -> Option<&[f32]> {
        self.parts.codes.vector(slot).or_else(|| self.parts.records.vector(slot))
    }
}
