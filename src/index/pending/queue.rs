//! The changes that wait for the graph: nodes to link, and deletions, in the order in which they came.
//!
//! Which links a node gets depends on which other nodes are live at that moment. So deletions wait in the same queue,
//! and a node is linked as if the deletions behind it had not happened yet.

use crate::graph::NewNode;
use crate::slot_set::SlotSet;
use crate::tombstone::Tombstones;
use crate::types::{OutOfMemory, Slot};

/// A change that the graph does not have yet.
#[derive(Clone, Copy, Debug)]
pub(in crate::index) enum Change {
    /// Link a node. Its level and links do not depend on when this happens.
    Link(NewNode),
    /// Do not link to this slot from here on.
    Delete(Slot),
}

/// The changes that wait.
#[derive(Debug)]
pub(in crate::index) struct LinkQueue {
    changes: Vec<Change>,
    /// The position of the first change that waits; those before it are done.
    next: usize,
    /// How many nodes wait.
    nodes: usize,
    /// The slots of these nodes.
    waiting: SlotSet,
    /// The slots that were live before the first change that waits. While none waits it is out of date: `reserve` notes
    /// anew which are live, before the first change can come.
    live_before: SlotSet,
}

impl LinkQueue {
    pub(super) const fn new() -> Self {
        Self { changes: Vec::new(), next: 0, nodes: 0, waiting: SlotSet::new(), live_before: SlotSet::new() }
    }

    pub(in crate::index) const fn is_empty(&self) -> bool {
        self.next == self.changes.len()
    }

    /// How many nodes wait.
    pub(in crate::index) const fn nodes(&self) -> usize {
        self.nodes
    }

    /// Whether the node of a slot waits.
    pub(in crate::index) fn contains(&self, slot: Slot) -> bool {
        self.waiting.contains(slot)
    }

    /// Whether no node waits twice.
    pub(in crate::index) fn is_sound(&self) -> bool {
        self.slots().count() == self.nodes && self.waiting.count() == self.nodes
    }

    /// The slots of the nodes that wait, in their order.
    pub(in crate::index) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.waiting_nodes().map(|node| node.slot)
    }

    /// The nodes that wait, in their order.
    pub(in crate::index) fn waiting_nodes(&self) -> impl Iterator<Item = NewNode> {
        self.changes().filter_map(|change| match change {
            Change::Link(node) => Some(node),
            Change::Delete(_) => None,
        })
    }

    /// The changes that wait, in their order.
    pub(in crate::index) fn changes(&self) -> impl Iterator<Item = Change> {
        self.changes[self.next..].iter().copied()
    }

    /// The nodes that wait before any deletion does, in their order.
    #[cfg(not(target_arch = "wasm32"))]
    pub(in crate::index) fn first_nodes(&self) -> impl Iterator<Item = NewNode> {
        self.changes().map_while(|change| match change {
            Change::Link(node) => Some(node),
            Change::Delete(_) => None,
        })
    }

    /// The slots that were live before the first change that waits. Out of date while none waits.
    #[cfg(not(target_arch = "wasm32"))]
    pub(in crate::index) const fn live_before(&self) -> &SlotSet {
        &self.live_before
    }

    /// The first change that waits.
    pub(in crate::index) fn first(&self) -> Option<Change> {
        self.changes.get(self.next).copied()
    }

    /// The slots to which `node`, the first that waits, may be linked. Makes room for its own.
    pub(in crate::index) fn linkable(&mut self, node: NewNode) -> Result<&SlotSet, OutOfMemory> {
        self.live_before.reserve(node.slot.index() + 1)?;
        Ok(&self.live_before)
    }

    /// Notes that the first change that waits is done. The caller has made room among those that were live before.
    pub(in crate::index) fn pop(&mut self) {
        match self.first() {
            Some(Change::Link(node)) => {
                self.live_before.insert(node.slot);
                self.nodes -= 1;
                self.waiting.remove(node.slot);
            }
            Some(Change::Delete(slot)) => {
                self.live_before.remove(slot);
            }
            None => return,
        }
        self.next += 1;
    }

    /// Notes that the first `changes` that wait are done, but for linking the nodes that were `left_out`.
    pub(in crate::index) fn pop_built(&mut self, changes: usize, left_out: impl Iterator<Item = NewNode>) {
        for _ in 0..changes {
            self.pop();
        }
        let done = core::mem::take(&mut self.next);
        let Self { live_before, waiting, nodes, .. } = self;
        // A node that is left out and was deleted meanwhile is deleted again once it is linked.
        let left_out = left_out.flat_map(|node| {
            let is_deleted = !live_before.remove(node.slot);
            waiting.insert(node.slot);
            *nodes += 1;
            core::iter::once(Change::Link(node)).chain(is_deleted.then_some(Change::Delete(node.slot)))
        });
        drop(self.changes.splice(..done, left_out));
    }

    /// Makes room for `changes` changes to slots below `slots`. When the queue is empty, also records which slots are
    /// live, so this must come before the first change.
    pub(super) fn reserve(&mut self, changes: usize, slots: usize, tombstones: &Tombstones) -> Result<(), OutOfMemory> {
        self.waiting.reserve(slots)?;
        if self.is_empty() {
            self.live_before = tombstones.live_slots().snapshot()?;
        }
        self.reserve_changes(changes)
    }

    /// Makes room for `changes` changes to slots that the queue has room for.
    pub(in crate::index) fn reserve_changes(&mut self, changes: usize) -> Result<(), OutOfMemory> {
        Ok(self.changes.try_reserve(changes)?)
    }

    /// Makes room to note of all slots below `slots` whether they were live.
    pub(in crate::index) fn reserve_live(&mut self, slots: usize) -> Result<(), OutOfMemory> {
        self.live_before.reserve(slots)
    }

    /// Queues a node. The caller has reserved room.
    pub(in crate::index) fn push_link(&mut self, node: NewNode) {
        self.changes.push(Change::Link(node));
        self.waiting.insert(node.slot);
        self.nodes += 1;
    }

    /// Queues the deletion of a slot. The caller has reserved room.
    pub(super) fn push_deletion(&mut self, slot: Slot) {
        self.changes.push(Change::Delete(slot));
    }

    /// Queues a node that was stored before it was linked.
    pub(in crate::index) fn restore(&mut self, node: NewNode) -> Result<(), OutOfMemory> {
        self.waiting.reserve(node.slot.index() + 1)?;
        self.reserve_changes(1)?;
        self.push_link(node);
        Ok(())
    }

    /// Notes that all such nodes are in the queue, and queues the deletions of those whose records are gone.
    pub(in crate::index) fn restored(&mut self, tombstones: &Tombstones) -> Result<(), OutOfMemory> {
        if self.nodes > 0 {
            self.live_before = tombstones.live_slots().snapshot()?;
            self.reserve_changes(self.nodes)?;
            for at in 0..self.changes.len() {
                if let Change::Link(NewNode { slot, .. }) = self.changes[at]
                    && !self.live_before.remove(slot)
                {
                    self.changes.push(Change::Delete(slot));
                }
            }
        }
        Ok(())
    }

    /// Whether those that were live before what waits are those that are live.
    pub(in crate::index) fn has_caught_up(&self, tombstones: &Tombstones) -> bool {
        self.live_before.iter().eq(tombstones.live_slots().iter())
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.changes.capacity() * size_of::<Change>()
            + self.waiting.resident_bytes()
            + self.live_before.resident_bytes()
    }
}
