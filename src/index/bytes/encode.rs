//! Encodes a segment of slots. `export` writes each array of all segments, a checkpoint all arrays of one segment.

use crate::arena::{put_record, stored_record_bytes};
use crate::format::{FormatError, IdWord, Meta, NO_NODE};
use crate::index::Index;
use crate::segments::SEGMENT_SLOTS;
use crate::types::{Id, Slot};
use core::ops::Range;

/// Receives the encoded bytes. A trait object, so that the encoding is compiled once (size).
pub(in crate::index) type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), FormatError> + 'a;

impl Index {
    /// The slots of a segment that exist: the last segment may be shorter.
    pub(in crate::index) fn slots_in(&self, segment: usize) -> Range<usize> {
        let slots = self.parts.slots();
        (segment * SEGMENT_SLOTS).min(slots)..((segment + 1) * SEGMENT_SLOTS).min(slots)
    }

    pub(in crate::index) fn put_levels(&self, segment: usize, to: &mut Sink<'_>) -> Result<(), FormatError> {
        let level = |slot| self.parts.graph.level(slot).map_or(NO_NODE, |level| level.0);
        put_words(self.slots_in(segment), level, to)
    }

    pub(in crate::index) fn put_base_links(&self, segment: usize, to: &mut Sink<'_>) -> Result<(), FormatError> {
        to(bytemuck::must_cast_slice(self.parts.graph.base_lists(segment)))
    }

    pub(in crate::index) fn put_upper_links(&self, segment: usize, to: &mut Sink<'_>) -> Result<(), FormatError> {
        to(bytemuck::must_cast_slice(self.parts.graph.upper_lists(segment)))
    }

    /// Writes the words of ids. The texts of string ids begin at `start`, which is moved past the last one.
    pub(in crate::index) fn put_ids(
        &self,
        segment: usize,
        start: &mut u64,
        to: &mut Sink<'_>,
    ) -> Result<(), FormatError> {
        let word = |slot| {
            let word = match self.parts.ids.id_of(slot).as_deref() {
                None => IdWord::None,
                Some(Id::Number(number)) => IdWord::Number(*number),
                Some(Id::Text(text)) => {
                    let len = text.len() as u64;
                    *start += len;
                    IdWord::Text { start: *start - len, len }
                }
            };
            word.to_word()
        };
        put_words(self.slots_in(segment), word, to)
    }

    pub(in crate::index) fn put_texts(&self, segment: usize, to: &mut Sink<'_>) -> Result<(), FormatError> {
        for slot in self.slots_in(segment) {
            if let Some(Id::Text(text)) = self.parts.ids.id_of(Slot(slot as u32)).as_deref() {
                to(text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes where the record of each slot ends, so that a reader can find records without reading them. The records
    /// before the segment end at `end`, which is moved to the end of its last one; `bytes` gives the length of each.
    pub(in crate::index) fn put_record_ends(
        &self,
        segment: usize,
        end: &mut u64,
        bytes: impl Fn(Slot) -> u64,
        to: &mut Sink<'_>,
    ) -> Result<(), FormatError> {
        let word = |slot| {
            *end += bytes(slot);
            *end
        };
        put_words(self.slots_in(segment), word, to)
    }

    /// Writes the records of these slots. Deleted ones are left out.
    pub(in crate::index) fn put_records(&self, slots: Range<usize>, to: &mut Sink<'_>) -> Result<(), FormatError> {
        for slot in slots {
            let Some(record) = self.parts.records.record(Slot(slot as u32)) else { continue };
            put_record(&record, to)?;
        }
        Ok(())
    }

    /// Whether a record in this segment ever expires.
    pub(in crate::index) fn expires_in(&self, segment: usize) -> bool {
        let expiries = &self.parts.expiries;
        !expiries.is_empty() && self.slots_in(segment).any(|slot| expiries.get(Slot(slot as u32)).is_some())
    }

    /// Writes when the record of each slot expires; infinity means never.
    pub(in crate::index) fn put_expiries(&self, segment: usize, to: &mut Sink<'_>) -> Result<(), FormatError> {
        put_words(self.slots_in(segment), |slot| self.parts.expiries.get(slot).unwrap_or(f64::INFINITY), to)
    }

    pub(in crate::index) fn record_bytes(&self, slot: Slot) -> u64 {
        self.parts.records.record(slot).map_or(0, |record| stored_record_bytes(&record) as u64)
    }

    pub(in crate::index) fn meta(&self) -> Meta {
        Meta {
            dimensions: self.config.dimensions as u32,
            metric: self.config.metric as u8,
            quantization: self.parts.codes.stored_number(),
            m: self.config.m as u32,
            ef_construction: self.config.ef_construction as u32,
            ef: self.config.ef as u32,
            seed: self.config.seed,
            compaction_threshold: self.config.compaction_threshold,
            draws: self.draws,
            next_number: self.parts.ids.numbers_used(),
            slots: self.parts.slots() as u32,
            entry: self.parts.graph.entry().unwrap_or(Slot::NONE).0,
            growth_sum: self.parts.graph.growth().sum,
            growth_count: self.parts.graph.growth().count,
        }
    }
}

/// Writes one word for each slot. The words are collected on the stack, not the heap.
fn put_words<W: bytemuck::NoUninit + Default>(
    slots: Range<usize>,
    mut word: impl FnMut(Slot) -> W,
    to: &mut Sink<'_>,
) -> Result<(), FormatError> {
    let mut words = [W::default(); SEGMENT_SLOTS];
    let count = slots.len();
    for (place, slot) in words.iter_mut().zip(slots) {
        *place = word(Slot(slot as u32));
    }
    to(bytemuck::must_cast_slice(&words[..count]))
}
