//! Stored values -> index: a checkpoint, segment by segment, and then the logs that follow it.

use super::backing::{Backing, OpenedManifest};
use super::checkpoint::{VALUES, keys_of};
use super::journal::{Found, Journal};
use crate::arena::{MAX_PAYLOAD_BYTES, MOST_BLOCKS, PayloadKind};
use crate::format::{
    Entry, FormatError, Key, Kind, LogReader, Manifest, NO_NODE, Put, StoredSegment, WAITING, xxh64, zeros,
};
use crate::graph::{MAX_LEVEL, NewNode, NodeBits};
use crate::ids::wipe_id;
use crate::index::bytes::decode::{Arrays, Filling, Source, corrupt};
use crate::index::{Config, Error, Index, Parts, Payload};
use crate::order::sort_numbers;
use crate::segments::SEGMENT_SLOTS;
use crate::store::{Mode, Room};
use crate::types::{Id, Level, OutOfMemory, Slot};
use crate::wipe::wipe;
use std::borrow::Cow;

/// About how much is read from a store at once: this many values of the length that the store handles well, and at most
/// this many bytes, because they are held beside the index.
const READ_VALUES: u64 = 64;
const MOST_READ_BYTES: u64 = 4 << 20;

/// Most pieces of a block. One of more counts as lost: nothing has shown yet that the pieces exist.
const MOST_BLOCK_PIECES: u32 = 1 << 20;
/// The shortest pieces that an index may be stored in: the longest record, which has a block of its own, then is in no
/// more than [`MOST_BLOCK_PIECES`].
const LEAST_PIECE_BYTES: usize = (MAX_PAYLOAD_BYTES + 1 + 4 * Config::MAX_DIMENSIONS) / MOST_BLOCK_PIECES as usize + 1;
/// Most pieces of one value of a segment. The names of all of them are made at once, and take some megabytes. Where the
/// store's value length would give more, [`Index::attach`] chooses longer pieces.
const MOST_PIECES: u32 = 1 << 16;

/// Which checkpoints and logs are in a store, by the names of their values. The names of all other values are many, and
/// take longer to list than a checkpoint takes to read. They are listed before the first checkpoint is written
/// (`stock.rs`).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// Generations of the manifests, ascending.
    pub(crate) manifests: Vec<u64>,
    /// Numbers of the logs, ascending.
    logs: Vec<u64>,
}

impl Inventory {
    /// Sorts the names of values. Names that do not belong to an index are ignored.
    pub(crate) fn new(manifests: &[String], logs: &[String]) -> Result<Self, OutOfMemory> {
        let mut inventory = Self::default();
        for key in manifests.iter().chain(logs).filter_map(|name| Key::parse(name)) {
            let (list, number) = match key {
                Key::Manifest { generation } => (&mut inventory.manifests, generation),
                Key::Log { number } => (&mut inventory.logs, number),
                Key::Segment { .. } | Key::Block { .. } => continue,
            };
            list.try_reserve(1)?;
            list.push(number);
        }
        sort_numbers(&mut inventory.manifests);
        sort_numbers(&mut inventory.logs);
        Ok(inventory)
    }

    /// Whether there are logs but no checkpoint that they follow.
    pub(crate) const fn is_headless(&self) -> bool {
        self.manifests.is_empty() && !self.logs.is_empty()
    }

    /// The logs that follow a checkpoint.
    pub(crate) fn logs_since(&self, manifest: &Manifest) -> &[u64] {
        let first = self.logs.partition_point(|&log| log < manifest.log);
        self.logs.get(first..).unwrap_or_default()
    }

    /// What the journal of an opened index needs to know about its logs.
    fn found(&self, manifest: &Manifest, log_bytes: u64, next_sequence: u64) -> Result<Found, OutOfMemory> {
        let mut logs = Vec::new();
        logs.try_reserve_exact(self.logs_since(manifest).len() + 1)?;
        logs.extend_from_slice(self.logs_since(manifest));
        Ok(Found { logs, log_bytes, next_sequence })
    }
}

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
            self.filling.segment(segment, &mut arrays)?;
            self.filling.end_arrays(&arrays)?;
            let first = self.filling.slots_in(segment).start as u32;
            let Index { pending, config, .. } = self.filling.index_mut();
            for (slot, level) in arrays.waiting() {
                let slot = Slot(first + slot);
                pending.restore(NewNode { slot, level, ef_construction: config.ef_construction })?;
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
        index.pending.restored(&index.parts.tombstones)?;
        let has_waiting = index.pending.nodes() > 0;
        index.parts.records.cold.keep_below(self.manifest.next_block);
        index.forget_changes();
        index.pending.hold(true);
        let vector = zeros(index.config.dimensions)?;
        let next_sequence = self.manifest.next_sequence;
        let Self { manifest, checksum, .. } = self;
        Ok(Replay { index, manifest, checksum, has_waiting, next_sequence, log_bytes: 0, vector })
    }
}

/// The most bytes that each value of a segment of `slots` slots may have, in the order of [`VALUES`].
fn most_bytes(parts: &Parts, segment: usize, slots: usize) -> [usize; VALUES.len()] {
    // A list above level 0 is half as long as one on level 0.
    let links = 1 + parts.graph.row_bytes() * (2 + usize::from(MAX_LEVEL.0)) / 2;
    let codes = parts.codes.array_bytes(segment, slots).iter().sum();
    [codes, links * slots, (8 + Id::MAX_TEXT_BYTES) * slots, (4 + 8) * slots]
}

/// Adds to an error in which value it was found.
fn named(key: Key, error: Error) -> Error {
    match error {
        Error::Corrupt { what } => Error::Corrupt { what: format!("{key}: {what}") },
        error => error,
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

/// An index that is replaying its logs. The graph does not change in the meantime: all links wait.
#[derive(Debug)]
pub(crate) struct Replay {
    index: Index,
    manifest: Manifest,
    /// The checksum of the manifest's bytes.
    checksum: u64,
    /// Whether the checkpoint has records without links.
    has_waiting: bool,
    next_sequence: u64,
    log_bytes: u64,
    vector: Vec<f32>,
}

impl Replay {
    /// Replays a log. A torn end is where the process that wrote it ended, and is ignored.
    pub(crate) fn log(&mut self, number: u64, bytes: &[u8]) -> Result<(), Error> {
        self.frames(bytes).map_err(|error| named(Key::Log { number }, error))
    }

    fn frames(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.log_bytes += bytes.len() as u64;
        let mut reader = LogReader::new(bytes, self.vector.len(), self.next_sequence);
        while let Some(frame) = reader.next_frame()? {
            for entry in frame.entries() {
                self.apply(&entry)?;
            }
        }
        self.next_sequence = reader.next_sequence();
        Ok(())
    }

    fn apply(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let done = match *entry {
            Entry::Clear => self.index.clear(),
            Entry::Delete(id) => {
                let id = id.to_id()?;
                let deleted = self.index.delete(&id);
                wipe_id(id);
                deleted.map(|_| ())
            }
            Entry::Put(Put { id, expires_ms, vector, kind, payload }) => {
                let id: Id = id.to_id()?;
                let kind = PayloadKind::from_number(kind);
                let payload = kind.and_then(|kind| Payload::from_parts(kind, payload));
                if vector.copy_to(&mut self.vector) {
                    self.index.upsert_expiring(id, &self.vector, payload, expires_ms)
                } else {
                    Ok(())
                }
            }
        };
        // The change was accepted when it was logged, so the log must be damaged.
        done.map_err(|error| match error {
            Error::OutOfMemory => Error::OutOfMemory,
            error => corrupt(format_args!("a log says what cannot be: {error}")).into(),
        })
    }

    /// The index as it was when the last change was committed.
    pub(crate) fn finish(self, inventory: &Inventory, mode: Mode) -> Result<Index, Error> {
        let Self { mut index, manifest, checksum, has_waiting, next_sequence, log_bytes, .. } = self;
        index.pending.hold(false);
        // Room for records that expire before the first change.
        index.reserve_pending(0)?;
        if !index.parts.expiries.is_empty() {
            index.parts.ids.prepare_lookups()?;
        }
        index.backing = match mode {
            Mode::ReadOnly => Backing::ReadOnly {
                piece_bytes: manifest.piece_bytes,
                opened: OpenedManifest { generation: manifest.generation, checksum },
            },
            Mode::ReadWrite => {
                let found = inventory.found(&manifest, log_bytes, next_sequence)?;
                let mut journal = Journal::new(manifest, found)?;
                journal.has_waiting = has_waiting;
                Backing::Journal(journal)
            }
        };
        index.begin_fitting();
        Ok(index)
    }
}

impl Index {
    /// Makes an index in memory a stored one, whose first checkpoint is still to be written. Values that the place
    /// holds are left over from a first checkpoint that was cut off. Values are cut into pieces of `piece_bytes`, or
    /// longer ones where a segment or a record would be in more pieces than an opening accepts.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an index that is in a store already, since its records may be only there;
    /// [`Error::OutOfMemory`].
    pub(crate) fn attach(&mut self, inventory: &Inventory, piece_bytes: usize) -> Result<(), Error> {
        if self.is_stored() {
            return Err(Error::InvalidOption {
                option: "index",
                expected: "one that is in memory only; export and import make such a copy".to_owned(),
                received: "one that is in another store".to_owned(),
            });
        }
        // Before product codes are trained, and again once all records are gone, they take as much as full vectors.
        let vectors = 4 * self.config.dimensions * SEGMENT_SLOTS;
        let longest = most_bytes(&self.parts, 0, SEGMENT_SLOTS).into_iter().fold(vectors, usize::max);
        let piece_bytes = piece_bytes.max(longest.div_ceil(MOST_PIECES as usize)).max(LEAST_PIECE_BYTES);
        let manifest = Manifest {
            generation: 0,
            log: 0,
            next_sequence: 1,
            piece_bytes: u32::try_from(piece_bytes).unwrap_or(u32::MAX),
            next_block: 0,
            compression: 0,
            meta: self.meta(),
            segments: Vec::new(),
            blocks: Vec::new(),
        };
        let found = inventory.found(&manifest, 0, 1)?;
        let journal = Journal::new(manifest, found)?;
        self.copy_mapped()?;
        self.parts.records.store(self.parts.slots())?;
        self.backing = Backing::Journal(journal);
        self.begin_fitting();
        Ok(())
    }

    /// Undoes [`Index::attach`] when the first checkpoint could not be written: the index is in memory only, as before.
    pub(crate) fn detach(&mut self) {
        self.backing = Backing::Memory;
        self.end_fitting();
        self.parts.records.unstore();
    }
}
