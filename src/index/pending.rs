//! Records that are not linked into the graph yet: those that opening has found in logs.
//!
//! Nearly all that doing a log again costs is linking, so opening leaves that for later. A record gets its slot, code, id
//! and level, and its node waits in a queue. Searches score the nodes that wait one by one, beside walking the graph
//! (`search.rs`). They are linked from the front of the queue, one at a time: in idle time, at each insert, and all of them
//! before whatever needs the whole graph, which is a compaction, a checkpoint or an export.
//!
//! Which links a node gets depends on which others are live at that moment. So deletions stand in the same queue, and a node
//! is linked as if those behind it had not happened yet. What comes of it is, byte for byte, the graph of an index that was
//! never closed, unless many records came in one call (`insert_many.rs`): a log does not tell that from one after the other.
//!
//! They wait as well while the links that a checkpoint had are not proven (`verify.rs`), which takes as long as all the rest
//! of opening and no search needs: nothing may be built upon them before.
//!
//! Product codes make records wait as well, while they are being trained: what would be linked by codes that are not there yet.
//!
//! Nothing else begins a queue. Linking one record takes a small part of a slice, so an insert has no reason to leave it
//! undone, unless others wait: then it links two from the front, and stands behind the rest. So the queue gets shorter with
//! every insert, and none takes longer than three without a queue. While the proof is owed an insert proves some thousand slots
//! instead, and the queue grows by one: by 170 at 100,000 slots, if no idle time comes first.

use super::insert::link;
use super::verify::Proof;
use super::{Error, Index};
use crate::graph::NewNode;
use crate::quantize::TRAINING_VECTORS;
use crate::slot_set::SlotSet;
use crate::tombstone::Tombstones;
use crate::types::{OutOfMemory, Slot};

/// At how many slots a step of a proof looks: some tenths of a millisecond, about what linking a record takes.
const PROOF_SLOTS: usize = 256;
/// At how many one does that is made by an insert, in a millisecond or two: until the proof is there, each insert waits.
const PROOF_SLOTS_AN_INSERT: usize = 4096;
/// How often a proof looks at each slot: to find its id, in five stages of the graph's inspection, and beside the other arrays.
const LOOKS: usize = 7;
/// How many of those that wait an insert links.
const LINKS_AN_INSERT: usize = 2;

/// What the graph is still to be told.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Link a node. How is fixed: neither its level nor its links depend on when it is linked.
    Link(NewNode),
    /// Choose this one for no link any more.
    Bury(Slot),
}

/// The queue.
#[derive(Debug)]
pub(super) struct Pending {
    /// Changes wait although none waits before them: those of a log.
    holds: bool,
    /// So do all until the links that they build upon are proven.
    pub(super) proof: Proof,
    /// And until the codes by which they are to be linked have learnt what they have to.
    pub(super) trains: bool,
    changes: Vec<Change>,
    /// The first that waits.
    next: usize,
    /// How many nodes wait.
    nodes: usize,
    /// Whose they are.
    waiting: SlotSet,
    /// Who was live before the first change that waits.
    live: SlotSet,
}

impl Pending {
    pub(super) const fn new() -> Self {
        Self {
            holds: false,
            proof: Proof::Given,
            trains: false,
            changes: Vec::new(),
            next: 0,
            nodes: 0,
            waiting: SlotSet::new(),
            live: SlotSet::new(),
        }
    }

    /// Nothing that waits, and nothing to prove, since there are no links any more.
    pub(super) fn emptied(&self) -> Self {
        Self { holds: self.holds, ..Self::new() }
    }

    /// Lets all changes wait from here on, or only those that come while others wait.
    pub(super) const fn hold(&mut self, holds: bool) {
        self.holds = holds;
    }

    /// Whether a change that comes now has to wait.
    pub(super) const fn defers(&self) -> bool {
        self.holds || self.trains || !self.proof.is_given() || !self.is_empty()
    }

    /// How many nodes wait.
    pub(super) const fn nodes(&self) -> usize {
        self.nodes
    }

    /// Whether the node of a slot waits.
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.waiting.contains(slot)
    }

    /// Whether each node waits once.
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

    /// Makes room for changes to slots below `slots` that would have to wait, before the first of them has happened.
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

    /// A node is to be linked. Room has been reserved.
    pub(super) fn link(&mut self, node: NewNode) {
        self.changes.push(Change::Link(node));
        self.waiting.insert(node.slot);
        self.nodes += 1;
    }

    /// A slot has become a tombstone. If that has to wait, room has been reserved.
    pub(super) fn bury(&mut self, slot: Slot) {
        if self.defers() {
            self.changes.push(Change::Bury(slot));
        }
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        *self = Self { holds: self.holds, proof: core::mem::take(&mut self.proof), ..Self::new() };
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.changes.capacity() * size_of::<Change>()
            + self.waiting.resident_bytes()
            + self.live.resident_bytes()
            + self.proof.resident_bytes()
    }
}

impl Index {
    /// How many records, deleted ones included, are not linked into the graph yet, so that searches score each of them:
    /// what opening has found in logs and left for later. 0 for an index that was not opened lazily.
    pub const fn pending(&self) -> usize {
        self.pending.nodes
    }

    /// Links the record that has waited longest; before the first, and while the links that opening has read are not proven
    /// to be as they must be, looks at some of those instead, and while product codes are to be trained, trains them a little. True while either is left to do. Everything is legal between
    /// two steps, and an index that is open for reading only may be linked as well.
    ///
    /// Expected cost: that of an insert.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]: the record waits on. [`Error::Corrupt`] when the links are not as they must be: the index is
    /// good for searching then, and takes nothing in.
    #[inline(never)]
    pub fn link_step(&mut self) -> Result<bool, Error> {
        self.owe_training();
        if self.prove_step(PROOF_SLOTS)? || self.train_step()? {
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

    /// Links all that wait.
    pub(crate) fn link_all(&mut self) -> Result<(), Error> {
        while self.link_step()? {}
        Ok(())
    }

    /// Makes room for changes that may have to wait. Records that expire while they do need some too, and must not be refused it.
    pub(super) fn reserve_pending(&mut self, changes: usize) -> Result<(), OutOfMemory> {
        let slots = self.parts.slots() + 1;
        self.pending.reserve(changes + self.parts.expiries.len(), slots, &self.parts.tombstones)
    }

    /// Links as many as an insert has to.
    pub(super) fn link_some(&mut self) -> Result<(), Error> {
        if self.pending.holds || self.prove_step(PROOF_SLOTS_AN_INSERT)? || self.train_step()? {
            return Ok(());
        }
        for _ in 0..LINKS_AN_INSERT {
            if self.pending.is_empty() {
                break;
            }
            self.link_step()?;
        }
        Ok(())
    }

    /// Whether there is something to link, or to prove before.
    pub(super) const fn is_unsettled(&self) -> bool {
        !self.is_proven() || self.pending.trains || !self.pending.is_empty()
    }

    /// How many calls of [`Index::link_step`] that takes, about.
    pub(super) fn settling_steps(&self) -> usize {
        let looks = if self.is_proven() { 0 } else { LOOKS * self.parts.slots() / PROOF_SLOTS };
        let training = if self.pending.trains { self.parts.codes.training_steps() } else { 0 };
        looks + training + self.pending.nodes
    }

    /// Notes that there are enough records for the codes to learn from, where they have something to learn.
    /// Not while a checkpoint is being written, which must find all records linked when it ends; and not without room for what happens
    /// before the next insert, which would wait from then on. Then it is noted later.
    pub(super) fn owe_training(&mut self) {
        let is_writing = self.journal().is_some_and(|journal| journal.writing.is_some());
        if self.pending.trains || is_writing || !self.parts.codes.is_untrained() || self.len() < TRAINING_VECTORS {
            return;
        }
        // From here on changes wait, so this takes down who is live.
        self.pending.trains = true;
        self.pending.trains = self.reserve_pending(0).is_ok();
    }

    /// Makes room for so many deletions, should they have to wait.
    #[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
    pub(super) fn reserve_burials(&mut self, count: usize) -> Result<(), OutOfMemory> {
        if self.parts.codes.is_untrained() {
            self.pending.changes.try_reserve(2 * count + self.parts.expiries.len())?;
        }
        Ok(())
    }

    /// Learns a little, if that is still to be done. True while there is more of it.
    fn train_step(&mut self) -> Result<bool, Error> {
        self.pending.trains = self.pending.trains && self.parts.codes.train_step(self.parts.tombstones.live_slots())?;
        Ok(self.pending.trains)
    }

    /// Refuses what needs the whole graph while some wait, or while nobody knows that it is one.
    pub(super) fn check_linked(&self) -> Result<(), Error> {
        if self.is_unsettled() { Err(Error::Unlinked) } else { Ok(()) }
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
