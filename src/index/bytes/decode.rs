//! Stored arrays -> slots, a segment at a time. Every number is checked, so that the result cannot make a search panic
//! or loop. Changing links needs more, the structural proof. [`Filling::finish`] proves an export at once. For
//! a checkpoint the proof is left for later, because it takes longer than all the rest of opening.

use crate::arena::{MOST_BLOCKS, MOST_RECORDS, PayloadKind, Place};
use crate::format::{FormatError, IdWord, Kind, Meta, NO_NODE, RecordHeader, StoredBlock, zeros};
use crate::graph::{Growth, MAX_LEVEL, NodeBits};
use crate::index::{Config, Error, Index};
use crate::metric::Metric;
use crate::quantize::Codes;
use crate::segments::{SEGMENT_SLOTS, segments_of};
use crate::types::{Id, OutOfMemory, Slot};
use crate::wipe::wipe;
use core::fmt::Display;
use core::ops::Range;

/// Stored arrays, each read from its beginning on. Used as a trait object, so that the decoding is compiled once
/// (size).
pub(in crate::index) trait Arrays {
    /// Number of bytes of an array that have not been taken.
    fn left(&self, kind: Kind) -> u64;

    /// Fills `into` with the next bytes of an array.
    fn take(&mut self, kind: Kind, into: &mut [u8]) -> Result<(), FormatError>;

    /// Adds the slots, of a segment whose levels have been taken, that are in use without a node, since their records
    /// wait to be linked.
    fn add_waiting(&self, _nodes: &mut NodeBits) {}
}

/// Where records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) enum Source {
    /// Records are among the arrays.
    Export,
    /// Records are in blocks, and the arrays say where.
    Checkpoint,
    /// As [`Source::Export`], from an index in another instance of the program, whose structure is proven.
    #[cfg(any(test, target_arch = "wasm32"))]
    Instance,
}

/// An index that is being filled.
#[derive(Debug)]
pub(in crate::index) struct Filling {
    index: Index,
    meta: Meta,
    source: Source,
    /// Where the next text and the next record must begin, counted from the beginning of the current arrays.
    next_text: u64,
    next_record: u64,
    /// The record that was taken last, in words.
    record: Vec<u32>,
}

impl Filling {
    /// Begins with an empty index of the config that the meta section gives.
    pub(in crate::index) fn begin(meta: Meta, source: Source) -> Result<Self, Error> {
        if meta.slots as usize > Slot::MOST {
            return Err(corrupt("more slots than an index can hold").into());
        }
        let mut index = empty_of(&meta)?;
        index.draws = meta.draws;
        Ok(Self { index, meta, source, next_text: 0, next_record: 0, record: Vec::new() })
    }

    pub(in crate::index) const fn index(&self) -> &Index {
        &self.index
    }

    pub(in crate::index) const fn index_mut(&mut self) -> &mut Index {
        &mut self.index
    }

    pub(in crate::index) const fn segments(&self) -> usize {
        segments_of(self.meta.slots as usize)
    }

    /// Number of slots that there will be.
    #[cfg(any(test, target_arch = "wasm32"))]
    pub(super) const fn count(&self) -> usize {
        self.meta.slots as usize
    }

    /// The slots of a segment.
    pub(in crate::index) fn slots_in(&self, segment: usize) -> Range<usize> {
        let slots = self.meta.slots as usize;
        (segment * SEGMENT_SLOTS).min(slots)..((segment + 1) * SEGMENT_SLOTS).min(slots)
    }

    /// Begins a set of arrays, in which texts and records are counted from zero.
    pub(in crate::index) fn begin_arrays(&mut self, from: &mut dyn Arrays) -> Result<(), Error> {
        (self.next_text, self.next_record) = (0, 0);
        if self.source == Source::Checkpoint {
            return Ok(());
        }
        let mut word = [0; 8];
        from.take(Kind::RecordOffsets, &mut word)?;
        if u64::from_le_bytes(word) != 0 {
            return Err(corrupt("the first record is not in its place").into());
        }
        Ok(())
    }

    /// Ends a set of arrays: no byte may be left.
    pub(in crate::index) fn end_arrays(&self, from: &dyn Arrays) -> Result<(), Error> {
        match Kind::ALL.into_iter().find(|&kind| from.left(kind) > 0) {
            None => Ok(()),
            Some(kind) => Err(corrupt(format_args!("section {kind:?} is longer than what it holds")).into()),
        }
    }

    /// Takes the records of the next slots, all of one segment, or where they are. If they begin the segment, takes
    /// everything else of it first. The caller has compared its number of slots with the bytes that there are.
    pub(in crate::index) fn slots(&mut self, slots: Range<usize>, from: &mut dyn Arrays) -> Result<(), Error> {
        if slots.start.is_multiple_of(SEGMENT_SLOTS) {
            let segment = slots.start / SEGMENT_SLOTS;
            let slots = self.slots_in(segment);
            self.codes(segment, slots.end, from)?;
            let mut nodes = self.links(segment, slots.clone(), from)?;
            from.add_waiting(&mut nodes);
            self.ids(slots.clone(), &nodes, from)?;
            self.expiries(slots, from)?;
        }
        if self.source == Source::Checkpoint { Ok(self.places(slots, from)?) } else { self.records(slots, from) }
    }

    /// Ends the filling, once all slots have been taken.
    pub(in crate::index) fn finish(mut self) -> Result<Index, Error> {
        let Meta { slots, next_number, .. } = self.meta;
        wipe(&mut self.record);
        self.index.take_entry(&self.meta)?;
        let parts = &mut self.index.parts;
        parts.ids.raise_next_number(next_number);
        // A slot without a node is free, unless its record waits to be linked.
        for slot in (0..slots).map(Slot) {
            if !parts.graph.has_node(slot) && !self.index.pending.queue.contains(slot) {
                parts.ids.release(slot);
            }
        }
        self.index.owe_training();
        match self.source {
            Source::Export => {
                let report = self.index.check()?;
                match report.problems.into_iter().next() {
                    None => Ok(self.index),
                    Some(what) => Err(Error::Corrupt { what }),
                }
            }
            Source::Checkpoint => {
                if slots > 0 {
                    self.index.owe_proof();
                }
                Ok(self.index)
            }
            #[cfg(any(test, target_arch = "wasm32"))]
            Source::Instance => Ok(self.index),
        }
    }

    fn codes(&mut self, segment: usize, end: usize, from: &mut dyn Arrays) -> Result<(), FormatError> {
        let codes = &mut self.index.parts.codes;
        codes.reserve(end)?;
        codes.resize(end);
        for (array, kind) in Kind::CODES.into_iter().enumerate() {
            from.take(kind, codes.segment_mut(array, segment))?;
        }
        if segment == 0 && !codes.is_possible() {
            return Err(corrupt("an impossible codebook"));
        }
        Ok(())
    }

    /// Takes nodes and their lists of links. The levels give the number of upper lists, which must not exceed what the
    /// arrays hold: only then are they allocated.
    fn links(&mut self, segment: usize, slots: Range<usize>, from: &mut dyn Arrays) -> Result<NodeBits, FormatError> {
        let graph = &mut self.index.parts.graph;
        let mut levels = [0; SEGMENT_SLOTS];
        let levels = levels.get_mut(..slots.len()).unwrap_or_default();
        from.take(Kind::Levels, levels)?;
        let mut lists = 0;
        for (&level, slot) in levels.iter().zip(slots).filter(|&(&level, _)| level != NO_NODE) {
            if level > MAX_LEVEL.0 {
                return Err(corrupt(format_args!("slot {slot} is on level {level}")));
            }
            lists += u64::from(level);
        }
        if lists * 4 * graph.m() as u64 > from.left(Kind::UpperLinks) {
            return Err(corrupt(format_args!("segment {segment} has nodes on levels without lists for them")));
        }
        let nodes = graph.extend(levels)?;
        from.take(Kind::BaseLinks, bytemuck::must_cast_slice_mut(graph.base_lists_mut(segment)))?;
        from.take(Kind::UpperLinks, bytemuck::must_cast_slice_mut(graph.upper_lists_mut(segment)))?;
        if !graph.leads_below(segment, self.meta.slots as usize) {
            return Err(corrupt(format_args!("a link of segment {segment} leads nowhere")));
        }
        Ok(nodes)
    }

    /// Takes ids and derives the state of each slot: a node with an id is live, a node without one is a tombstone, and
    /// a slot without a node is free.
    fn ids(&mut self, slots: Range<usize>, nodes: &NodeBits, from: &mut dyn Arrays) -> Result<(), FormatError> {
        let parts = &mut self.index.parts;
        parts.ids.extend(slots.end)?;
        parts.tombstones.reserve(slots.end)?;
        let mut words = [0u64; SEGMENT_SLOTS];
        let words = words.get_mut(..slots.len()).unwrap_or_default();
        from.take(Kind::Ids, bytemuck::must_cast_slice_mut(words))?;
        for ((words, &nodes), first) in words.chunks(64).zip(nodes).zip((slots.start..).step_by(64)) {
            let mut live = 0;
            for (bit, (&word, slot)) in words.iter().zip((first as u32..).map(Slot)).enumerate() {
                let id = match IdWord::from_word(word)? {
                    IdWord::None => continue,
                    IdWord::Number(number) => Id::Number(number),
                    IdWord::Text { start, len } if start == self.next_text => {
                        self.next_text += len;
                        let mut text = zeros(len as usize)?;
                        from.take(Kind::IdTexts, &mut text)?;
                        Id::Text(String::from_utf8(text).map_err(|_| corrupt("an id is not UTF-8"))?.into())
                    }
                    IdWord::Text { .. } => return Err(corrupt("the texts of ids are not in order")),
                };
                if nodes >> bit & 1 == 0 {
                    return Err(corrupt(format_args!("slot {} has an id and no node", slot.0)));
                }
                if !parts.ids.adopt(slot, id)? {
                    return Err(corrupt(format_args!("the id of slot {} is not valid", slot.0)));
                }
                live |= 1 << bit;
            }
            parts.tombstones.add_word(first / 64, live, nodes & !live);
        }
        Ok(())
    }

    fn records(&mut self, slots: Range<usize>, from: &mut dyn Arrays) -> Result<(), Error> {
        let mut ends = [0u64; SEGMENT_SLOTS];
        let ends = ends.get_mut(..slots.len()).unwrap_or_default();
        from.take(Kind::RecordOffsets, bytemuck::must_cast_slice_mut(ends))?;
        for (&mut end, slot) in ends.iter_mut().zip(slots.map(|slot| Slot(slot as u32))) {
            let len = end.checked_sub(self.next_record).filter(|&len| len <= from.left(Kind::Records));
            let Some(len) = len else {
                return Err(corrupt(format_args!("the record of slot {} is not in its place", slot.0)).into());
            };
            self.next_record = end;
            if self.index.parts.tombstones.is_live(slot) {
                self.record(slot, len, from)?;
            } else if len > 0 {
                return Err(corrupt(format_args!("slot {} has a record and is not live", slot.0)).into());
            }
        }
        Ok(())
    }

    /// Takes the list of the checkpoint's blocks, before any places. All their records count as dead until a place is
    /// found in them. Blocks for which `is_possible` is false are lost.
    pub(in crate::index) fn blocks(
        &mut self,
        blocks: &[StoredBlock],
        is_possible: impl Fn(&StoredBlock) -> bool,
    ) -> Result<(), Error> {
        self.index.parts.records.store(0)?;
        for &block in blocks {
            if block.records as usize > MOST_RECORDS || block.number >= MOST_BLOCKS {
                return Err(corrupt("the manifest names blocks that cannot be").into());
            }
            // Without lengths, a block that cannot be is lost, and the next manifest can name it until its records are
            // gone.
            let lengths = if is_possible(&block) { (block.stored_bytes, block.raw_bytes) } else { (0, 0) };
            let (stored_bytes, raw_bytes) = lengths;
            self.index.parts.records.cold.add(StoredBlock { dead: block.records, stored_bytes, raw_bytes, ..block })?;
        }
        Ok(())
    }

    /// Takes the places in which the records of live slots are stored.
    fn places(&mut self, slots: Range<usize>, from: &mut dyn Arrays) -> Result<(), FormatError> {
        let Index { parts, config, .. } = &mut self.index;
        parts.records.cover(slots.end)?;
        for slot in slots.map(|slot| Slot(slot as u32)) {
            let mut word = [0; 4];
            from.take(Kind::Places, &mut word)?;
            let place = Place::from_word(u32::from_le_bytes(word));
            if place.is_some() != parts.tombstones.is_live(slot) {
                return Err(corrupt(format_args!("the place of slot {} is not as its state", slot.0)));
            }
            if place.is_some_and(|place| !parts.records.adopt_place(slot, place)) {
                return Err(corrupt(format_args!("the place of slot {} is none, or another's", slot.0)));
            }
            // Where codes are the vectors, the blocks have none that could be checked when they are read.
            if place.is_some()
                && let Some(vector) = parts.codes.vector(slot)
            {
                config.inverse_norm(vector).map_err(impossible)?;
            }
        }
        Ok(())
    }

    /// Takes the expiries of these slots, if the arrays have any.
    fn expiries(&mut self, slots: Range<usize>, from: &mut dyn Arrays) -> Result<(), FormatError> {
        if from.left(Kind::Expiries) == 0 {
            return Ok(());
        }
        for slot in slots.clone().map(|slot| Slot(slot as u32)) {
            let mut word = [0; 8];
            from.take(Kind::Expiries, &mut word)?;
            self.index.take_expiry(slot, word, slots.end)?;
        }
        Ok(())
    }

    /// Takes one record, in one piece: where the source is a JavaScript array, each read from it takes longer than
    /// copying the record does.
    fn record(&mut self, slot: Slot, len: u64, from: &mut dyn Arrays) -> Result<(), Error> {
        let Self { index, record, .. } = self;
        take_words(record, len / 4, from)?;
        let dimensions = index.parts.records.dimensions();
        let wrong = || corrupt(format_args!("the record of slot {} has {len} bytes", slot.0));
        let Some((&header, rest)) = record.split_first() else { return Err(wrong().into()) };
        let Some((vector, payload)) = rest.split_at_checked(dimensions) else { return Err(wrong().into()) };
        let header = RecordHeader::from_word(header)?;
        let padded = u64::from(header.payload_bytes).next_multiple_of(4);
        if len != 4 + 4 * dimensions as u64 + padded {
            return Err(wrong().into());
        }
        let vector: &[f32] = bytemuck::must_cast_slice(vector);
        let kind = PayloadKind::from_number(header.kind).ok_or_else(|| corrupt("a payload of no kind"))?;
        let payload: &[u8] = bytemuck::must_cast_slice(payload);
        let bytes = payload.get(..header.payload_bytes as usize).unwrap_or_default();
        if kind == PayloadKind::Json && str::from_utf8(bytes).is_err() {
            return Err(corrupt(format_args!("the payload of slot {} is not UTF-8", slot.0)).into());
        }
        let known = if vector.is_empty() { index.parts.codes.vector(slot).unwrap_or_default() } else { vector };
        let inverse_norm = index.inverse_norm(known).map_err(impossible)?;
        Ok(index.parts.records.append(slot, inverse_norm as f32, vector, kind, bytes)?)
    }
}

impl Index {
    /// Takes the stored expiry of a slot below `slots`; infinity means never. The states of the slots must have been
    /// taken.
    pub(in crate::index) fn take_expiry(&mut self, slot: Slot, word: [u8; 8], slots: usize) -> Result<(), FormatError> {
        let at_ms = f64::from_le_bytes(word);
        if at_ms == f64::INFINITY {
            return Ok(());
        }
        if !at_ms.is_finite() || !self.parts.tombstones.is_live(slot) {
            return Err(corrupt(format_args!("slot {} expires when nothing does, or is not live", slot.0)));
        }
        self.parts.expiries.reserve(slots)?;
        self.parts.expiries.set(slot, at_ms);
        Ok(())
    }

    /// Takes the entry point and the growth that ends searches early. Nodes and states must have been taken.
    pub(in crate::index) fn take_entry(&mut self, meta: &Meta) -> Result<(), FormatError> {
        let crate::index::Parts { graph, tombstones, .. } = &mut self.parts;
        let growth = Growth { sum: meta.growth_sum, count: meta.growth_count };
        if !growth.is_possible() {
            return Err(corrupt("distances that cannot grow so"));
        }
        let entry = Some(Slot(meta.entry)).filter(|slot| slot.is_some());
        match entry {
            Some(entry) if !graph.has_node(entry) => {
                return Err(corrupt(format_args!("the entry point {} is not a node", entry.0)));
            }
            None if tombstones.live() > self.pending.queue.nodes() => {
                return Err(corrupt("there are nodes and no entry point"));
            }
            _ => {}
        }
        graph.set_growth(growth);
        graph.set_entry(entry);
        Ok(())
    }
}

/// Takes the next `words` words of the records. The caller has checked that they exist.
fn take_words(into: &mut Vec<u32>, words: u64, from: &mut dyn Arrays) -> Result<(), FormatError> {
    let words = usize::try_from(words).map_err(|_| OutOfMemory)?;
    wipe(into);
    into.clear();
    into.try_reserve(words).map_err(|_| OutOfMemory)?;
    into.resize(words, 0);
    from.take(Kind::Records, bytemuck::must_cast_slice_mut(into))
}

pub(in crate::index) fn corrupt(what: impl Display) -> FormatError {
    FormatError::corrupt(what)
}

/// The error for bytes with something that a call would refuse with this error.
#[inline(never)]
fn impossible(error: Error) -> FormatError {
    corrupt(error.to_string())
}

/// An empty index of the config that the meta section gives, with room for a codebook if one is stored.
pub(in crate::index) fn empty_of(meta: &Meta) -> Result<Index, Error> {
    let mut index = Index::new(config_of(meta)?)?;
    if Codes::of_number(meta.quantization).is_some_and(|(_, is_trained)| is_trained) {
        if meta.slots == 0 {
            return Err(corrupt("a codebook without slots").into());
        }
        index.parts.codes.expect_codebook()?;
    }
    Ok(index)
}

fn config_of(meta: &Meta) -> Result<Config, Error> {
    let metric = [Metric::Cosine, Metric::L2, Metric::Dot].into_iter().find(|metric| *metric as u8 == meta.metric);
    let (Some(metric), Some((quantization, _))) = (metric, Codes::of_number(meta.quantization)) else {
        return Err(corrupt("an unknown metric or quantization").into());
    };
    let config = Config {
        dimensions: meta.dimensions as usize,
        metric,
        quantization,
        m: meta.m as usize,
        ef_construction: meta.ef_construction as usize,
        ef: meta.ef as usize,
        seed: meta.seed,
        compaction_threshold: meta.compaction_threshold,
        max_bytes: None,
    };
    config.validated().map_err(|error| impossible(error).into())
}
