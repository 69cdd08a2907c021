//! index -> bytes. The same input, order and seed give the same bytes on every platform when the codes are int8.

use super::{Error, Index};
use crate::format::{ByteSink, FormatError, IdWord, Kind, Layout, Meta, NO_NODE, RecordHeader, SectionWriter};
use crate::types::{Id, Slot};

/// How many words are gathered before they are handed to the sink.
const BATCH_WORDS: usize = 1024;

impl Index {
    /// The index as bytes: docs/FORMAT.md. Tombstones that have not been compacted away go along with their codes, which
    /// under [`Quantization::None`](crate::quantize::Quantization) are their vectors; deleted records' payloads, and under
    /// int8 their full vectors, do not.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn export(&self) -> Result<Vec<u8>, Error> {
        let layout = self.layout()?;
        let total = usize::try_from(layout.total_bytes()).map_err(|_| Error::OutOfMemory)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(total).map_err(|_| Error::OutOfMemory)?;
        bytes.resize(total, 0);
        self.export_to(layout, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the index into a sink of as many bytes as `layout` says.
    pub(crate) fn export_to<S: ByteSink + ?Sized>(&self, layout: Layout, sink: &mut S) -> Result<(), Error> {
        let mut to = SectionWriter::new(sink, layout);
        let super::Parts { graph, codes, .. } = &self.parts;
        to.put(self.meta().to_bytes(&mut [0; Meta::MOST_BYTES])?)?;
        to.end(Kind::Meta)?;
        for (array, kind) in Kind::CODES.into_iter().enumerate() {
            codes.each_segment(array, |segment| to.put(segment))?;
            to.end(kind)?;
        }
        let levels = |slots: core::ops::Range<usize>| slots.map(|slot| graph.level(Slot(slot as u32)));
        in_batches(&mut to, self.parts.slots(), levels, |level| level.map_or(NO_NODE, |level| level.0))?;
        to.end(Kind::Levels)?;
        for lists in graph.base_lists() {
            to.put(bytemuck::cast_slice(lists))?;
        }
        to.end(Kind::BaseLinks)?;
        for lists in graph.upper_lists() {
            to.put(bytemuck::cast_slice(lists))?;
        }
        to.end(Kind::UpperLinks)?;
        self.export_ids(&mut to)?;
        self.export_records(&mut to)?;
        Ok(to.finish()?)
    }

    fn export_ids<S: ByteSink + ?Sized>(&self, to: &mut SectionWriter<'_, S>) -> Result<(), FormatError> {
        let ids = |slots: core::ops::Range<usize>| slots.map(|slot| self.parts.ids.id_of(Slot(slot as u32)));
        let mut start = 0;
        in_batches(to, self.parts.slots(), ids, |id| {
            let word = match id.as_deref() {
                None => IdWord::None,
                Some(Id::Number(number)) => IdWord::Number(*number),
                Some(Id::Text(text)) => {
                    start += text.len() as u64;
                    IdWord::Text { start: start - text.len() as u64, len: text.len() as u64 }
                }
            };
            word.to_word()
        })?;
        to.end(Kind::Ids)?;
        for (_, id) in self.parts.ids.iter() {
            if let Id::Text(text) = &*id {
                to.put(text.as_bytes())?;
            }
        }
        to.end(Kind::IdTexts)
    }

    /// Records in order of slot, without the bytes of deleted ones. Where each begins comes first, so that a reader can
    /// go to one record.
    fn export_records<S: ByteSink + ?Sized>(&self, to: &mut SectionWriter<'_, S>) -> Result<(), FormatError> {
        let mut at = 0;
        let lengths = |slots: core::ops::Range<usize>| slots.map(|slot| self.record_bytes(Slot(slot as u32)));
        in_batches(to, self.parts.slots(), lengths, |length| {
            at += length;
            at - length
        })?;
        to.put(&at.to_le_bytes())?;
        to.end(Kind::RecordOffsets)?;
        for (_, record) in self.parts.records.iter() {
            let header = RecordHeader { kind: record.kind.number(), payload_bytes: record.payload.len() as u32 };
            to.put(&header.to_word().to_le_bytes())?;
            to.put(bytemuck::cast_slice(record.vector))?;
            to.put(record.payload)?;
            let padding = [0; 3];
            to.put(padding.get(..record.payload.len().next_multiple_of(4) - record.payload.len()).unwrap_or_default())?;
        }
        to.end(Kind::Records)
    }

    fn record_bytes(&self, slot: Slot) -> u64 {
        let Some(record) = self.parts.records.record(slot) else { return 0 };
        4 + 4 * record.vector.len() as u64 + (record.payload.len() as u64).next_multiple_of(4)
    }

    fn meta(&self) -> Meta {
        Meta {
            dimensions: self.config.dimensions as u32,
            metric: self.config.metric as u8,
            quantization: self.config.quantization as u8,
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

    /// Where everything will lie. Linear in the number of records.
    pub(crate) fn layout(&self) -> Result<Layout, Error> {
        let [codes, lower, scales] = self.parts.codes.row_bytes();
        let slots = self.parts.slots() as u64;
        let graph = &self.parts.graph;
        let texts = |id: &Id| if let Id::Text(text) = id { text.len() as u64 } else { 0 };
        Ok(Layout::new([
            self.meta().to_bytes(&mut [0; Meta::MOST_BYTES])?.len() as u64,
            slots * codes as u64,
            slots * lower as u64,
            slots * scales as u64,
            slots,
            slots * graph.row_bytes() as u64,
            4 * (graph.upper_len() * graph.m()) as u64,
            8 * slots,
            self.parts.ids.iter().map(|(_, id)| texts(&id)).sum(),
            8 * (slots + 1),
            (0..slots as u32).map(|slot| self.record_bytes(Slot(slot))).sum(),
        ]))
    }
}

/// Writes one word for each of `count` items.
fn in_batches<S: ByteSink + ?Sized, T, W: bytemuck::NoUninit + Default, I: Iterator<Item = T>>(
    to: &mut SectionWriter<'_, S>,
    count: usize,
    items: impl Fn(core::ops::Range<usize>) -> I,
    mut word: impl FnMut(T) -> W,
) -> Result<(), FormatError> {
    let mut batch = [W::default(); BATCH_WORDS];
    for start in (0..count).step_by(BATCH_WORDS) {
        let end = count.min(start + BATCH_WORDS);
        let batch = &mut batch[..end - start];
        for (place, item) in batch.iter_mut().zip(items(start..end)) {
            *place = word(item);
        }
        to.put(bytemuck::cast_slice(batch))?;
    }
    Ok(())
}
