//! The lists above level 0, for the few nodes that have any.
//!
//! Only one node in M reaches level 1, so nothing is stored per slot. Each segment of slots has a sorted row of keys (a
//! slot's place in the segment, and a level), and the lists of `M` words in the same order:
//!
//! ```text
//! keys     (3, 1)  (20, 1)  (20, 2)  (77, 1)      two bytes each, found by binary search
//! lists    ......  .......  .......  .......      4 M bytes each
//! ```
//!
//! Adding or removing a node moves the lists behind it: a few kilobytes, whatever M is, because a segment has about
//! 1024 / M lists. In return no list needs a number of its own, there are no free rows to track, and the lists lie in
//! memory in the order in which they are stored: by slot, then by level.
//!
//! A search looks here only a few dozen times, so nothing is inlined (size).

use super::links::{END, MAX_LEVEL};
#[cfg(feature = "mmap")]
use crate::segments::Mapped;
use crate::segments::{Run, SEGMENT_SLOTS};
use crate::types::{Level, OutOfMemory, Slot};

/// Room grows by this many lists, or by a thirty-second where there are far more than level draws ever produce.
const STEP: usize = 4;
const LEVEL_BITS: u32 = 4;

// A key is two bytes.
const _: () = assert!(MAX_LEVEL.0 < 1 << LEVEL_BITS && SEGMENT_SLOTS << LEVEL_BITS <= 1 << u16::BITS);

/// Keys, ascending, and the lists that belong to them.
#[derive(Debug, Default)]
struct Segment {
    keys: Vec<u16>,
    lists: Run<u32>,
}

/// The lists of all levels from 1 on.
#[derive(Debug)]
pub(super) struct Upper {
    m: usize,
    segments: Vec<Segment>,
}

const fn segment_of(slot: Slot) -> usize {
    slot.index() / SEGMENT_SLOTS
}

const fn key(slot: Slot, level: Level) -> u16 {
    ((slot.index() % SEGMENT_SLOTS) << LEVEL_BITS) as u16 | level.0 as u16
}

impl Segment {
    /// Where the lists of `slot` begin, or would begin.
    #[inline(always)]
    fn start(&self, slot: Slot) -> usize {
        self.keys.partition_point(|&held| held < key(slot, Level::BASE))
    }

    /// How many lists `slot` has: one for each level from 1 to its highest.
    fn count(&self, start: usize, slot: Slot) -> usize {
        self.keys[start..].iter().take_while(|&&held| held <= key(slot, MAX_LEVEL)).count()
    }

    /// Not inlined: the compiler would vectorize sums of such numbers, which is fast but long (size).
    #[inline(never)]
    fn resident_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<u16>() + self.lists.resident_bytes()
    }
}

impl Upper {
    pub(super) const fn new(m: usize) -> Self {
        Self { m, segments: Vec::new() }
    }

    /// How many lists there are.
    pub(super) fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.keys.len()).sum()
    }

    /// The highest level on which `slot` has a list; 0 when it has none.
    #[inline(never)]
    pub(super) fn top(&self, slot: Slot) -> Level {
        let count = |segment: &Segment| segment.count(segment.start(slot), slot);
        Level(self.segments.get(segment_of(slot)).map_or(0, count) as u8)
    }

    fn find(&self, slot: Slot, level: Level) -> Option<usize> {
        self.segments.get(segment_of(slot))?.keys.binary_search(&key(slot, level)).ok()
    }

    /// The whole list of a node on `level`, unused end included; empty when the node does not reach so high.
    #[inline(never)]
    pub(super) fn list(&self, slot: Slot, level: Level) -> &[u32] {
        self.find(slot, level)
            .map_or(&[], |at| &self.segments[segment_of(slot)].lists.as_slice()[at * self.m..][..self.m])
    }

    /// The whole list of a node on `level`, unused end included, for writing; empty when the node does not reach so
    /// high.
    #[inline(never)]
    pub(super) fn list_mut(&mut self, slot: Slot, level: Level) -> &mut [u32] {
        match self.find(slot, level) {
            Some(at) => &mut self.segments[segment_of(slot)].lists.to_mut()[at * self.m..][..self.m],
            None => &mut [],
        }
    }

    /// Makes room for the lists of a new node, so that adding it cannot fail.
    pub(super) fn reserve(&mut self, slot: Slot, level: Level) -> Result<(), OutOfMemory> {
        if level == Level::BASE {
            return Ok(());
        }
        let missing = (segment_of(slot) + 1).saturating_sub(self.segments.len());
        self.segments.try_reserve(missing)?;
        self.segments.resize_with(self.segments.len() + missing, Segment::default);
        let segment = &mut self.segments[segment_of(slot)];
        let Segment { keys, lists } = segment;
        let lists = lists.to_mut();
        let wanted = keys.len() + usize::from(level.0);
        let room = (wanted + wanted / 32).next_multiple_of(STEP);
        if keys.capacity() < wanted {
            keys.try_reserve_exact(room - keys.len())?;
        }
        if lists.capacity() < wanted * self.m {
            lists.try_reserve_exact(room * self.m - lists.len())?;
        }
        Ok(())
    }

    /// Adds the keys of a segment that has none yet, and room for its lists, which will be filled from stored bytes. A
    /// slot has a list for each level from 1 to its own, and none if its level is beyond [`MAX_LEVEL`].
    pub(super) fn extend(&mut self, at: usize, levels: &[u8]) -> Result<(), OutOfMemory> {
        let mut lists = Vec::new();
        let words = lists_of(levels) * self.m;
        lists.try_reserve_exact(words)?;
        lists.resize(words, END);
        self.put(at, levels, Run::Owned(lists))
    }

    /// Adds the keys of a segment that has none yet, by the levels of its slots, and takes `lists` as their lists.
    #[cfg(feature = "mmap")]
    pub(super) fn map(&mut self, at: usize, levels: &[u8], lists: Mapped<u32>) -> Result<(), OutOfMemory> {
        self.put(at, levels, Run::Mapped(lists))
    }

    fn put(&mut self, at: usize, levels: &[u8], lists: Run<u32>) -> Result<(), OutOfMemory> {
        let count = lists_of(levels);
        if count == 0 {
            return Ok(());
        }
        let mut keys = Vec::new();
        keys.try_reserve_exact(count)?;
        let missing = (at + 1).saturating_sub(self.segments.len());
        self.segments.try_reserve(missing)?;
        // Only one slot in M has lists.
        for (slot, &level) in levels.iter().enumerate().filter(|&(_, &level)| (1..=MAX_LEVEL.0).contains(&level)) {
            keys.extend((1..=level).map(|level| key(Slot(slot as u32), Level(level))));
        }
        self.segments.resize_with(self.segments.len() + missing, Segment::default);
        if let Some(segment) = self.segments.get_mut(at) {
            *segment = Segment { keys, lists };
        }
        Ok(())
    }

    /// Gives a slot without lists one empty list for each level from 1 to `level`. Room must have been reserved.
    pub(super) fn add(&mut self, slot: Slot, level: Level) {
        if level == Level::BASE {
            return;
        }
        let Some(segment) = self.segments.get_mut(segment_of(slot)) else { return };
        let (at, count) = (segment.start(slot), usize::from(level.0));
        insert(&mut segment.keys, at, count, 0);
        for (held, level) in segment.keys[at..at + count].iter_mut().zip((1..).map(Level)) {
            *held = key(slot, level);
        }
        insert(segment.lists.to_mut(), at * self.m, count * self.m, END);
    }

    /// Takes all lists from a slot.
    #[inline(never)]
    pub(super) fn remove(&mut self, slot: Slot) {
        let Some(segment) = self.segments.get_mut(segment_of(slot)) else { return };
        let at = segment.start(slot);
        let count = segment.count(at, slot);
        if count == 0 {
            return;
        }
        remove(&mut segment.keys, at, count);
        remove(segment.lists.to_mut(), at * self.m, count * self.m);
    }

    /// Gives back all room that no list needs. Slots from `len` on must have no lists.
    #[inline(never)]
    pub(super) fn truncate(&mut self, len: usize) {
        self.segments.truncate(len.div_ceil(SEGMENT_SLOTS));
        self.segments.shrink_to_fit();
        for segment in &mut self.segments {
            segment.keys.shrink_to_fit();
            // Mapped lists have no spare room.
            if let Run::Owned(lists) = &mut segment.lists {
                lists.shrink_to_fit();
            }
        }
    }

    /// How many segments there is a table for.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(super) const fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The lists of one segment, by slot and then by level.
    pub(super) fn lists(&self, segment: usize) -> &[u32] {
        self.segments.get(segment).map_or(&[], |segment| segment.lists.as_slice())
    }

    /// The lists of one segment, by slot and then by level, to be filled from stored bytes.
    pub(super) fn lists_mut(&mut self, segment: usize) -> &mut [u32] {
        self.segments.get_mut(segment).map_or(&mut [], |segment| segment.lists.to_mut().as_mut_slice())
    }

    /// Bytes held, spare capacity included.
    #[inline(never)]
    pub(super) fn resident_bytes(&self) -> usize {
        let segments = self.segments.iter().map(Segment::resident_bytes).sum::<usize>();
        self.segments.capacity() * size_of::<Segment>() + segments
    }
}

/// How many lists slots of these levels have.
pub(super) fn lists_of(levels: &[u8]) -> usize {
    // The sum of a segment fits 32 bits, and this form has no branches.
    levels.iter().map(|&level| if level <= MAX_LEVEL.0 { u32::from(level) } else { 0 }).sum::<u32>() as usize
}

/// Inserts `value` `count` times at `at`, into reserved room.
fn insert<T: Copy>(items: &mut Vec<T>, at: usize, count: usize, value: T) {
    let len = items.len();
    debug_assert!(len + count <= items.capacity(), "{count} were not reserved");
    items.resize(len + count, value);
    items.copy_within(at..len, at + count);
    items[at..at + count].fill(value);
}

/// Removes `count` items at `at`.
fn remove<T: Copy>(items: &mut Vec<T>, at: usize, count: usize) {
    items.copy_within(at + count.., at);
    items.truncate(items.len() - count);
}
