//! Stored values -> index: a checkpoint, segment by segment, and then the logs since.

use super::backing::Backing;
use super::checkpoint::{VALUES, keys_of};
use super::decode::{Arrays, Filling, Source, corrupt};
use super::journal::{Found, Journal};
use super::{Error, Index, Payload};
use crate::arena::{MOST_BLOCKS, PayloadKind};
use crate::format::{
    Entry, FormatError, Key, Kind, LogReader, Manifest, Put, StoredBlock, StoredSegment, piece_count, zeros,
};
use crate::order::sort_by;
use crate::store::Mode;
use crate::types::{Id, OutOfMemory};
use crate::wipe::wipe;
use xxhash_rust::xxh64::xxh64;

/// About how many bytes are read from a store at once: so many values of the length that it handles well, and no more than
/// one would want to hold beside the index.
const READ_VALUES: u64 = 64;
const MOST_READ_BYTES: u64 = 4 << 20;

/// What is in a store, by the names of its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// Generations of the manifests, the newest first.
    pub(crate) manifests: Vec<u64>,
    /// Numbers of the logs, ascending.
    logs: Vec<u64>,
    /// All values, ascending.
    keys: Vec<Key>,
}

impl Inventory {
    /// Sorts names. Those that are not an index's are nobody's business.
    pub(crate) fn new(names: &[String]) -> Result<Self, OutOfMemory> {
        let mut inventory = Self::default();
        inventory.keys.try_reserve_exact(names.len())?;
        inventory.keys.extend(names.iter().filter_map(|name| Key::parse(name)));
        sort_by(&mut inventory.keys, |a, b| a < b);
        for key in &inventory.keys {
            let (list, number) = match *key {
                Key::Manifest { generation } => (&mut inventory.manifests, generation),
                Key::Log { number } => (&mut inventory.logs, number),
                Key::Segment { .. } | Key::Block { .. } => continue,
            };
            list.try_reserve(1)?;
            list.push(number);
        }
        inventory.manifests.reverse();
        Ok(inventory)
    }

    /// Whether there are logs, and no checkpoint that they follow.
    pub(crate) const fn is_headless(&self) -> bool {
        self.manifests.is_empty() && !self.logs.is_empty()
    }

    /// The logs that follow a checkpoint.
    pub(crate) fn logs_since(&self, manifest: &Manifest) -> &[u64] {
        let first = self.logs.partition_point(|&log| log < manifest.log);
        self.logs.get(first..).unwrap_or_default()
    }

    /// What there is beside a checkpoint that counts.
    fn beside(self, manifest: &Manifest, log_bytes: u64, next_sequence: u64) -> Result<Found, OutOfMemory> {
        let mut logs = Vec::new();
        logs.try_reserve_exact(self.logs_since(manifest).len() + 1)?;
        logs.extend_from_slice(self.logs_since(manifest));
        let next_generation = self.next_generation();
        let next_block = self.next_block().max(manifest.next_block);
        let mut retired = self.keys;
        let segments = &manifest.segments;
        retired.retain(|key| match *key {
            Key::Manifest { generation } => generation != manifest.generation,
            Key::Log { number } => number < manifest.log,
            Key::Segment { kind, index, generation, piece } => {
                let place = segments.binary_search_by_key(&(kind, index), |segment| (segment.kind, segment.index));
                let named = place.ok().and_then(|place| segments.get(place));
                !named.is_some_and(|named| {
                    let pieces = piece_count(named.bytes, manifest.piece_bytes);
                    named.generation == generation && pieces.is_some_and(|pieces| piece < pieces)
                })
            }
            Key::Block { number, piece } => {
                let place = manifest.blocks.binary_search_by_key(&number, |block| block.number);
                let named = place.ok().and_then(|place| manifest.blocks.get(place));
                let pieces = named.and_then(|named| piece_count(named.stored_bytes, manifest.piece_bytes));
                pieces.is_none_or(|pieces| piece >= pieces)
            }
        });
        Ok(Found { logs, log_bytes, next_sequence, retired, next_generation, next_block })
    }

    /// A generation of which there is no value.
    fn next_generation(&self) -> u64 {
        let generations = self.keys.iter().map(|key| match *key {
            Key::Manifest { generation } | Key::Segment { generation, .. } => generation,
            Key::Log { .. } | Key::Block { .. } => 0,
        });
        generations.max().unwrap_or(0) + 1
    }

    /// A number of which there is no block.
    fn next_block(&self) -> u32 {
        let numbers = self.keys.iter().filter_map(|key| match *key {
            Key::Block { number, .. } if number < MOST_BLOCKS => Some(number),
            _ => None,
        });
        numbers.max().map_or(0, |last| last.saturating_add(1))
    }
}

/// A checkpoint that is being read.
pub(crate) struct Opening {
    manifest: Manifest,
    filling: Filling,
    /// The next segment of slots.
    next: usize,
}

impl Opening {
    /// From the manifest of this generation.
    pub(crate) fn begin(generation: u64, manifest: &[u8], inventory: &Inventory) -> Result<Self, Error> {
        let key = Key::Manifest { generation };
        let manifest = Manifest::decode(manifest).map_err(|error| named(key, error.into()))?;
        if manifest.generation != generation {
            return Err(corrupt(format!("{key} says that it is of {}", manifest.generation)).into());
        }
        let pieces = |segment: &StoredSegment| u64::from(piece_count(segment.bytes, manifest.piece_bytes).unwrap_or(0));
        // Nothing is asked for, or made room for, that cannot be there.
        if manifest.segments.iter().map(pieces).sum::<u64>() > inventory.keys.len() as u64 {
            return Err(corrupt("values that the manifest names are missing").into());
        }
        let mut filling = Filling::begin(manifest.meta, Source::Checkpoint)?;
        if manifest.segments.len() != filling.segments() * VALUES.len() {
            return Err(corrupt("the manifest names other segments than its slots have").into());
        }
        if manifest.next_block > MOST_BLOCKS {
            return Err(corrupt("the manifest counts more blocks than there can be").into());
        }
        // One of more values than there are is not read, and so not asked for.
        let is_possible = |block: &StoredBlock| {
            let pieces = piece_count(block.stored_bytes, manifest.piece_bytes);
            pieces.is_some_and(|pieces| pieces as usize <= inventory.keys.len())
        };
        filling.blocks(&manifest.blocks, is_possible)?;
        Ok(Self { manifest, filling, next: 0 })
    }

    pub(crate) const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The values of a segment of slots, in the order of [`VALUES`].
    fn stored(&self, segment: usize) -> impl Iterator<Item = &StoredSegment> {
        // The manifest is sorted by kind, and `VALUES` are.
        let count = self.filling.segments();
        (0..VALUES.len()).filter_map(move |value| self.manifest.segments.get(value * count + segment))
    }

    /// What is to be read next; nothing at the end.
    pub(crate) fn wanted(&self) -> Result<Vec<String>, OutOfMemory> {
        let piece_bytes = self.manifest.piece_bytes;
        let enough = (READ_VALUES * u64::from(piece_bytes)).min(MOST_READ_BYTES);
        let (mut keys, mut bytes) = (Vec::new(), 0u64);
        for segment in self.next..self.filling.segments() {
            if bytes >= enough {
                break;
            }
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

    /// Takes what [`Opening::wanted`] asked for.
    pub(crate) fn take(&mut self, values: Vec<Option<Vec<u8>>>) -> Result<(), Error> {
        let mut values = values.into_iter();
        while values.len() > 0 && self.next < self.filling.segments() {
            let segment = self.next;
            let mut joined: [Vec<u8>; VALUES.len()] = Default::default();
            for (place, (stored, (kind, _))) in joined.iter_mut().zip(self.stored(segment).zip(VALUES)) {
                *place = whole(stored, self.manifest.piece_bytes, &mut values)?;
                if (stored.kind, stored.index as usize) != (kind, segment) {
                    return Err(corrupt("the manifest names other segments than its slots have").into());
                }
            }
            let mut arrays = Values::new(joined, &self.filling, segment)?;
            self.filling.begin_arrays(&mut arrays)?;
            self.filling.segment(segment, &mut arrays)?;
            self.filling.end_arrays(&arrays)?;
            self.next += 1;
        }
        Ok(())
    }

    /// The index of the checkpoint; it takes the logs next.
    pub(crate) fn finish(self) -> Result<Replay, Error> {
        if self.next < self.filling.segments() {
            return Err(corrupt("the manifest names segments of no bytes").into());
        }
        let mut index = self.filling.finish()?;
        index.parts.records.cold.keep_below(self.manifest.next_block);
        index.forget_changes();
        index.pending.hold(true);
        let vector = zeros(index.config.dimensions)?;
        let next_sequence = self.manifest.next_sequence;
        Ok(Replay { index, manifest: self.manifest, next_sequence, log_bytes: 0, vector })
    }
}

/// Says in which value something is wrong.
fn named(key: Key, error: Error) -> Error {
    match error {
        Error::Corrupt { what } => Error::Corrupt { what: format!("{key}: {what}") },
        error => error,
    }
}

/// The value of a segment, which must be as it was written.
fn whole(
    stored: &StoredSegment,
    piece_bytes: u32,
    values: &mut impl Iterator<Item = Option<Vec<u8>>>,
) -> Result<Vec<u8>, Error> {
    let joined = join(keys_of(stored, piece_bytes), values)?;
    if joined.len() as u64 != stored.bytes || xxh64(&joined, 0) != stored.checksum {
        let name = keys_of(stored, piece_bytes).next().map(|key| key.to_string());
        return Err(corrupt(format!("{} is not as it was written", name.unwrap_or_default())).into());
    }
    Ok(joined)
}

/// One value from its pieces, of which each must be there.
pub(super) fn join(
    keys: impl Iterator<Item = Key>,
    values: &mut impl Iterator<Item = Option<Vec<u8>>>,
) -> Result<Vec<u8>, Error> {
    let mut joined = Vec::new();
    for key in keys {
        let Some(mut piece) = values.next().flatten() else {
            return Err(corrupt(format!("{key} is missing")).into());
        };
        if joined.is_empty() {
            joined = piece;
        } else {
            joined.try_reserve(piece.len()).map_err(|_| Error::OutOfMemory)?;
            joined.extend_from_slice(&piece);
            wipe(&mut piece);
        }
    }
    Ok(joined)
}

/// The arrays of one segment of slots, in the values that hold them.
struct Values {
    values: [Vec<u8>; VALUES.len()],
    /// What has not been taken of each array, by kind: from where in its value to where.
    left: [(usize, usize); Kind::Expiries as usize],
}

impl Values {
    /// The arrays of a known length lie in front in each value, and the last one has the rest.
    fn new(values: [Vec<u8>; VALUES.len()], filling: &Filling, segment: usize) -> Result<Self, Error> {
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
                if let Some(place) = left.get_mut(kind as usize - 1) {
                    *place = (start, end);
                }
                start = end;
            }
            if start != value.len() {
                return Err(corrupt("a segment has another length than its slots").into());
            }
        }
        Ok(Self { values, left })
    }
}

impl Arrays for Values {
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
            None => return Err(corrupt(format!("section {kind:?} ends too early"))),
        }
        Ok(())
    }
}

/// An index that catches up with its logs. The graph is not touched: what it is to be told waits.
#[derive(Debug)]
pub(crate) struct Replay {
    index: Index,
    manifest: Manifest,
    next_sequence: u64,
    log_bytes: u64,
    vector: Vec<f32>,
}

impl Replay {
    /// Does again what a log says. A torn end is where the process that wrote it ended.
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
            Entry::Delete(id) => self.index.delete(&id.to_id()?).map(|_| ()),
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
        // What was taken once is refused now: the log is not what was written.
        done.map_err(|error| match error {
            Error::OutOfMemory => Error::OutOfMemory,
            error => corrupt(format!("a log says what cannot be: {error}")).into(),
        })
    }

    /// The index as it was when the last change was committed.
    pub(crate) fn finish(self, inventory: Inventory, mode: Mode) -> Result<Index, Error> {
        let Self { mut index, manifest, next_sequence, log_bytes, .. } = self;
        index.pending.hold(false);
        // For what expires before anything else happens.
        index.reserve_pending(0)?;
        if !index.parts.expiries.is_empty() {
            index.parts.ids.prepare_lookups()?;
        }
        index.backing = match mode {
            Mode::ReadOnly => Backing::ReadOnly { piece_bytes: manifest.piece_bytes },
            Mode::ReadWrite => {
                let found = inventory.beside(&manifest, log_bytes, next_sequence)?;
                Backing::Journal(Journal::new(manifest, found)?)
            }
        };
        Ok(index)
    }
}

impl Index {
    /// Makes an index in memory one that is stored, from a first checkpoint on, which is still to be written. What the place
    /// holds is left over from one that was cut off. Values are cut into pieces of `piece_bytes`.
    pub(crate) fn attach(&mut self, inventory: Inventory, piece_bytes: usize) -> Result<(), Error> {
        let manifest = Manifest {
            generation: 0,
            log: 0,
            next_sequence: 1,
            piece_bytes: u32::try_from(piece_bytes.max(1)).unwrap_or(u32::MAX),
            next_block: 0,
            packing: 0,
            meta: self.meta(),
            segments: Vec::new(),
            blocks: Vec::new(),
        };
        let found = inventory.beside(&manifest, 0, 1)?;
        let journal = Journal::new(manifest, found)?;
        self.thaw()?;
        self.parts.records.store(self.parts.slots())?;
        self.backing = Backing::Journal(journal);
        Ok(())
    }

    /// Takes that back, when the first checkpoint was not written: the index is in memory only, as it was.
    pub(crate) fn detach(&mut self) {
        self.backing = Backing::Memory;
        self.parts.records.unstore();
    }
}
