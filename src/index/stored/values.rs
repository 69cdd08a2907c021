//! The values of a segment of slots: which arrays share one, how long they are, and their bytes.

use crate::format::{FormatError, Key, Kind, NO_NODE, StoredSegment, WAITING, piece_count};
use crate::graph::{MAX_LEVEL, MOST_LINKS};
use crate::index::bytes::encode::Sink;
use crate::index::{Index, Parts};
use crate::segments::{Changes, SEGMENT_SLOTS, segments_of};
use crate::types::{Id, Level, Slot};

/// Which arrays share a stored value, by the kind of the value. One value per array would be more values than a store
/// opens quickly.
pub(super) const VALUES: [(Kind, &[Kind]); 4] = [
    (Kind::Codes, &Kind::CODES),
    (Kind::BaseLinks, &[Kind::Levels, Kind::BaseLinks, Kind::UpperLinks]),
    (Kind::Ids, &[Kind::Ids, Kind::IdTexts]),
    (Kind::Places, &[Kind::Places, Kind::Expiries]),
];

/// The longest list without links.
const NO_LINKS: [u32; MOST_LINKS] = [u32::MAX; MOST_LINKS];

impl Index {
    /// How many values there are.
    pub(super) fn values(&self) -> usize {
        VALUES.len() * segments_of(self.parts.slots())
    }

    /// The value at this position in a round over all values: segment by segment, in the order of [`VALUES`].
    pub(super) fn value_at(&self, at: usize) -> Option<(usize, Kind)> {
        let (segment, value) = (at / VALUES.len(), at % VALUES.len());
        let kind = VALUES.get(value)?.0;
        (at < self.values()).then_some((segment, kind))
    }

    /// Approximate length of a value in bytes.
    pub(super) fn value_bytes(&self, kind: Kind, segment: usize) -> u64 {
        let slots = self.slots_in(segment).len() as u64;
        let row = match kind {
            Kind::Codes => self.parts.codes.slot_bytes(),
            Kind::BaseLinks => self.parts.graph.row_bytes(),
            Kind::Ids => 8,
            _ => 4,
        };
        slots * row as u64
    }

    /// Writes the arrays of a value.
    pub(super) fn put_value(&self, kind: Kind, segment: usize, put: &mut Sink<'_>) -> Result<(), FormatError> {
        match kind {
            Kind::Codes => (0..Kind::CODES.len()).try_for_each(|array| put(self.parts.codes.segment(array, segment))),
            Kind::BaseLinks => self.put_nodes(segment, put),
            Kind::Ids => {
                self.put_ids(segment, &mut 0, put)?;
                self.put_texts(segment, put)
            }
            _ => {
                // A refused insert may have left room for a slot that it did not take.
                let places = self.parts.records.stored_places(segment);
                put(bytemuck::must_cast_slice(places.get(..self.slots_in(segment).len()).unwrap_or(places)))?;
                if self.expires_in(segment) { self.put_expiries(segment, put) } else { Ok(()) }
            }
        }
    }

    /// Writes levels and links. A record that waits to be linked has the level that its node will have, and no links:
    /// those that a bulk build has given it lead to nodes that are not complete.
    fn put_nodes(&self, segment: usize, put: &mut Sink<'_>) -> Result<(), FormatError> {
        let graph = &self.parts.graph;
        let slots = || self.slots_in(segment).map(|slot| Slot(slot as u32));
        if !slots().any(|slot| self.pending.queue.contains(slot)) {
            self.put_levels(segment, put)?;
            self.put_base_links(segment, put)?;
            return self.put_upper_links(segment, put);
        }
        let mut levels = [NO_NODE; SEGMENT_SLOTS];
        let levels = &mut levels[..slots().len()];
        for (level, slot) in levels.iter_mut().zip(slots()) {
            *level = graph.level(slot).map_or(NO_NODE, |level| level.0);
        }
        for node in self.pending.queue.waiting_nodes().filter(|node| node.slot.index() / SEGMENT_SLOTS == segment) {
            levels[node.slot.index() % SEGMENT_SLOTS] = node.level.0 + WAITING;
        }
        put(levels)?;
        let row_words = graph.row_bytes() / size_of::<u32>();
        for (list, &level) in graph.base_lists(segment).chunks(row_words).zip(&*levels) {
            let is_linked = level <= MAX_LEVEL.0;
            put(bytemuck::must_cast_slice(if is_linked { list } else { &NO_LINKS[..row_words] }))?;
        }
        for (slot, &level) in slots().zip(&*levels).filter(|&(_, &level)| level <= MAX_LEVEL.0) {
            (1..=level).try_for_each(|level| put(bytemuck::must_cast_slice(graph.list(slot, Level(level)))))?;
        }
        Ok(())
    }

    /// Which segments of a value have changed since they were stored.
    pub(super) fn changes(&mut self, kind: Kind) -> &mut Changes {
        match kind {
            Kind::Codes => self.parts.codes.changes_mut(),
            Kind::BaseLinks => self.parts.graph.changes_mut(),
            Kind::Ids => self.parts.ids.changes_mut(),
            _ => self.parts.records.changes_mut(),
        }
    }

    /// Marks every segment as unchanged since it was stored.
    pub(super) fn forget_changes(&mut self) {
        let mut at = 0;
        while let Some((segment, kind)) = self.value_at(at) {
            self.changes(kind).clear(segment);
            at += 1;
        }
    }
}

/// The most bytes that each value of a segment of `slots` slots may have, in the order of [`VALUES`].
pub(super) fn most_bytes(parts: &Parts, segment: usize, slots: usize) -> [usize; VALUES.len()] {
    // A list above level 0 is half as long as one on level 0.
    let links = 1 + parts.graph.row_bytes() * (2 + usize::from(MAX_LEVEL.0)) / 2;
    let codes = parts.codes.array_bytes(segment, slots).iter().sum();
    [codes, links * slots, (8 + Id::MAX_TEXT_BYTES) * slots, (4 + 8) * slots]
}

/// The number of a segment's pieces.
pub(super) fn pieces(segment: &StoredSegment, piece_bytes: u32) -> u32 {
    piece_count(segment.bytes, piece_bytes).unwrap_or(0)
}

/// The keys of a segment's pieces.
pub(super) fn keys_of(segment: &StoredSegment, piece_bytes: u32) -> impl Iterator<Item = Key> + use<> {
    let StoredSegment { kind, index, generation, .. } = *segment;
    (0..pieces(segment, piece_bytes)).map(move |piece| Key::Segment { kind, index, generation, piece })
}
