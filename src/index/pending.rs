//! Records that are not linked into the graph yet, and the queue in which they wait.
//!
//! Most wait because of a log: nearly all the time that replaying one takes is linking, so opening leaves that for
//! later. A record gets its slot, code, id and level, and its node waits in a queue. Searches score the waiting nodes
//! one by one, beside walking the graph (`search.rs`). Nodes are linked from the front of the queue, one at a time: in
//! idle time, at each insert, and all of them before a compaction or an export, which need the whole graph, and before
//! a checkpoint.
//!
//! Which links a node gets depends on which other nodes are live at that moment. So deletions wait in the same queue,
//! and a node is linked as if the deletions behind it had not happened yet. The result is, byte for byte, the graph of
//! an index that was never closed, with three exceptions. The log does not distinguish records inserted in one call
//! (`insert_many.rs`) from single inserts. Replayed records are linked with the `ef_construction` of the checkpoint,
//! though [`Index::set_options`] may have changed it since. And many that wait for an empty graph are linked together
//! (`bulk.rs`).
//!
//! Records also wait while the links that were read from a checkpoint are not proven (`verify.rs`): no link may be
//! built on unproven ones. The proof takes as long as all the rest of opening, and no search needs it.
//!
//! Records also wait while product codes are being trained, because their codes are needed to link them.
//!
//! Records also wait in a bulk build (`bulk.rs`) until all of them are there and the build is done. No checkpoint waits
//! for that: it stores their levels in place of links, and they wait again after the next opening.
//!
//! Nothing else begins a queue: linking one record takes a small part of a slice, so an insert does it at once. While
//! others wait, an insert links two from the front and puts its own record at the end. So each insert makes the queue
//! shorter, and takes no longer than three inserts without a queue. While the proof is owed, an insert proves some
//! thousand slots instead, and the queue grows by one: by 170 at 100,000 slots, if no idle time comes first. While many
//! are linked together (`bulk.rs`), an insert does one step of that.

use super::insert::link;
use super::verify::Proof;
use super::{Error, Index};
use crate::graph::NewNode;
use crate::quantize::TRAINING_VECTORS;
use crate::slot_set::SlotSet;
use crate::tombstone::Tombstones;
use crate::types::{OutOfMemory, Slot};

/// Slots per step of a proof: some tenths of a millisecond, about as long as linking a record takes.
const PROOF_SLOTS: usize = 256;
/// Slots that each insert looks at until the proof is done. They take a millisecond or two, for which the insert waits.
const PROOF_SLOTS_AN_INSERT: usize = 4096;
/// How often a proof looks at each slot: once to find its id, five times in the stages of the graph's inspection, and
/// once to compare the other arrays.
const LOOKS: usize = 7;
/// How many waiting nodes an insert links.
const LINKS_AN_INSERT: usize = 2;

/// A change that the graph does not have yet.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Link a node. Its level and links do not depend on when this happens.
    Link(NewNode),
    /// Do not link to this slot from here on.
    Bury(Slot),
}

/// The queue of changes that wait, and the reasons to wait.
#[derive(Debug)]
pub(super) struct Pending {
    /// Whether changes wait even if the queue is empty: while a log is replayed, or records come for a bulk build.
    holds: bool,
    /// Changes also wait until the links that they build upon are proven.
    pub(super) proof: Proof,
    /// Changes also wait while product codes are being trained.
    pub(super) trains: bool,
    changes: Vec<Change>,
    /// The position of the first change that waits; those before it are done.
    next: usize,
    /// How many nodes wait.
    nodes: usize,
    /// The slots of these nodes.
    waiting: SlotSet,
    /// The slots that were live before the first change that waits. While none waits it is out of date: `reserve` notes
    /// anew which are live, before the first change can come.
    live: SlotSet,
    /// The bytes that a bulk build of these records holds, from its beginning to its end.
    pub(super) bulk_bytes: Option<usize>,
}

impl Pending {
    pub(super) const fn new() -> Self {
        Self {
            holds: false,
            proof: Proof::Sound,
            trains: false,
            changes: Vec::new(),
            next: 0,
            nodes: 0,
            waiting: SlotSet::new(),
            live: SlotSet::new(),
            bulk_bytes: None,
        }
    }

    /// An empty queue with nothing to prove, for an index without links. Whether changes are held stays as it is.
    pub(super) fn emptied(&self) -> Self {
        Self { holds: self.holds, ..Self::new() }
    }

    /// Makes all changes wait from here on, or only those that come while others wait.
    pub(super) const fn hold(&mut self, holds: bool) {
        self.holds = holds;
    }

    /// Whether records wait, the graph is not proven, or codes are being trained.
    pub(super) const fn has_work(&self) -> bool {
        self.trains || !self.proof.is_sound() || !self.is_empty()
    }

    /// Whether a change that comes now has to wait.
    pub(super) const fn defers(&self) -> bool {
        self.holds || self.has_work()
    }

    /// How many nodes wait.
    pub(super) const fn nodes(&self) -> usize {
        self.nodes
    }

    /// Whether the node of a slot waits.
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.waiting.contains(slot)
    }

    /// Whether no node waits twice.
    pub(super) fn is_sound(&self) -> bool {
        self.slots().count() == self.nodes && self.waiting.count() == self.nodes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.next == self.changes.len()
    }

    /// The slots of the nodes that wait, in their order.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.changes[self.next..].iter().filter_map(|change| match change {
            Change::Link(node) => Some(node.slot),
            Change::Bury(_) => None,
        })
    }

    /// Makes room to note of all slots below `slots` whether they are live.
    pub(super) fn reserve_live(&mut self, slots: usize) -> Result<(), OutOfMemory> {
        self.live.reserve(slots)
    }

    /// The changes that wait, in their order: the node to link, or `None` for a deletion.
    pub(super) fn queued(&self) -> impl Iterator<Item = Option<NewNode>> {
        self.changes[self.next..].iter().map(|change| match change {
            Change::Link(node) => Some(*node),
            Change::Bury(_) => None,
        })
    }

    /// Notes that the first `changes` that wait are done, but for linking the nodes that were `left_out`.
    pub(super) fn built(&mut self, changes: usize, left_out: impl Iterator<Item = NewNode>) {
        let end = self.next + changes;
        for change in &self.changes[self.next..end] {
            match change {
                Change::Link(node) => {
                    self.waiting.remove(node.slot);
                    self.nodes -= 1;
                    self.live.insert(node.slot);
                }
                Change::Bury(slot) => {
                    self.live.remove(*slot);
                }
            }
        }
        self.next = 0;
        let (live, waiting, nodes) = (&mut self.live, &mut self.waiting, &mut self.nodes);
        // A node that is left out and was deleted meanwhile is deleted again once it is linked.
        let left_out = left_out.flat_map(|node| {
            let is_buried = !live.remove(node.slot);
            waiting.insert(node.slot);
            *nodes += 1;
            core::iter::once(Change::Link(node)).chain(is_buried.then_some(Change::Bury(node.slot)))
        });
        drop(self.changes.splice(..end, left_out));
    }

    /// Makes room for `changes` changes to slots below `slots`, should they have to wait. When the queue is empty, also
    /// records which slots are live, so this must come before the first change.
    pub(super) fn reserve(&mut self, changes: usize, slots: usize, tombstones: &Tombstones) -> Result<(), OutOfMemory> {
        if self.defers() {
            self.waiting.reserve(slots)?;
            if self.is_empty() {
                self.live = tombstones.live_slots().snapshot()?;
            }
            self.changes.try_reserve(changes)?;
        }
        Ok(())
    }

    /// Queues a node. The caller has reserved room.
    pub(super) fn link(&mut self, node: NewNode) {
        self.changes.push(Change::Link(node));
        self.waiting.insert(node.slot);
        self.nodes += 1;
    }

    /// Queues the deletion of a slot, if it has to wait. The caller has reserved room. Where changes are only held, a
    /// deletion before the first of them waits for nothing: `reserve` has yet to note who is live.
    pub(super) fn bury(&mut self, slot: Slot) {
        if self.has_work() {
            self.changes.push(Change::Bury(slot));
        }
    }

    /// Empties the queue, and ends the training. Whether changes are held, and the state of the proof, stay as they
    /// are.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        let proof = core::mem::replace(&mut self.proof, Proof::Owed);
        *self = Self { holds: self.holds, proof, ..Self::new() };
    }

    /// Queues a node that was stored before it was linked.
    pub(super) fn restore(&mut self, node: NewNode) -> Result<(), OutOfMemory> {
        self.waiting.reserve(node.slot.index() + 1)?;
        self.changes.try_reserve(1)?;
        self.link(node);
        Ok(())
    }

    /// Notes that all such nodes are in the queue, and queues the deletions of those whose records are gone.
    pub(super) fn restored(&mut self, tombstones: &Tombstones) -> Result<(), OutOfMemory> {
        if self.nodes > 0 {
            self.live = tombstones.live_slots().snapshot()?;
            self.changes.try_reserve(self.nodes)?;
            for at in 0..self.changes.len() {
                if let Change::Link(NewNode { slot, .. }) = self.changes[at]
                    && !self.live.remove(slot)
                {
                    self.changes.push(Change::Bury(slot));
                }
            }
        }
        Ok(())
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.changes.capacity() * size_of::<Change>()
            + self.waiting.resident_bytes()
            + self.live.resident_bytes()
            + self.proof.resident_bytes()
            + self.bulk_bytes.unwrap_or(0)
    }
}

impl Index {
    /// How many records, deleted ones included, are not linked into the graph yet, so that searches score each of them:
    /// records that opening has read from logs, and those that came while others waited, while the graph was not
    /// proven, while product codes were being trained, or for a bulk build.
    pub const fn pending(&self) -> usize {
        self.pending.nodes
    }

    /// Links the record that has waited longest; of many that wait for an empty graph, it links all a little
    /// (`graph/bulk`). While the links that opening has read are not proven, the call proves
    /// some of them instead, and while product codes are being trained, it trains them a little. Returns true while
    /// something is left to do. Every call is legal between two steps, and a read-only index may be linked as well.
    ///
    /// Expected cost: that of an insert; a step of linking many takes up to a few times as long.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]: the record keeps waiting. [`Error::Corrupt`] when the links are not sound: the index can
    /// then be searched, but takes no new records.
    pub fn link_step(&mut self) -> Result<bool, Error> {
        let linked = self.link_next();
        self.make_room();
        linked
    }

    /// The body of [`Index::link_step`].
    #[inline(never)]
    fn link_next(&mut self) -> Result<bool, Error> {
        self.owe_training();
        if self.prove_step(PROOF_SLOTS)? || self.train_step()? || self.bulk_step() {
            return Ok(true);
        }
        let mut has_linked = false;
        while let Some(&change) = self.pending.changes.get(self.pending.next) {
            match change {
                Change::Link(_) if has_linked => return Ok(true),
                Change::Link(node) => {
                    self.link(node)?;
                    self.pending.nodes -= 1;
                    self.pending.waiting.remove(node.slot);
                    has_linked = true;
                }
                Change::Bury(slot) => {
                    self.pending.live.remove(slot);
                }
            }
            self.pending.next += 1;
        }
        if has_linked {
            debug_assert!(self.pending.live.iter().eq(self.parts.tombstones.live_slots().iter()), "who is live");
        }
        self.pending.clear();
        Ok(false)
    }

    /// Links all records that wait ([`Index::pending`]), one after another as [`Index::link_step`] does. Calls that
    /// need the whole graph, such as an export or a compaction, are then possible.
    ///
    /// # Errors
    /// As [`Index::link_step`]; what was linked stays linked.
    pub fn link_all(&mut self) -> Result<(), Error> {
        while self.link_step()? {}
        Ok(())
    }

    /// Makes room for `changes` changes, should they have to wait, and for the expiry of every record that can expire:
    /// an expiry must not fail for lack of memory.
    pub(super) fn reserve_pending(&mut self, changes: usize) -> Result<(), OutOfMemory> {
        let slots = self.parts.slots() + 1;
        self.pending.reserve(changes + self.parts.expiries.len(), slots, &self.parts.tombstones)
    }

    /// Does the share of linking, proving or training that each insert does.
    pub(super) fn link_some(&mut self) -> Result<(), Error> {
        if self.pending.holds || self.prove_step(PROOF_SLOTS_AN_INSERT)? || self.train_step()? {
            return Ok(());
        }
        for _ in 0..LINKS_AN_INSERT {
            if self.pending.is_empty() {
                break;
            }
            self.link_step()?;
            // A step of a bulk build takes longer than linking one record.
            if self.pending.bulk_bytes.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// About how many calls of [`Index::link_step`] are left.
    pub(super) fn settling_steps(&self) -> usize {
        let looks = if self.is_proven() { 0 } else { LOOKS * self.parts.slots() / PROOF_SLOTS };
        let training = if self.pending.trains { self.parts.codes.training_steps() } else { 0 };
        looks + training + self.pending.nodes
    }

    /// Begins the training of product codes once there are enough records. The training begins later when a checkpoint
    /// is being written, because all records must be linked when it ends, or when there is no room for the deletions
    /// that may come before the next insert, which would have to wait from here on.
    pub(super) fn owe_training(&mut self) {
        let is_writing = self.journal().is_some_and(|journal| journal.writing.is_some());
        if self.pending.trains || is_writing || !self.parts.codes.is_untrained() || self.len() < TRAINING_VECTORS {
            return;
        }
        // Set first, so that `reserve_pending` records which slots are live.
        self.pending.trains = true;
        self.pending.trains = self.reserve_pending(0).is_ok();
        // The sample is taken at once, since most records may be deleted before the next step. If there is no memory
        // for it, the next step reports that and tries again.
        drop(self.train_step());
    }

    /// Makes room for `count` deletions, should they have to wait because training begins in the meantime.
    #[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
    pub(super) fn reserve_burials(&mut self, count: usize) -> Result<(), OutOfMemory> {
        if self.parts.codes.is_untrained() {
            self.pending.changes.try_reserve(2 * count + self.parts.expiries.len())?;
        }
        Ok(())
    }

    /// Trains product codes a little, if that is left to do. Returns true while more is left.
    fn train_step(&mut self) -> Result<bool, Error> {
        self.pending.trains = self.pending.trains && self.parts.codes.train_step(self.parts.tombstones.live_slots())?;
        Ok(self.pending.trains)
    }

    /// Whether records wait to be linked together, or are being linked so. A checkpoint does not wait for that: it has
    /// these records without links.
    pub(crate) const fn links_together(&self) -> bool {
        self.pending.holds || self.pending.bulk_bytes.is_some()
    }

    /// Whether product codes are being trained. Not inlined: the file compresses better (size).
    #[cfg(target_arch = "wasm32")]
    #[inline(never)]
    pub(crate) const fn is_training(&self) -> bool {
        self.pending.trains
    }

    /// Whether a checkpoint may be written: not while the graph is not proven, or codes are being trained.
    pub(crate) const fn is_storable(&self) -> bool {
        self.is_proven() && !self.pending.trains
    }

    /// Refuses a checkpoint that may not be written.
    pub(super) fn check_storable(&self) -> Result<(), Error> {
        if self.is_storable() { Ok(()) } else { Err(Error::Unlinked) }
    }

    /// Refuses a call that needs the whole graph while records wait or the graph is not proven.
    pub(super) fn check_linked(&self) -> Result<(), Error> {
        if self.pending.has_work() { Err(Error::Unlinked) } else { Ok(()) }
    }

    fn link(&mut self, node: NewNode) -> Result<(), OutOfMemory> {
        let Self { parts, pending, scratch, .. } = self;
        let super::Parts { graph, codes, .. } = parts;
        pending.live.reserve(node.slot.index() + 1)?;
        let mut buffers = scratch.take();
        let prepared = buffers.points_mut().into_iter().try_for_each(|buffer| codes.prepare(buffer));
        let linked = prepared.and_then(|()| link(graph, codes, node, &pending.live, &mut buffers));
        scratch.put(buffers);
        linked?;
        pending.live.insert(node.slot);
        Ok(())
    }
}
