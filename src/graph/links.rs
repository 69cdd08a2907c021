//! The arrays of the graph: which slots hold a node, a neighbour list and its tree marks for each, and the entry point.
//!
//! A list on level 0 is `2M` words: links in use first, then [`END`]. The top bit of a link marks a tree link. Lists of
//! higher levels are `M` words and kept separately ([`Upper`]). A node's level is not stored: it is the highest on
//! which the node has a list.

use super::growth::Growth;
use super::upper::Upper;
#[cfg(feature = "mmap")]
use super::upper::lists_of;
use crate::segments::{Changes, Rows, SEGMENT_SLOTS};
#[cfg(feature = "mmap")]
use crate::segments::{Mapped, segments_of};
use crate::slot_set::SlotSet;
use crate::types::{Level, OutOfMemory, Slot};

/// No node reaches higher. At M = 4 one node in 4^15 would.
pub(crate) const MAX_LEVEL: Level = Level(15);
/// Fills the unused end of a list.
pub(super) const END: u32 = u32::MAX;
/// Marks a tree link, in the list of either end.
pub(super) const TREE: u32 = 1 << 31;

/// A bit for each slot of a segment.
pub(crate) type NodeBits = [u64; SEGMENT_SLOTS / 64];

/// The slot that a link leads to.
#[inline]
pub(super) const fn target(link: u32) -> Slot {
    Slot(link & !TREE)
}

/// Returns whether all links lead to slots below `slots`. Branch-free, so that it takes no longer than reading them.
fn below(links: &[u32], mark: u32, slots: usize) -> bool {
    links.iter().fold(true, |all, &link| all & (link == END || ((link & !mark) as usize) < slots))
}

/// The links of a list that are in use.
#[inline]
pub(super) fn used(list: &[u32]) -> &[u32] {
    &list[..list.iter().position(|&link| link == END).unwrap_or(list.len())]
}

/// The graph of an index.
#[derive(Debug)]
pub(crate) struct Graph {
    m: usize,
    entry: Slot,
    growth: Growth,
    pub(super) nodes: SlotSet,
    base: Rows<u32>,
    pub(super) upper: Upper,
}

impl Graph {
    /// An empty graph with at most `m` links per node above level 0 and `2m` on level 0.
    pub(crate) const fn new(m: usize) -> Self {
        Self {
            m,
            entry: Slot::NONE,
            growth: Growth { sum: 0.0, count: 0 },
            nodes: SlotSet::new(),
            base: Rows::new(2 * m),
            upper: Upper::new(m),
        }
    }

    pub(crate) const fn m(&self) -> usize {
        self.m
    }

    /// The longest list of `level`.
    pub(super) const fn capacity(&self, level: Level) -> usize {
        if level.0 == 0 { 2 * self.m } else { self.m }
    }

    /// Where searches start: a node of the highest level. `None` in an empty graph.
    pub(crate) fn entry(&self) -> Option<Slot> {
        self.entry.is_some().then_some(self.entry)
    }

    /// How distances grow with rank, as observed so far.
    pub(crate) const fn growth(&self) -> Growth {
        self.growth
    }

    pub(crate) const fn set_growth(&mut self, growth: Growth) {
        self.growth = growth;
    }

    pub(crate) fn set_entry(&mut self, entry: Option<Slot>) {
        self.entry = entry.unwrap_or(Slot::NONE);
    }

    /// The number of slots, free ones included.
    pub(crate) const fn len(&self) -> usize {
        self.base.len()
    }

    /// The level of the node in `slot`; `None` if the slot is free or out of range.
    #[inline]
    pub(crate) fn level(&self, slot: Slot) -> Option<Level> {
        self.nodes.contains(slot).then(|| self.upper.top(slot))
    }

    /// Whether no slot holds a node.
    pub(crate) const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns whether `slot` holds a node. One load.
    pub(crate) fn has_node(&self, slot: Slot) -> bool {
        self.nodes.contains(slot)
    }

    /// Which of the 64 slots from `64 * at` on hold nodes, one bit each.
    #[cfg(feature = "mmap")]
    pub(crate) fn node_word(&self, at: usize) -> u64 {
        self.nodes.word(at)
    }

    /// Returns whether `slot` holds a node that is on `level`. One load on level 0.
    pub(super) fn reaches(&self, slot: Slot, level: Level) -> bool {
        self.nodes.contains(slot) && (level.0 == 0 || !self.upper.list(slot, level).is_empty())
    }

    /// Makes room for nodes of level 0 in the slots below `len`.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.nodes.reserve(len)?;
        self.base.reserve(len)
    }

    /// Makes room for a new node of `level` in `slot`, which is at most `len`, so that placing it cannot fail.
    pub(crate) fn reserve_node(&mut self, slot: Slot, level: Level) -> Result<(), OutOfMemory> {
        self.reserve(self.len().max(slot.index() + 1))?;
        self.upper.reserve(slot, level)
    }

    /// Gives empty lists to the slots below `len` that have none, for records that are stored before they are linked.
    pub(crate) fn cover(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if len > self.len() {
            self.reserve(len)?;
            self.base.resize(len, END);
        }
        Ok(())
    }

    /// Puts a node without links into a free slot, for which room has been reserved.
    pub(crate) fn add_node(&mut self, slot: Slot, level: Level) {
        if slot.index() >= self.len() {
            self.base.resize(slot.index() + 1, END);
        }
        self.nodes.insert(slot);
        self.base.changes_mut().note(slot);
        self.upper.add(slot, level);
    }

    /// Empties a slot. The caller ensures that no link leads to it.
    #[inline(never)]
    pub(crate) fn free(&mut self, slot: Slot) {
        self.nodes.remove(slot);
        self.base.row_mut(slot).fill(END);
        self.upper.remove(slot);
    }

    /// Drops the slots from `len` on, which must be free, and gives back all room that no node needs.
    #[inline(never)]
    pub(crate) fn truncate(&mut self, len: usize) {
        self.nodes.truncate(len);
        self.base.resize(len, END);
        self.upper.truncate(len);
    }

    /// The whole list of a node on `level`, unused end included. Empty when the node does not reach so high.
    #[inline]
    pub(crate) fn list(&self, slot: Slot, level: Level) -> &[u32] {
        if level.0 == 0 { self.base.row(slot) } else { self.upper.list(slot, level) }
    }

    /// The links of a node on `level` that are in use.
    #[inline]
    pub(super) fn links(&self, slot: Slot, level: Level) -> &[u32] {
        used(self.list(slot, level))
    }

    /// The slots that a node links to on level 0. A free slot has none.
    pub(crate) fn neighbours(&self, slot: Slot) -> impl Iterator<Item = Slot> + '_ {
        let links = if self.nodes.contains(slot) { self.links(slot, Level(0)) } else { &[] };
        links.iter().map(|&link| target(link))
    }

    #[inline]
    pub(super) fn list_mut(&mut self, slot: Slot, level: Level) -> &mut [u32] {
        self.base.changes_mut().note(slot);
        if level.0 == 0 { self.base.row_mut(slot) } else { self.upper.list_mut(slot, level) }
    }

    /// Replaces the list of a node. Links that do not fit are left out.
    pub(super) fn set_links(&mut self, slot: Slot, level: Level, links: impl IntoIterator<Item = u32>) {
        let list = self.list_mut(slot, level);
        let mut filled = 0;
        for (place, link) in list.iter_mut().zip(links) {
            *place = link;
            filled += 1;
        }
        list[filled..].fill(END);
    }

    /// Appends a link if the list has room, and returns whether it had.
    pub(super) fn append(&mut self, slot: Slot, level: Level, link: u32) -> bool {
        let list = self.list_mut(slot, level);
        match list.iter().position(|&link| link == END) {
            Some(at) => {
                list[at] = link;
                true
            }
            None => false,
        }
    }

    /// Bytes of a node's list on level 0.
    pub(crate) const fn row_bytes(&self) -> usize {
        size_of::<u32>() * 2 * self.m
    }

    /// How many lists there are above level 0.
    pub(crate) fn upper_len(&self) -> usize {
        self.upper.len()
    }

    /// Bytes held, spare capacity included.
    #[inline(never)]
    pub(crate) fn resident_bytes(&self) -> usize {
        self.nodes.resident_bytes() + self.base.resident_bytes() + self.upper.resident_bytes()
    }

    /// The lists of level 0 of one segment, as they are stored.
    pub(crate) fn base_lists(&self, segment: usize) -> &[u32] {
        self.base.segment(segment)
    }

    /// The lists above level 0 of one segment, ordered by slot and then by level, as they are stored.
    pub(crate) fn upper_lists(&self, segment: usize) -> &[u32] {
        self.upper.lists(segment)
    }

    /// Which segments have changed since they were last stored, on any level.
    pub(crate) const fn changes_mut(&mut self) -> &mut Changes {
        self.base.changes_mut()
    }

    /// Appends a segment whose lists will be filled from stored bytes. A slot with a level beyond [`MAX_LEVEL`] is
    /// free. Returns which slots hold nodes, one bit each.
    pub(crate) fn extend(&mut self, levels: &[u8]) -> Result<NodeBits, OutOfMemory> {
        let first = self.len();
        self.reserve(first + levels.len())?;
        self.upper.extend(first / SEGMENT_SLOTS, levels)?;
        self.base.resize(first + levels.len(), END);
        Ok(self.add_nodes(first, levels))
    }

    /// Puts nodes into the slots from `first` on, for which room has been reserved.
    fn add_nodes(&mut self, first: usize, levels: &[u8]) -> NodeBits {
        let mut bits = NodeBits::default();
        for (word, levels) in bits.iter_mut().zip(levels.chunks(64)) {
            *word = levels.iter().rev().fold(0, |word, &level| word << 1 | u64::from(level <= MAX_LEVEL.0));
        }
        for (at, &word) in bits.iter().enumerate() {
            self.nodes.insert_word(first / 64 + at, word);
        }
        bits
    }

    /// Fills an empty graph with nodes of these levels, whose lists are borrowed until they change. Returns `None`
    /// unless the lists are as long as the levels require and all links above level 0 lead to existing slots. Links on
    /// level 0 are not checked.
    #[cfg(feature = "mmap")]
    pub(crate) fn map(
        &mut self,
        levels: &[u8],
        base: &bytes::Bytes,
        upper: &bytes::Bytes,
    ) -> Result<Option<()>, OutOfMemory> {
        let Some(base) = self.base.map(levels.len(), base) else { return Ok(None) };
        self.nodes.reserve(levels.len())?;
        let mut start = 0;
        for (at, levels) in levels.chunks(SEGMENT_SLOTS).enumerate() {
            let end = start + lists_of(levels) * self.m * size_of::<u32>();
            let lists = if end <= upper.len() { Mapped::new(upper.slice(start..end)) } else { None };
            let Some(lists) = lists else { return Ok(None) };
            self.upper.map(at, levels, lists)?;
            self.add_nodes(at * SEGMENT_SLOTS, levels);
            start = end;
        }
        self.base = base;
        let leads = |at| below(self.upper.lists(at), 0, levels.len());
        let is_whole = start == upper.len() && (0..segments_of(levels.len())).all(leads);
        Ok(is_whole.then_some(()))
    }

    /// Returns whether each link in the lists of a segment leads to a slot below `slots`. Searching requires no more
    /// than that; an inspection checks the other invariants.
    pub(crate) fn leads_below(&self, segment: usize, slots: usize) -> bool {
        below(self.base.segment(segment), TREE, slots) && below(self.upper.lists(segment), 0, slots)
    }

    /// [`Graph::base_lists`], to be filled from stored bytes.
    pub(crate) fn base_lists_mut(&mut self, segment: usize) -> &mut [u32] {
        self.base.segment_mut(segment)
    }

    /// [`Graph::upper_lists`], to be filled from stored bytes.
    pub(crate) fn upper_lists_mut(&mut self, segment: usize) -> &mut [u32] {
        self.upper.lists_mut(segment)
    }
}
