//! The records of a mapped export, read in place.

#[cfg(feature = "mmap")]
use super::block::view;
#[cfg(feature = "mmap")]
use super::record::PayloadKind;
use super::record::Record;
#[cfg(feature = "mmap")]
use crate::slot_set::SlotSet;
use crate::types::Slot;
#[cfg(feature = "mmap")]
use bytes::Bytes;

/// Without the feature `mmap` there are no mapped records.
#[cfg(not(feature = "mmap"))]
#[derive(Debug)]
pub(crate) enum MappedRecords {}

#[cfg(not(feature = "mmap"))]
impl MappedRecords {
    pub(super) const fn contains(&self, _: Slot) -> bool {
        match *self {}
    }

    pub(super) const fn record(&self, _: Slot, _: usize) -> Option<Record<'_>> {
        match *self {}
    }

    pub(super) const fn forget(&mut self, _: Slot) {
        match *self {}
    }

    pub(super) const fn truncate(&mut self, _: usize) {
        match *self {}
    }

    pub(super) const fn next_from(&self, _: Slot) -> Option<Slot> {
        match *self {}
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        match *self {}
    }
}

/// The records of an export whose slots have not been given other records since.
#[cfg(feature = "mmap")]
#[derive(Debug)]
pub(crate) struct MappedRecords {
    /// Where each record begins in `records`, and where the last ends, eight bytes each.
    offsets: Bytes,
    records: Bytes,
    /// The slots whose records are here.
    held: SlotSet,
    /// Whether the metric is cosine, for which a record's inverse norm must be computed: it is not stored.
    is_cosine: bool,
}

#[cfg(feature = "mmap")]
impl MappedRecords {
    /// The records of the live slots. `None` unless there are `len + 1` offsets, and the bytes of the records are
    /// whole, aligned words.
    pub(crate) fn new(len: usize, [offsets, records]: [Bytes; 2], live: SlotSet, is_cosine: bool) -> Option<Self> {
        let is_whole =
            offsets.len() == (len + 1) * size_of::<u64>() && bytemuck::try_cast_slice::<u8, u32>(&records).is_ok();
        is_whole.then_some(Self { offsets, records, held: live, is_cosine })
    }

    /// Whether a slot's record is here.
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.held.contains(slot)
    }

    /// The record of a slot as the file has it; `None` if it is malformed.
    pub(super) fn record(&self, slot: Slot, dimensions: usize) -> Option<Record<'_>> {
        if !self.held.contains(slot) {
            return None;
        }
        let start = slot.index() * size_of::<u64>();
        let offset = u64::from_le_bytes(self.offsets.get(start..start + size_of::<u64>())?.try_into().ok()?);
        let words: &[u32] = bytemuck::try_cast_slice(&self.records).ok()?;
        let first = usize::try_from(offset).ok().filter(|offset| offset.is_multiple_of(size_of::<u32>()))?;
        let (header, vector, payload) = view(words.get(first / size_of::<u32>()..)?, dimensions)?.ok()?;
        let kind = PayloadKind::from_number(header.kind)?;
        if kind == PayloadKind::Json && str::from_utf8(payload).is_err() {
            return None;
        }
        let norm = || vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        let inverse_norm = if self.is_cosine { (1.0 / norm()) as f32 } else { 1.0 };
        Some(Record { inverse_norm, vector, kind, payload })
    }

    /// Notes that a slot has no record here any more.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.held.remove(slot);
    }

    /// Notes that slots from `len` on have no records here any more.
    pub(super) fn truncate(&mut self, len: usize) {
        self.held.truncate(len);
    }

    /// The first slot from this one on whose record is here.
    pub(super) fn next_from(&self, slot: Slot) -> Option<Slot> {
        self.held.next_from(slot)
    }

    /// Bytes of memory held, without the mapping.
    pub(super) fn resident_bytes(&self) -> usize {
        self.held.resident_bytes()
    }
}
