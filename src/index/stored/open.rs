//! Stored values -> index: a checkpoint, segment by segment. The logs that follow it are next (`replay.rs`).

use super::replay::{Replay, named};
use super::values::{VALUES, keys_of, most_bytes};
use crate::arena::MOST_BLOCKS;
use crate::format::{FormatError, Key, Kind, Manifest, NO_NODE, StoredSegment, WAITING, xxh64};
use crate::graph::{MAX_LEVEL, NewNode, NodeBits};
use crate::index::bytes::decode::{Arrays, Filling, Source, corrupt};
use crate::index::{Error, Index};
use crate::segments::SEGMENT_SLOTS;
use crate::store::Room;
use crate::types::{Level, OutOfMemory, Slot};
use crate::wipe::wipe;
use std::borrow::Cow;

/// About how much is read from a store at once: this many values of the length that the store handles well, and at most
/// this many bytes, because they are held beside the index.
const READ_VALUES: u64 = 64;
const MOST_READ_BYTES: u64 = 4 << 20;

/// Most pieces of a block. One of more counts as lost: nothing has shown yet that the pieces exist.
pub(super) const MOST_BLOCK_PIECES: u32 = 1 << 20;
/// Most pieces of one value of a segment. The names of all of them are made at once, and take some megabytes. Where the
/// store's value length would give more, [`Index::attach`] chooses longer pieces.
pub(super) const MOST_PIECES: u32 = 1 << 16;

/// A checkpoint that is being read.
pub(crate) struct Opening {
    manifest: Manifest,
    /// The checksum of the manifest's bytes.
    checksum: u64,
    filling: Filling,
    /// The next segment of slots to ask for, and the next one to take.
    asked: usize,
    next: usize,
}

impl Opening {
    /// Begins with the manifest of this generation.
    pub(crate) fn begin(generation: u64, manifest: &[u8]) -> Result<Self, Error> {
        let key = Key::Manifest { generation };
        let checksum = xxh64(manifest, 0);
        let manifest = Manifest::decode(manifest).map_err(|error| named(key, error.into()))?;
        if manifest.generation != generation {
            return Err(corrupt(format_args!("{key} says that it is of {}", manifest.generation)).into());
        }
        let mut filling = Filling::begin(manifest.meta, Source::Checkpoint)?;
        if manifest.segments.len() != filling.segments() * VALUES.len() {
            return Err(corrupt("the manifest names other segments than its slots have").into());
        }
        if manifest.next_block > MOST_BLOCKS {
            return Err(corrupt("the manifest names blocks that cannot be").into());
        }
        // A block that cannot exist counts as lost, and is never asked for.
        let most_bytes = u64::from(manifest.piece_bytes) * u64::from(MOST_BLOCK_PIECES);
        filling.blocks(&manifest.blocks, |block| block.stored_bytes <= most_bytes)?;
        let opening = Self { manifest, checksum, filling, asked: 0, next: 0 };
        if !(0..opening.filling.segments()).all(|segment| opening.fits(segment)) {
            return Err(corrupt("the manifest names segments that are too long").into());
        }
        Ok(opening)
    }

    /// Whether no value of a segment is longer than its slots can need. The names of as many pieces as the manifest
    /// claims are made, and nothing has shown yet that they exist. The exact length is checked when the values have
    /// been read.
    fn fits(&self, segment: usize) -> bool {
        let most_bytes = most_bytes(&self.filling.index().parts, segment, self.filling.slots_in(segment).len());
        let most_in_pieces = u64::from(self.manifest.piece_bytes) * u64::from(MOST_PIECES);
        self.stored(segment)
            .zip(most_bytes)
            .all(|(stored, most_bytes)| stored.bytes <= (most_bytes as u64).min(most_in_pieces))
    }

    pub(crate) const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of all values to read.
    pub(crate) fn bytes(&self) -> u64 {
        self.manifest.segments.iter().fold(0, |all, segment| segment.bytes.saturating_add(all))
    }

    /// The values of a segment of slots, in the order of [`VALUES`].
    fn stored(&self, segment: usize) -> impl Iterator<Item = &StoredSegment> {
        // The manifest is sorted by kind, and so is `VALUES`.
        let count = self.filling.segments();
        (0..VALUES.len()).filter_map(move |value| self.manifest.segments.get(value * count + segment))
    }

    /// The keys to read next; empty at the end. More keys may be asked for before the values of the first are taken.
    pub(crate) fn wanted(&mut self) -> Result<Vec<String>, OutOfMemory> {
        let piece_bytes = self.manifest.piece_bytes;
        let enough = (READ_VALUES * u64::from(piece_bytes)).min(MOST_READ_BYTES);
        let (mut keys, mut bytes) = (Vec::new(), 0u64);
        while self.asked < self.filling.segments() && bytes < enough {
            let segment = self.asked;
            self.asked += 1;
            for stored in self.stored(segment) {
                bytes = bytes.saturating_add(stored.bytes);
                for key in keys_of(stored, piece_bytes) {
                    keys.try_reserve(1)?;
                    keys.push(key.to_text()?);
                }
            }
        }
        Ok(keys)
    }

    /// Takes the values of the first keys that [`Opening::wanted`] has returned and that have not been taken.
    pub(crate) fn take(&mut self, room: &Room) -> Result<(), Error> {
        let mut at = 0;
        while at < room.len() && self.next < self.filling.segments() {
            let segment = self.next;
            let mut joined: [Cow<'_, [u8]>; VALUES.len()] = Default::default();
            for (place, (stored, (kind, _))) in joined.iter_mut().zip(self.stored(segment).zip(VALUES)) {
                *place = whole(stored, self.manifest.piece_bytes, room, &mut at)?;
                if (stored.kind, stored.index as usize) != (kind, segment) {
                    return Err(corrupt("the manifest names other segments than its slots have").into());
                }
            }
            let mut arrays = Values::new(joined, &self.filling, segment)?;
            self.filling.begin_arrays(&mut arrays)?;
            self.filling.slots(self.filling.slots_in(segment), &mut arrays)?;
            self.filling.end_arrays(&arrays)?;
            let first = self.filling.slots_in(segment).start as u32;
            let Index { pending, config, .. } = self.filling.index_mut();
            for (slot, level) in arrays.waiting() {
                let slot = Slot(first + slot);
                pending.queue.restore(NewNode { slot, level, ef_construction: config.ef_construction })?;
            }
            self.next += 1;
        }
        Ok(())
    }

    /// Ends the reading of the checkpoint. The logs that follow it are replayed next.
    pub(crate) fn finish(self) -> Result<Replay, Error> {
        if self.next < self.filling.segments() {
            return Err(corrupt("the manifest names segments of no bytes").into());
        }
        let mut index = self.filling.finish()?;
        index.pending.queue.restored(&index.parts.tombstones)?;
        let has_waiting = index.pending() > 0;
        index.parts.records.cold.keep_below(self.manifest.next_block);
        index.forget_changes();
        index.pending.holds = true;
        Ok(Replay::begin(index, self.manifest, self.checksum, has_waiting)?)
    }
}

/// Joins the pieces of a segment's value, the first of which is at position `at`, and verifies its length and checksum.
/// Moves `at` past the last piece.
fn whole<'a>(stored: &StoredSegment, piece_bytes: u32, room: &'a Room, at: &mut usize) -> Result<Cow<'a, [u8]>, Error> {
    let first = *at;
    for key in keys_of(stored, piece_bytes) {
        if !room.has(*at) {
            return Err(corrupt(format_args!("{key} is missing")).into());
        }
        *at += 1;
    }
    let mut joined = room.joined(first..*at)?;
    if joined.len() as u64 != stored.bytes || xxh64(&joined, 0) != stored.checksum {
        wipe_own(&mut joined);
        let name = keys_of(stored, piece_bytes).next().map(|key| key.to_string());
        return Err(corrupt(format_args!("{} is not as it was written", name.unwrap_or_default())).into());
    }
    Ok(joined)
}

/// Overwrites the bytes of a value that was copied. A borrowed value is overwritten by its owner.
fn wipe_own(value: &mut Cow<'_, [u8]>) {
    if let Cow::Owned(joined) = value {
        wipe(joined);
    }
}

/// The arrays of one segment of slots, in the values that hold them.
struct Values<'a> {
    values: [Cow<'a, [u8]>; VALUES.len()],
    /// The untaken range of each array in its value, by kind: start and end.
    left: [(usize, usize); Kind::Expiries as usize],
    /// The level that the node of each slot will have, if its record waits to be linked, or [`NO_NODE`].
    waiting: [u8; SEGMENT_SLOTS],
}

impl Drop for Values<'_> {
    fn drop(&mut self) {
        self.values.iter_mut().for_each(wipe_own);
    }
}

fn wrong_length() -> Error {
    corrupt("a segment has another length than its slots").into()
}

impl<'a> Values<'a> {
    /// Splits values into arrays: in each value, arrays of a known length come first, and the last array is the rest.
    fn new(values: [Cow<'a, [u8]>; VALUES.len()], filling: &Filling, segment: usize) -> Result<Self, Error> {
        let slots = filling.slots_in(segment).len();
        let parts = &filling.index().parts;
        let [codes, lower, scales] = parts.codes.array_bytes(segment, slots);
        let known = |kind| match kind {
            Kind::Codes => Some(codes),
            Kind::LowerCodes => Some(lower),
            Kind::Scales => Some(scales),
            Kind::Levels => Some(slots),
            Kind::BaseLinks => Some(parts.graph.row_bytes() * slots),
            Kind::Ids => Some(8 * slots),
            Kind::Places => Some(4 * slots),
            _ => None,
        };
        let mut left = [(0, 0); Kind::Expiries as usize];
        for (value, (_, kinds)) in values.iter().zip(VALUES) {
            let mut start = 0;
            for &kind in kinds {
                let end = known(kind).map_or(value.len(), |len| start + len);
                if end > value.len() {
                    return Err(wrong_length());
                }
                if let Some(place) = left.get_mut(kind as usize - 1) {
                    *place = (start, end);
                }
                start = end;
            }
            if start != value.len() {
                return Err(wrong_length());
            }
        }
        Ok(Self { values, left, waiting: [NO_NODE; SEGMENT_SLOTS] })
    }

    /// The records of the segment that wait to be linked: the places of their slots in the segment, and their levels.
    fn waiting(&self) -> impl Iterator<Item = (u32, Level)> {
        (0..).zip(self.waiting).filter(|&(_, level)| level != NO_NODE).map(|(slot, level)| (slot, Level(level)))
    }
}

impl Arrays for Values<'_> {
    fn left(&self, kind: Kind) -> u64 {
        self.left.get(kind as usize - 1).map_or(0, |(start, end)| (end - start) as u64)
    }

    fn take(&mut self, kind: Kind, into: &mut [u8]) -> Result<(), FormatError> {
        let value = VALUES.iter().position(|(_, kinds)| kinds.contains(&kind));
        let part = value.zip(self.left.get_mut(kind as usize - 1)).and_then(|(value, (start, end))| {
            let from = *start;
            *start = from.checked_add(into.len()).filter(|next| next <= end)?;
            self.values.get(value)?.get(from..*start)
        });
        match part {
            Some(part) => into.copy_from_slice(part),
            None => return Err(corrupt(format_args!("section {kind:?} ends too early"))),
        }
        if kind == Kind::Levels {
            for (level, waiting) in into.iter_mut().zip(&mut self.waiting) {
                if (WAITING..=WAITING + MAX_LEVEL.0).contains(level) {
                    *waiting = *level - WAITING;
                    *level = NO_NODE;
                }
            }
        }
        Ok(())
    }

    fn add_waiting(&self, nodes: &mut NodeBits) {
        for (slot, _) in self.waiting() {
            nodes[slot as usize / 64] |= 1 << (slot % 64);
        }
    }
}
