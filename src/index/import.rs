//! bytes -> index. Nothing is believed: checksums first, then every number against what it may be, and at the end the
//! structural proof. Bytes that pass cannot make any later call panic or loop.

use super::{Config, Error, Index};
use crate::arena::PayloadKind;
use crate::format::{ByteSource, Contents, FormatError, IdWord, Kind, Meta, NO_NODE, RecordHeader, zeros};
use crate::graph::{Graph, Growth, MAX_LEVEL};
use crate::metric::Metric;
use crate::quantize::Quantization;
use crate::types::{Id, Level, OutOfMemory, Slot};

impl Index {
    /// The index that [`Index::export`] wrote, on whatever platform.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for bytes that are not an index, are cut short or were changed;
    /// [`Error::UnsupportedVersion`]; [`Error::OutOfMemory`].
    pub fn import(bytes: &[u8]) -> Result<Self, Error> {
        Self::import_from(bytes)
    }

    /// The same, from anywhere that bytes can be read.
    pub(crate) fn import_from<S: ByteSource + ?Sized>(source: &S) -> Result<Self, Error> {
        let contents = Contents::open(source)?;
        let mut meta = contents.section(Kind::Meta);
        let mut bytes = [0; Meta::MOST_BYTES];
        let Some(bytes) = bytes.get_mut(..meta.len() as usize) else {
            return Err(corrupt("the meta section is too long").into());
        };
        meta.take(bytes)?;
        let meta = Meta::from_bytes(bytes)?;
        let config = config_of(&meta)?;
        let slots = meta.slots as usize;
        if slots > Slot::MOST {
            return Err(corrupt("more slots than an index can hold").into());
        }
        let mut index = Self::new(config)?;
        index.draws = meta.draws;
        index.expect_lengths(&contents, &meta)?;
        index.import_arrays(&contents, &meta)?;
        index.import_ids(&contents, slots)?;
        index.import_records(&contents, slots)?;
        index.parts.ids.raise_next_number(meta.next_number);
        let report = index.check()?;
        match report.problems.into_iter().next() {
            None => Ok(index),
            Some(what) => Err(Error::Corrupt { what }),
        }
    }

    /// Sections must be exactly as long as the meta says, before anything is allocated by it.
    fn expect_lengths<S: ByteSource + ?Sized>(
        &self,
        contents: &Contents<'_, S>,
        meta: &Meta,
    ) -> Result<(), FormatError> {
        let slots = u64::from(meta.slots);
        let [codes, lower, scales] = self.parts.codes.row_bytes();
        let expected = [
            (Kind::Codes, slots * codes as u64),
            (Kind::LowerCodes, slots * lower as u64),
            (Kind::Scales, slots * scales as u64),
            (Kind::Levels, slots),
            (Kind::BaseLinks, slots * 8 * self.config.m as u64),
            (Kind::Ids, slots * 8),
            (Kind::RecordOffsets, (slots + 1) * 8),
        ];
        for (kind, bytes) in expected {
            let found = contents.section(kind).len();
            if found != bytes {
                return Err(corrupt(format!("section {kind:?} has {found} bytes, expected {bytes}")));
            }
        }
        Ok(())
    }

    fn import_arrays<S: ByteSource + ?Sized>(
        &mut self,
        contents: &Contents<'_, S>,
        meta: &Meta,
    ) -> Result<(), FormatError> {
        let slots = meta.slots as usize;
        self.parts.codes.reserve(slots)?;
        self.parts.codes.resize(slots);
        for (array, kind) in Kind::CODES.into_iter().enumerate() {
            let mut from = contents.section(kind);
            self.parts.codes.each_segment_mut(array, |segment| from.take(segment))?;
        }
        let mut graph = Graph::unfilled(self.config.m, slots)?;
        import_levels(contents, slots, &mut graph)?;
        let mut from = contents.section(Kind::BaseLinks);
        for lists in graph.base_lists_mut() {
            from.take(bytemuck::cast_slice_mut(lists))?;
        }
        let mut from = contents.section(Kind::UpperLinks);
        for lists in graph.upper_lists_mut() {
            from.take(bytemuck::cast_slice_mut(lists))?;
        }
        from.end()?;
        graph.set_entry(Some(Slot(meta.entry)).filter(|slot| slot.is_some()));
        let growth = Growth { sum: meta.growth_sum, count: meta.growth_count };
        if !growth.is_possible() {
            return Err(corrupt("distances that cannot grow so"));
        }
        graph.set_growth(growth);
        self.parts.graph = graph;
        Ok(())
    }

    /// Slots and their states: a node with an id is live, one without is a tombstone, and no node is a free slot.
    fn import_ids<S: ByteSource + ?Sized>(
        &mut self,
        contents: &Contents<'_, S>,
        slots: usize,
    ) -> Result<(), FormatError> {
        let parts = &mut self.parts;
        parts.ids.reserve(slots)?;
        parts.tombstones.reserve(slots)?;
        let (mut words, mut texts) = (contents.section(Kind::Ids), contents.section(Kind::IdTexts));
        let mut next_text = 0;
        for slot in (0..slots as u32).map(Slot) {
            parts.ids.reserve(1)?;
            parts.ids.allocate();
            let mut word = [0; 8];
            words.take(&mut word)?;
            let id = match IdWord::from_word(u64::from_le_bytes(word))? {
                IdWord::None => None,
                IdWord::Number(number) => Some(Id::Number(number)),
                IdWord::Text { start, len } if start == next_text => {
                    next_text += len;
                    let mut text = zeros(len as usize)?;
                    texts.take(&mut text)?;
                    Some(Id::Text(String::from_utf8(text).map_err(|_| corrupt("an id is not UTF-8"))?.into()))
                }
                IdWord::Text { .. } => return Err(corrupt("the texts of ids are not in order")),
            };
            let has_node = parts.graph.level(slot).is_some();
            match id {
                Some(_) if !has_node => return Err(corrupt(format!("slot {} has an id and no node", slot.0))),
                Some(id) => {
                    parts.tombstones.add(slot);
                    if !parts.ids.bind(slot, id) {
                        return Err(corrupt(format!("the id of slot {} is invalid or another's", slot.0)));
                    }
                }
                None if has_node => {
                    parts.tombstones.add(slot);
                    parts.tombstones.delete(slot);
                }
                None => {}
            }
        }
        texts.end()?;
        // Only now, because the lowest free slot would have been the next one taken.
        for slot in (0..slots as u32).map(Slot).filter(|&slot| parts.graph.level(slot).is_none()) {
            parts.ids.release(slot);
        }
        Ok(())
    }

    fn import_records<S: ByteSource + ?Sized>(
        &mut self,
        contents: &Contents<'_, S>,
        slots: usize,
    ) -> Result<(), Error> {
        let (mut offsets, mut from) = (contents.section(Kind::RecordOffsets), contents.section(Kind::Records));
        let dimensions = self.parts.records.dimensions();
        let mut vector = zeros::<f32>(dimensions)?;
        let mut payload = Vec::new();
        let mut next = 0;
        for slot in (0..slots as u32).map(Slot) {
            let mut word = [0; 8];
            offsets.take(&mut word)?;
            if u64::from_le_bytes(word) != next {
                return Err(corrupt(format!("the record of slot {} is not in its place", slot.0)).into());
            }
            if !self.parts.tombstones.is_live(slot) {
                continue;
            }
            let mut word = [0; 4];
            from.take(&mut word)?;
            let header = RecordHeader::from_word(u32::from_le_bytes(word))?;
            from.take(bytemuck::cast_slice_mut(&mut vector))?;
            let (len, padded) = (header.payload_bytes as usize, header.payload_bytes.next_multiple_of(4) as usize);
            if padded as u64 > from.len() {
                return Err(corrupt(format!("the payload of slot {} is longer than all records", slot.0)).into());
            }
            payload.clear();
            payload.try_reserve(padded).map_err(|_| OutOfMemory)?;
            payload.resize(padded, 0);
            from.take(&mut payload)?;
            let kind = PayloadKind::from_number(header.kind).ok_or_else(|| corrupt("a payload of no kind"))?;
            let bytes = payload.get(..len).unwrap_or_default();
            if kind == PayloadKind::Json && str::from_utf8(bytes).is_err() {
                return Err(corrupt(format!("the payload of slot {} is not UTF-8", slot.0)).into());
            }
            let known = if dimensions == 0 { self.parts.codes.vector(slot).unwrap_or_default() } else { &vector };
            let inverse_norm = self.inverse_norm(known).map_err(|error| corrupt(error.to_string()))?;
            self.parts.records.append(slot, inverse_norm as f32, &vector, kind, bytes)?;
            next += 4 + 4 * dimensions as u64 + padded as u64;
        }
        let mut word = [0; 8];
        offsets.take(&mut word)?;
        if u64::from_le_bytes(word) != next {
            return Err(corrupt("the records end elsewhere than they should").into());
        }
        Ok(from.end()?)
    }
}

/// Nodes without links. The levels say how many upper lists there are, and no more are allocated than were stored.
fn import_levels<S: ByteSource + ?Sized>(
    contents: &Contents<'_, S>,
    slots: usize,
    graph: &mut Graph,
) -> Result<(), FormatError> {
    let mut stored = contents.section(Kind::UpperLinks).len() / (4 * graph.m() as u64);
    let mut from = contents.section(Kind::Levels);
    let mut batch = [0; 1024];
    for start in (0..slots).step_by(batch.len()) {
        let count = batch.len().min(slots - start);
        let batch = batch.get_mut(..count).unwrap_or_default();
        from.take(batch)?;
        for (slot, &mut level) in (start as u32..).map(Slot).zip(batch).filter(|(_, level)| **level != NO_NODE) {
            stored = match stored.checked_sub(u64::from(level)) {
                Some(left) if level <= MAX_LEVEL.0 => left,
                _ => return Err(corrupt(format!("slot {} is on level {level}, without lists for it", slot.0))),
            };
            graph.reserve_node(slot, Level(level))?;
            graph.place(slot, Level(level));
        }
    }
    Ok(())
}

fn corrupt(what: impl Into<String>) -> FormatError {
    FormatError::corrupt(what)
}

fn config_of(meta: &Meta) -> Result<Config, Error> {
    let metric = [Metric::Cosine, Metric::L2, Metric::Dot].into_iter().find(|metric| *metric as u8 == meta.metric);
    let quantization =
        [Quantization::None, Quantization::Int8].into_iter().find(|codes| *codes as u8 == meta.quantization);
    let (Some(metric), Some(quantization)) = (metric, quantization) else {
        return Err(corrupt("a metric or quantization that there is not").into());
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
    };
    config.validated().map_err(|error| corrupt(error.to_string()).into())
}
