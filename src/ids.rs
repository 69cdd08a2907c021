//! Ids to slots and back, and which slots are free.
//!
//! The id of each slot is in [`by_slot`]. The slot of each id is in hash tables that hold only slots and compare their
//! ids ([`tables`]), so an id is stored once. An index that was read from a store, or is mapped, begins without tables:
//! a search needs only the ids of slots, and the first call that needs the slot of an id makes them.
//!
//! A slot below `len` is *free*, or *in use*: bound to an id (its record is live), or unbound (its record was deleted,
//! but the graph may still walk through it). The lowest free slot is given out first, so that the same calls give the
//! same slots on every platform and the arrays of slots can be shortened from their end.

mod by_slot;
mod tables;
mod texts;

use core::fmt;
use std::borrow::Cow;
use std::sync::OnceLock;

use self::by_slot::BySlot;
pub(crate) use self::tables::LookupError;
use self::tables::Tables;
pub(crate) use self::texts::wipe_id;
use crate::segments::Changes;
use crate::slot_set::SlotSet;
use crate::types::{Id, OutOfMemory, Slot};

/// Why a value cannot be an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidId {
    /// The number is beyond [`Id::MAX_NUMBER`].
    NumberTooLarge(u64),
    /// The string is empty.
    EmptyText,
    /// The string has this many bytes of UTF-8, more than [`Id::MAX_TEXT_BYTES`].
    TextTooLong(usize),
}

/// What was received in place of an id.
impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NumberTooLarge(number) => write!(f, "{number}"),
            Self::EmptyText => f.write_str("an empty string"),
            Self::TextTooLong(bytes) => write!(f, "a string of {bytes} bytes"),
        }
    }
}

/// Checks that `id` is one that the index accepts.
pub(crate) fn validate(id: &Id) -> Result<(), InvalidId> {
    match id {
        Id::Number(number) if *number > Id::MAX_NUMBER => Err(InvalidId::NumberTooLarge(*number)),
        Id::Text(text) if text.is_empty() => Err(InvalidId::EmptyText),
        Id::Text(text) if text.len() > Id::MAX_TEXT_BYTES => Err(InvalidId::TextTooLong(text.len())),
        _ => Ok(()),
    }
}

/// The ids of the live records, the slots they are in, and the free slots.
#[derive(Debug)]
pub(crate) struct IdMap {
    by_slot: BySlot,
    /// Made when the slot of an id is first asked for.
    tables: OnceLock<Tables>,
    /// The tables made so far, and the first slot that they lack, while they are made in steps.
    making: Option<(Tables, Slot)>,
    bound: usize,
    free: SlotSet,
    /// No slot below this one is free: where the search for the lowest begins.
    lowest_free: Slot,
    next_number: u64,
}

impl IdMap {
    /// How many hash tables the ids are spread over; the range of [`IdMap::shrink_part`].
    pub(crate) const PARTS: usize = Tables::COUNT;

    pub(crate) const fn new() -> Self {
        Self {
            by_slot: BySlot::new(),
            tables: OnceLock::new(),
            making: None,
            bound: 0,
            free: SlotSet::new(),
            lowest_free: Slot(0),
            next_number: 0,
        }
    }

    /// The number of slots, in use or free. Every slot is below it.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.by_slot.len()
    }

    /// Ids held: one for each live record.
    #[inline]
    pub(crate) const fn bound(&self) -> usize {
        self.bound
    }

    /// Returns true when `slot` is below `len` and free.
    pub(crate) fn is_free(&self, slot: Slot) -> bool {
        self.free.contains(slot)
    }

    /// The slot of the live record called `id`. Constant time, except that the first call after ids were read from a
    /// store makes the tables.
    pub(crate) fn slot_of(&self, id: &Id) -> Result<Option<Slot>, LookupError> {
        Ok(self.tables()?.find(&self.by_slot, id))
    }

    /// Makes the tables, if they are missing, some slots at a time. Returns true while slots are left. A call that
    /// needs a slot in the meantime makes all tables at once.
    pub(crate) fn prepare_some(&mut self, slots: usize) -> Result<bool, LookupError> {
        if self.tables.get().is_some() {
            self.making = None;
            return Ok(false);
        }
        let (mut tables, first) = match self.making.take() {
            Some(making) => making,
            None => (Tables::new(&self.by_slot, self.bound)?, Slot(0)),
        };
        let end = first.index().saturating_add(slots).min(self.len());
        tables.add(&self.by_slot, first.index()..end)?;
        if end < self.len() {
            self.making = Some((tables, Slot(end as u32)));
            return Ok(true);
        }
        let _ = self.tables.set(tables);
        Ok(false)
    }

    /// Makes the tables, if they are not there.
    pub(crate) fn prepare_lookups(&self) -> Result<(), LookupError> {
        self.tables().map(|_| ())
    }

    /// The tables, made if they are not there.
    fn tables(&self) -> Result<&Tables, LookupError> {
        if self.tables.get().is_none() {
            // If two threads get here at once, the second to finish has made its tables for nothing.
            let mut tables = Tables::new(&self.by_slot, self.bound)?;
            tables.add(&self.by_slot, 0..self.len())?;
            let _ = self.tables.set(tables);
        }
        self.tables.get().ok_or(LookupError::OutOfMemory)
    }

    /// The id of the live record in `slot`; `None` if the slot has none or is out of range. No string is copied.
    #[inline]
    pub(crate) fn id_of(&self, slot: Slot) -> Option<Cow<'_, Id>> {
        self.by_slot.get(slot)
    }

    /// The live records' slots and ids, by ascending slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, Cow<'_, Id>)> {
        (0..self.len() as u32).map(Slot).filter_map(|slot| Some((slot, self.id_of(slot)?)))
    }

    /// Which segments of slots have changed ids since they were last stored.
    pub(crate) const fn changes_mut(&mut self) -> &mut Changes {
        self.by_slot.changes_mut()
    }

    /// Makes room for `additional` more records.
    ///
    /// After it, one [`IdMap::allocate`] and one [`IdMap::bind`] of any id cannot fail. Of more, only the slots are
    /// certain: ids are spread over the tables by their hash, so each bind needs a `reserve(1)` of its own, which is
    /// then almost always only a check.
    pub(crate) fn reserve(&mut self, additional: usize) -> Result<(), LookupError> {
        let new_slots = additional.saturating_sub(self.free.count());
        self.reserve_slots(self.len().saturating_add(new_slots))?;
        self.tables()?;
        let Some(tables) = self.tables.get_mut() else { return Ok(()) };
        Ok(tables.reserve(&self.by_slot, additional)?)
    }

    /// Makes room for the slots up to `len`, which will take over the ids of other slots.
    pub(crate) fn reserve_slots(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if len > Slot::MOST {
            return Err(OutOfMemory);
        }
        self.by_slot.reserve(len)?;
        self.free.reserve(len)
    }

    /// Adds slots without ids up to `len`. [`IdMap::adopt`] may then give them ids.
    pub(crate) fn extend(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.by_slot.extend(len)?;
        self.free.reserve(len)
    }

    /// Borrows the ids of an exported file until they change. `live` of the `len` slots have an id, and all numbers
    /// among them are below `numbers`. Returns `None` unless there are `len` words.
    #[cfg(feature = "mmap")]
    pub(crate) fn map(
        &mut self,
        len: usize,
        [words, texts]: [bytes::Bytes; 2],
        live: usize,
        numbers: u64,
    ) -> Result<Option<()>, OutOfMemory> {
        self.free.reserve(len)?;
        self.bound = live;
        self.next_number = numbers;
        Ok(self.by_slot.map(len, &words, texts))
    }

    /// Gives a slot in use an id that was stored, without comparing it with others: duplicates are found when the
    /// tables are made, so there must be no tables yet. Returns false if the id is not valid.
    pub(crate) fn adopt(&mut self, slot: Slot, id: Id) -> Result<bool, OutOfMemory> {
        debug_assert!(self.tables.get().is_none() && self.id_of(slot).is_none(), "{slot:?} is adopted");
        if validate(&id).is_err() {
            return Ok(false);
        }
        if let Id::Number(number) = &id {
            self.next_number = self.next_number.max(number + 1);
        } else {
            self.by_slot.reserve_text()?;
        }
        self.by_slot.set(slot, id);
        self.bound += 1;
        Ok(true)
    }

    /// The first free slot from this one on.
    pub(crate) fn free_from(&self, slot: Slot) -> Option<Slot> {
        if self.free.is_empty() { None } else { self.free.next_from(slot) }
    }

    /// The slot that [`IdMap::allocate`] would give.
    pub(crate) fn next_slot(&self) -> Slot {
        // `reserve` keeps `len` within u32.
        self.free_from(self.lowest_free).unwrap_or(Slot(self.len() as u32))
    }

    /// The slot that [`IdMap::allocate`] would give; the next search for one begins there. For a caller that takes
    /// slots by [`IdMap::occupy`].
    pub(crate) fn advance_next(&mut self) -> Slot {
        self.lowest_free = self.next_slot();
        self.lowest_free
    }

    /// Takes the lowest free slot, or the next new one, into use, with no id. Needs a [`IdMap::reserve`] before it.
    pub(crate) fn allocate(&mut self) -> Slot {
        let slot = self.next_slot();
        if self.occupy(slot) {
            self.lowest_free = slot;
        }
        slot
    }

    /// Takes this free slot, or the next new one, into use. Returns whether it was free.
    pub(crate) fn occupy(&mut self, slot: Slot) -> bool {
        let was_free = self.free.remove(slot);
        if !was_free {
            self.by_slot.push();
        }
        was_free
    }

    /// Frees a slot in use. Returns false and changes nothing if it still has an id, is free, or is out of range.
    pub(crate) fn release(&mut self, slot: Slot) -> bool {
        if slot.index() >= self.len() || self.id_of(slot).is_some() || !self.free.insert(slot) {
            return false;
        }
        self.lowest_free = self.lowest_free.min(slot);
        true
    }

    /// Gives the slot in use its id. Needs a [`IdMap::reserve`] before it. A number raises [`IdMap::next_number`]
    /// beyond itself.
    ///
    /// Returns false and changes nothing if the id is not valid or already belongs to a live record, or if the slot has
    /// an id or is not in use.
    #[must_use]
    pub(crate) fn bind(&mut self, slot: Slot, id: Id) -> bool {
        if slot.index() >= self.len() || self.is_free(slot) || self.id_of(slot).is_some() {
            return false;
        }
        let Some(tables) = self.tables.get_mut() else { return false };
        if validate(&id).is_err() || tables.find(&self.by_slot, &id).is_some() {
            return false;
        }
        if let Id::Number(number) = &id {
            self.next_number = self.next_number.max(number + 1);
        }
        self.by_slot.set(slot, id);
        tables.insert(&self.by_slot, slot);
        self.bound += 1;
        true
    }

    /// Takes the id from `slot`, which stays in use; the id may be bound again at once. Returns false if there was
    /// none, or if the tables are missing and there is no memory to make them.
    pub(crate) fn unbind(&mut self, slot: Slot) -> bool {
        if self.id_of(slot).is_none() || self.tables().is_err() {
            return false;
        }
        let Some(tables) = self.tables.get_mut() else { return false };
        let last = self.by_slot.moving_with(slot).and_then(|last| tables.find(&self.by_slot, last));
        if !tables.remove(&self.by_slot, slot) {
            return false;
        }
        self.bound -= 1;
        self.by_slot.remove(slot, last.unwrap_or(slot));
        true
    }

    /// Exchanges two slots below `len`: their ids, and whether they are free. A compaction uses it to move a record
    /// into a free slot.
    pub(crate) fn swap(&mut self, a: Slot, b: Slot) {
        if a == b || a.index() >= self.len() || b.index() >= self.len() {
            return;
        }
        if let Some(tables) = self.tables.get_mut() {
            tables.swap(&self.by_slot, a, b);
        }
        self.by_slot.swap(a, b);
        self.free.swap(a, b);
        self.lowest_free = self.lowest_free.min(a).min(b);
    }

    /// The length that [`IdMap::truncate`] can shorten to without loss: one more than the highest slot in use, but at
    /// least `least`, below which no slot is looked at.
    pub(crate) fn used_len(&self, least: usize) -> usize {
        (least..self.len()).rev().find(|&slot| !self.is_free(Slot(slot as u32))).map_or(least, |slot| slot + 1)
    }

    /// Drops the slots at and above `len`, with any ids they have, and the room for them.
    ///
    /// The hash tables keep their room, because rewriting all of them takes long: see [`IdMap::shrink_part`].
    pub(crate) fn truncate(&mut self, len: usize) {
        for slot in len..self.len() {
            self.unbind(Slot(slot as u32));
        }
        if len <= self.len() {
            self.by_slot.truncate(len);
            self.free.truncate(len);
            self.lowest_free = self.lowest_free.min(self.next_slot());
        }
    }

    /// Gives back the spare room of one hash table, `0..PARTS`, by rewriting it: a step of a job. When there is no
    /// memory for the smaller table, the larger one stays.
    pub(crate) fn shrink_part(&mut self, part: usize) {
        if let Some(tables) = self.tables.get_mut() {
            tables.shrink(&self.by_slot, part);
        }
    }

    /// The next number never used as an id; `None` past [`Id::MAX_NUMBER`]. Binding it advances to the next.
    pub(crate) fn next_number(&self) -> Option<u64> {
        (self.next_number <= Id::MAX_NUMBER).then_some(self.next_number)
    }

    /// Marks numbers below `number` as used, as they were in the stored index. Never lowers [`IdMap::next_number`].
    pub(crate) fn raise_next_number(&mut self, number: u64) {
        self.next_number = self.next_number.max(number.min(Id::MAX_NUMBER + 1));
    }

    /// What to store for [`IdMap::raise_next_number`]; up to `Id::MAX_NUMBER + 1`.
    pub(crate) const fn numbers_used(&self) -> u64 {
        self.next_number
    }

    /// About how many bytes the tables will take when they are made; 0 if they exist or are being made.
    pub(crate) fn unmade_bytes(&self) -> usize {
        if self.making.is_some() || self.tables.get().is_some() { 0 } else { Tables::bytes_for(self.bound) }
    }

    /// Bytes held: ids and tables with their spare room, and the free set.
    pub(crate) fn resident_bytes(&self) -> usize {
        let made = self.tables.get().map_or(0, Tables::resident_bytes);
        let tables = made + self.making.as_ref().map_or(0, |(tables, _)| tables.resident_bytes());
        self.by_slot.resident_bytes() + tables + self.free.resident_bytes()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
