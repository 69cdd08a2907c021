//! The nodes of a build, each known by its index. The index of a node that is the first of its code is a *member*. An
//! index in a list of members is a *position*.

use crate::graph::build::NewNode;
use crate::order::sort_by;
use crate::types::Slot;

/// All nodes of a build, in order of their slots.
#[derive(Debug)]
pub(super) struct Nodes(Vec<NewNode>);

impl Nodes {
    pub(super) fn new(mut nodes: Vec<NewNode>) -> Self {
        sort_by(&mut nodes, |a, b| a.slot < b.slot);
        Self(nodes)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// All nodes, in order of their indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = NewNode> {
        self.0.iter().copied()
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> NewNode {
        self.0[index as usize]
    }

    #[inline]
    pub(super) fn slot(&self, index: u32) -> Slot {
        self.0[index as usize].slot
    }

    /// The index of the node in a slot. Mostly nodes take up the slots from the first on, without gaps.
    pub(super) fn index_of(&self, slot: Slot) -> Option<u32> {
        if self.0.get(slot.index()).is_some_and(|node| node.slot == slot) {
            return Some(slot.0);
        }
        self.0.binary_search_by_key(&slot, |node| node.slot).ok().map(|index| index as u32)
    }

    /// Bytes held.
    pub(super) const fn resident_bytes(&self) -> usize {
        self.0.capacity() * size_of::<NewNode>()
    }
}
