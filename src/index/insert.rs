//! insert, insert_with_id, upsert.

use super::expire::check_expiry;
use super::link::link;
use super::payload::too_long;
use super::{Error, Index, Payload};
use crate::arena::AppendError;
use crate::graph::{NewNode, Scratch, draw_level};
use crate::ids::validate;
use crate::types::{Id, OutOfMemory, Slot};

impl From<AppendError> for Error {
    #[cold]
    #[inline(never)]
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::OutOfMemory => Self::OutOfMemory,
            AppendError::PayloadTooLong(received) => too_long(received),
            AppendError::DimensionMismatch { expected, received } => Self::DimensionMismatch { expected, received },
        }
    }
}

impl Index {
    /// Inserts a record under the next number that was never an id in this index, and returns that id.
    ///
    /// Expected cost: O(ef_construction log n) distances.
    ///
    /// # Errors
    /// As [`Index::check_vector`]; [`Error::InvalidId`] when the largest number has been used; [`Error::InvalidOption`]
    /// for a payload of 1 GiB or more; [`Error::OutOfMemory`]; [`Error::OverBudget`]; [`Error::ReadOnly`]; the error
    /// with which the store has failed; [`Error::Corrupt`] as [`Index::link_step`]. Whatever the error, nothing has
    /// changed.
    pub fn insert(&mut self, vector: &[f32], payload: Option<Payload<'_>>) -> Result<Id, Error> {
        self.insert_expiring(vector, payload, None)
    }

    /// Inserts a record as [`Index::insert`] does, with a moment at which it expires: `expires_ms`, in milliseconds
    /// since 1970; `None`: never. From that moment on it is deleted by the next [`Index::expire`].
    ///
    /// # Errors
    /// As [`Index::insert`]; [`Error::InvalidOption`] for a moment that is not finite.
    pub fn insert_expiring(
        &mut self,
        vector: &[f32],
        payload: Option<Payload<'_>>,
        expires_ms: Option<f64>,
    ) -> Result<Id, Error> {
        let number = self.parts.ids.next_number().ok_or_else(Self::no_number)?;
        let id = Id::Number(number);
        self.put(id.clone(), vector, payload, expires_ms)?;
        Ok(id)
    }

    /// Inserts a record under exactly this id.
    ///
    /// # Errors
    /// As [`Index::insert`]; [`Error::InvalidId`]; [`Error::DuplicateId`] when the id is live. A deleted id may be
    /// inserted again at once.
    pub fn insert_with_id(
        &mut self,
        id: impl Into<Id>,
        vector: &[f32],
        payload: Option<Payload<'_>>,
    ) -> Result<(), Error> {
        self.insert_with_id_expiring(id, vector, payload, None)
    }

    /// Inserts a record under exactly this id, with a moment at which it expires, as [`Index::insert_expiring`].
    ///
    /// # Errors
    /// As [`Index::insert_expiring`] and [`Index::insert_with_id`].
    pub fn insert_with_id_expiring(
        &mut self,
        id: impl Into<Id>,
        vector: &[f32],
        payload: Option<Payload<'_>>,
        expires_ms: Option<f64>,
    ) -> Result<(), Error> {
        let id = id.into();
        self.check_new_id(&id)?;
        self.put(id, vector, payload, expires_ms)
    }

    /// Inserts a record under this id, and replaces the record that has it, if any.
    ///
    /// # Errors
    /// As [`Index::insert`]; [`Error::InvalidId`].
    pub fn upsert(&mut self, id: impl Into<Id>, vector: &[f32], payload: Option<Payload<'_>>) -> Result<(), Error> {
        self.upsert_expiring(id, vector, payload, None)
    }

    /// Inserts or replaces a record as [`Index::upsert`] does, with a moment at which it expires, as
    /// [`Index::insert_expiring`]. The expiry of the replaced record no longer applies.
    ///
    /// # Errors
    /// As [`Index::insert_expiring`] and [`Index::upsert`].
    pub fn upsert_expiring(
        &mut self,
        id: impl Into<Id>,
        vector: &[f32],
        payload: Option<Payload<'_>>,
        expires_ms: Option<f64>,
    ) -> Result<(), Error> {
        let id = id.into();
        Self::check_id(&id)?;
        self.put(id, vector, payload, expires_ms)
    }

    /// The error for a record without an id when the largest number has been used.
    pub(super) fn no_number() -> Error {
        Error::InvalidId {
            received: "no number: the largest has been used, so each record needs an id of its own".to_owned(),
        }
    }

    /// Checks that an id is valid: a whole number from 0 to 2^53 - 1, or a string of 1 to 4096 bytes.
    ///
    /// # Errors
    /// [`Error::InvalidId`].
    pub fn check_id(id: &Id) -> Result<(), Error> {
        validate(id).map_err(|reason| Error::InvalidId { received: reason.to_string() })
    }

    /// Checks that a record may be inserted under this id.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; [`Error::DuplicateId`]; as [`Index::contains`].
    pub fn check_new_id(&self, id: &Id) -> Result<(), Error> {
        Self::check_id(id)?;
        if self.parts.ids.slot_of(id)?.is_some() {
            return Err(Error::DuplicateId { id: id.clone() });
        }
        Ok(())
    }

    /// Allocates ahead for `additional` records without payloads. A hint that saves reallocations; inserting more is
    /// fine.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when there is no memory for so many; [`Error::Corrupt`] as [`Index::contains`].
    pub fn reserve(&mut self, additional: usize) -> Result<(), Error> {
        // Under a budget, room is made when it is needed. Rows of untrained product codes are whole vectors, which most
        // records will not need.
        if self.config.max_bytes.is_some() || self.parts.codes.is_untrained() {
            return Ok(());
        }
        Ok(self.parts.reserve(additional)?)
    }

    /// Puts a record into a slot of its own, then moves the id to this slot.
    fn put(
        &mut self,
        id: Id,
        vector: &[f32],
        payload: Option<Payload<'_>>,
        expires_ms: Option<f64>,
    ) -> Result<(), Error> {
        let put = self.put_record(id, vector, payload, expires_ms);
        // The new record takes memory from other uses, and even a refused one may have grown arrays.
        self.make_room();
        put
    }

    /// The body of [`Index::put`]. Every step that can fail comes first.
    fn put_record(
        &mut self,
        id: Id,
        vector: &[f32],
        payload: Option<Payload<'_>>,
        expires_ms: Option<f64>,
    ) -> Result<(), Error> {
        self.check_writable()?;
        check_expiry(expires_ms)?;
        let inverse_norm = self.inverse_norm(vector)?;
        let (kind, bytes) = Payload::to_parts(payload);
        if self.parts.slots() >= Slot::MOST {
            return Err(Error::OutOfMemory);
        }
        if !self.has_room(bytes.len()) {
            return Err(Error::OverBudget);
        }
        self.link_some()?;
        self.reserve_record(bytes.len(), expires_ms.is_some())?;
        // Room for three changes that may have to wait: linking this record, deleting the one that it replaces, and
        // deleting one more that expires.
        self.reserve_pending(3)?;
        self.log_put(&id, vector, payload, expires_ms)?;
        let mut scratch = self.scratch.take();
        let placed = self.add_vector(vector, inverse_norm, &mut scratch);
        self.scratch.put(scratch);
        let slot = placed.inspect_err(|_| self.unlog())?;
        let in_record = if self.parts.records.dimensions() == 0 { &[] } else { vector };
        if let Err(error) = self.parts.records.append(slot, inverse_norm as f32, in_record, kind, bytes) {
            // Room was reserved above, so this is a defect. The node stays behind as a tombstone, which is never
            // returned.
            self.parts.tombstones.add(slot);
            self.parts.tombstones.delete(slot);
            self.pending.delete(slot);
            self.unlog();
            return Err(error.into());
        }
        self.draws = self.draws.wrapping_add(1);
        if let Ok(Some(replaced)) = self.parts.ids.slot_of(&id) {
            self.delete_slot(replaced);
        }
        let is_bound = self.parts.ids.bind(slot, id);
        debug_assert!(is_bound, "a checked id binds to a slot just allocated");
        self.parts.tombstones.add(slot);
        if let Some(at_ms) = expires_ms {
            self.parts.expiries.set(slot, at_ms);
        }
        self.owe_training();
        self.logged();
        Ok(())
    }

    /// Makes room for one more record, in all but the graph. It will take the slot that is next.
    pub(super) fn reserve_record(&mut self, payload_bytes: usize, expires: bool) -> Result<(), Error> {
        self.parts.reserve_slot()?;
        let slot = self.parts.ids.next_slot();
        self.parts.records.reserve(slot, payload_bytes)?;
        if expires {
            self.parts.expiries.reserve(slot.index() + 1)?;
        }
        Ok(())
    }

    /// Gives the vector a slot, a code and links; a node that has to wait is queued instead of linked. On an error
    /// nothing has changed.
    fn add_vector(&mut self, vector: &[f32], inverse_norm: f64, scratch: &mut Scratch) -> Result<Slot, OutOfMemory> {
        for buffer in scratch.points_mut() {
            self.parts.codes.prepare(buffer)?;
        }
        let slot = self.parts.allocate();
        let super::Parts { graph, codes, tombstones, .. } = &mut self.parts;
        let [query, _] = scratch.points_mut();
        codes.encode(slot, vector, inverse_norm, query);
        let level = draw_level(self.config.seed, self.draws, self.config.m);
        let node = NewNode { slot, level, ef_construction: self.config.ef_construction };
        if self.pending.defers() {
            // A checkpoint stores the level of a node that waits.
            graph.changes_mut().note(slot);
            self.pending.queue.push_link(node);
            return Ok(slot);
        }
        let linked = link(graph, codes, node, tombstones.live_slots(), scratch);
        if linked.is_err() {
            self.give_up_slot(slot);
        }
        linked.map(|()| slot)
    }

    /// Gives back a slot just allocated.
    pub(super) fn give_up_slot(&mut self, slot: Slot) {
        self.parts.release(slot);
        // The graph has no row for a slot beyond its last node, so such a slot is dropped.
        if slot.index() >= self.parts.graph.len() {
            self.parts.shrink();
        }
    }
}
