//! The arrays of the graph: a level, a neighbour list and its tree marks for each slot, and the entry point.
//!
//! A list on level 0 is `2M` words: links in use first, then [`END`]. The top bit of a link marks a tree link. Lists of
//! higher levels lie apart, one row of `M + 1` words for each node and level; a node's rows are chained upwards
//! through their last word.

use crate::segments::Rows;
use crate::types::{Level, OutOfMemory, Slot};

/// No node reaches higher. At M = 4 one node in 4^15 would.
pub(crate) const MAX_LEVEL: Level = Level(15);
/// Fills the unused end of a list.
pub(super) const END: u32 = u32::MAX;
/// Marks a tree link, in the list of either end.
pub(super) const TREE: u32 = 1 << 31;
/// The level of a slot that holds no node.
pub(super) const FREE: u8 = u8::MAX;

/// The slot that a link leads to.
#[inline]
pub(super) const fn target(link: u32) -> Slot {
    Slot(link & !TREE)
}

/// The links of a list in use.
#[inline]
pub(super) fn used(list: &[u32]) -> &[u32] {
    &list[..list.iter().position(|&link| link == END).unwrap_or(list.len())]
}

/// The graph of an index.
#[derive(Debug)]
pub(crate) struct Graph {
    m: usize,
    entry: Slot,
    levels: Rows<u8>,
    base: Rows<u32>,
    upper_head: Rows<u32>,
    upper: Rows<u32>,
    upper_free: Vec<u32>,
}

impl Graph {
    /// An empty graph of at most `m` links a node above level 0 and `2m` on it.
    pub(crate) const fn new(m: usize) -> Self {
        Self {
            m,
            entry: Slot::NONE,
            levels: Rows::new(1),
            base: Rows::new(2 * m),
            upper_head: Rows::new(1),
            upper: Rows::new(m + 1),
            upper_free: Vec::new(),
        }
    }

    pub(crate) const fn m(&self) -> usize {
        self.m
    }

    /// The longest list of `level`.
    pub(super) const fn capacity(&self, level: Level) -> usize {
        if level.0 == 0 { 2 * self.m } else { self.m }
    }

    /// Where searches start: a node of the highest level, or none in an empty graph.
    pub(crate) fn entry(&self) -> Option<Slot> {
        self.entry.is_some().then_some(self.entry)
    }

    pub(crate) fn set_entry(&mut self, entry: Option<Slot>) {
        self.entry = entry.unwrap_or(Slot::NONE);
    }

    /// The number of slots, free ones included.
    pub(crate) const fn len(&self) -> usize {
        self.levels.len()
    }

    /// The level of the node in `slot`; none when the slot is free or out of range.
    #[inline]
    pub(crate) fn level(&self, slot: Slot) -> Option<Level> {
        if slot.index() >= self.len() {
            return None;
        }
        let level = self.levels.row(slot)[0];
        (level != FREE).then_some(Level(level))
    }

    /// Makes room for slots up to `len` and a new node of `level`, so that placing it cannot fail.
    pub(crate) fn reserve(&mut self, len: usize, level: Level) -> Result<(), OutOfMemory> {
        self.levels.reserve(len)?;
        self.base.reserve(len)?;
        self.upper_head.reserve(len)?;
        let missing = usize::from(level.0).saturating_sub(self.upper_free.len());
        self.upper.reserve(self.upper.len() + missing)?;
        // Every row may become free one day, and freeing must not allocate.
        let rows = self.upper.len() + missing;
        if self.upper_free.capacity() < rows {
            self.upper_free.try_reserve(rows.max(2 * self.upper_free.capacity()) - self.upper_free.len())?;
        }
        Ok(())
    }

    /// Puts a node without links into a free slot, which is at most `len`.
    pub(super) fn place(&mut self, slot: Slot, level: Level) {
        if slot.index() >= self.len() {
            self.levels.resize(slot.index() + 1, FREE);
            self.base.resize(slot.index() + 1, END);
            self.upper_head.resize(slot.index() + 1, END);
        }
        self.levels.row_mut(slot)[0] = level.0;
        let mut above = END;
        for _ in 0..level.0 {
            let row = self.upper_free.pop().unwrap_or_else(|| {
                let row = self.upper.len();
                self.upper.resize(row + 1, END);
                row as u32
            });
            self.upper.row_mut(Slot(row))[self.m] = above;
            above = row;
        }
        self.upper_head.row_mut(slot)[0] = above;
    }

    /// Empties a slot. The caller has seen to it that no link leads here.
    pub(crate) fn free(&mut self, slot: Slot) {
        self.levels.row_mut(slot)[0] = FREE;
        self.base.row_mut(slot).fill(END);
        let mut row = self.upper_head.row(slot)[0];
        self.upper_head.row_mut(slot)[0] = END;
        while row != END {
            let links = self.upper.row_mut(Slot(row));
            let above = links[self.m];
            links.fill(END);
            self.upper_free.push(row);
            row = above;
        }
    }

    /// Drops the slots from `len` on, which must be free.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.levels.resize(len, FREE);
        self.base.resize(len, END);
        self.upper_head.resize(len, END);
        if self.upper_free.len() == self.upper.len() {
            self.upper.resize(0, END);
            self.upper_free = Vec::new();
        }
    }

    #[inline]
    fn upper_row(&self, slot: Slot, level: Level) -> Option<Slot> {
        let mut row = *self.upper_head.row(slot).first()?;
        for _ in 1..level.0 {
            if row == END {
                return None;
            }
            row = self.upper.row(Slot(row))[self.m];
        }
        (row != END).then_some(Slot(row))
    }

    /// The whole list of a node on `level`, unused end included. Empty when the node does not reach so high.
    #[inline]
    pub(super) fn list(&self, slot: Slot, level: Level) -> &[u32] {
        if level.0 == 0 {
            return self.base.row(slot);
        }
        self.upper_row(slot, level).map_or(&[], |row| &self.upper.row(row)[..self.m])
    }

    /// The links of a node on `level` that are in use.
    #[inline]
    pub(super) fn links(&self, slot: Slot, level: Level) -> &[u32] {
        used(self.list(slot, level))
    }

    #[inline]
    pub(super) fn list_mut(&mut self, slot: Slot, level: Level) -> &mut [u32] {
        if level.0 == 0 {
            return self.base.row_mut(slot);
        }
        let m = self.m;
        self.upper_row(slot, level).map_or(&mut [], |row| &mut self.upper.row_mut(row)[..m])
    }

    /// Replaces the list of a node; what does not fit is left out.
    pub(super) fn set_links(&mut self, slot: Slot, level: Level, links: impl IntoIterator<Item = u32>) {
        let list = self.list_mut(slot, level);
        let mut filled = 0;
        for (place, link) in list.iter_mut().zip(links) {
            *place = link;
            filled += 1;
        }
        list[filled..].fill(END);
    }

    /// Appends a link if the list has room; says whether it had.
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

    /// Bytes that a node holds in the arrays of level 0.
    pub(crate) const fn row_bytes(&self) -> usize {
        size_of::<u8>() + size_of::<u32>() * (2 * self.m + 1)
    }

    /// Bytes held, spare capacity included.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.levels.resident_bytes()
            + self.base.resident_bytes()
            + self.upper_head.resident_bytes()
            + self.upper.resident_bytes()
            + self.upper_free.capacity() * size_of::<u32>()
    }

    /// The arrays as stored: levels, level-0 lists, heads of the upper chains, upper rows, free upper rows.
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts {
            levels: &self.levels,
            base: &self.base,
            upper_head: &self.upper_head,
            upper: &self.upper,
            upper_free: &self.upper_free,
        }
    }

    /// A graph of `len` slots and `upper` rows, all zero, to be filled from stored bytes and then inspected.
    pub(crate) fn unfilled(m: usize, len: usize, upper: usize, upper_free: usize) -> Result<Self, OutOfMemory> {
        let mut graph = Self::new(m);
        graph.levels.reserve(len)?;
        graph.base.reserve(len)?;
        graph.upper_head.reserve(len)?;
        graph.upper.reserve(upper)?;
        graph.upper_free.try_reserve(upper.max(upper_free))?;
        graph.levels.resize(len, FREE);
        graph.base.resize(len, END);
        graph.upper_head.resize(len, END);
        graph.upper.resize(upper, END);
        graph.upper_free.resize(upper_free, END);
        Ok(graph)
    }

    /// The arrays to be filled from stored bytes.
    pub(crate) fn parts_mut(&mut self) -> PartsMut<'_> {
        PartsMut {
            levels: &mut self.levels,
            base: &mut self.base,
            upper_head: &mut self.upper_head,
            upper: &mut self.upper,
            upper_free: &mut self.upper_free,
        }
    }
}

/// The arrays of a graph, for storing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) levels: &'a Rows<u8>,
    pub(crate) base: &'a Rows<u32>,
    pub(crate) upper_head: &'a Rows<u32>,
    pub(crate) upper: &'a Rows<u32>,
    pub(crate) upper_free: &'a [u32],
}

/// The arrays of a graph, for filling.
#[derive(Debug)]
pub(crate) struct PartsMut<'a> {
    pub(crate) levels: &'a mut Rows<u8>,
    pub(crate) base: &'a mut Rows<u32>,
    pub(crate) upper_head: &'a mut Rows<u32>,
    pub(crate) upper: &'a mut Rows<u32>,
    pub(crate) upper_free: &'a mut [u32],
}
