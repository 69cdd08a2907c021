//! Records that are not linked into the graph yet, and why they wait.
//!
//! | reason              | until                                                           | what ends it           |
//! |---------------------|-----------------------------------------------------------------|------------------------|
//! | a log was replayed  | all of its records are linked                                   | `link.rs`              |
//! | unproven links      | the links that were read from a checkpoint are proven           | `verify.rs`            |
//! | training            | product codes, which are needed to link records, are trained    | `train.rs`             |
//! | a bulk build        | all of its records are there, and are linked together           | `bulk.rs`              |
//! | a shared index      | many records, put in at once, are linked in slices              | `link_many.rs`         |
//! | a burst             | all of its records are there, and are linked in slices          | `put_off_links`        |
//! | others wait         | those are linked, because records are linked in their order     | `link.rs`              |
//!
//! Nearly all the time that replaying a log takes is linking, so opening leaves that for later; and no link may be
//! built on unproven ones, whose proof takes as long as all the rest of opening, and which no search needs. A record
//! that waits has its slot, code, id and level, and its node is in a [queue](queue). Searches score the waiting nodes
//! one by one, beside walking the graph (`search.rs`). No checkpoint waits for a bulk build: it stores the levels of
//! its nodes in place of links, and they wait again after the next opening.
//!
//! Nothing else makes a record wait: linking one takes a small part of a slice, so an insert does it at once. But many
//! inserts that follow one another without a pause, a *burst*, would hold the thread for long.

pub(super) mod queue;

use super::verify::Proof;
use super::{Error, Index};
use crate::tombstone::Tombstones;
use crate::types::{OutOfMemory, Slot};
use queue::LinkQueue;

/// The changes that wait, and the reasons to wait.
#[derive(Debug)]
pub(super) struct Pending {
    /// Whether changes wait even if the queue is empty: while a log is replayed, or records come that are linked later.
    pub(super) holds: bool,
    /// Changes also wait while inserts come in a burst, which then link none of those that wait.
    pub(super) is_burst: bool,
    /// Changes also wait until the links that they build upon are proven.
    pub(super) proof: Proof,
    /// Changes also wait while product codes are being trained.
    pub(super) trains: bool,
    /// The changes that wait. Changes also wait while others do.
    pub(super) queue: LinkQueue,
    /// The bytes that a bulk build of these records holds, from its beginning to its end.
    pub(super) bulk_bytes: Option<usize>,
}

impl Pending {
    pub(super) const fn new() -> Self {
        let proof = Proof::Sound;
        Self { holds: false, is_burst: false, proof, trains: false, queue: LinkQueue::new(), bulk_bytes: None }
    }

    /// An empty queue with nothing to prove, for an index without links. Whether changes are held stays as it is.
    pub(super) fn emptied(&self) -> Self {
        Self { holds: self.holds, ..Self::new() }
    }

    /// Empties the queue, and ends the training. Whether changes are held, and the state of the proof, stay as they
    /// are.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        let proof = core::mem::replace(&mut self.proof, Proof::Owed);
        *self = Self { holds: self.holds, proof, ..Self::new() };
    }

    /// Whether records wait, the graph is not proven, or codes are being trained.
    pub(super) const fn has_work(&self) -> bool {
        self.trains || !self.proof.is_sound() || !self.queue.is_empty()
    }

    /// Whether a change that comes now has to wait.
    pub(super) const fn defers(&self) -> bool {
        self.holds || self.is_burst || self.has_work()
    }

    /// Makes room for `changes` changes to slots below `slots`, should they have to wait. When the queue is empty, also
    /// records which slots are live, so this must come before the first change.
    pub(super) fn reserve(&mut self, changes: usize, slots: usize, tombstones: &Tombstones) -> Result<(), OutOfMemory> {
        if self.defers() { self.queue.reserve(changes, slots, tombstones) } else { Ok(()) }
    }

    /// Queues the deletion of a slot, if it has to wait. The caller has reserved room. Where changes are only held, a
    /// deletion before the first of them waits for nothing: `reserve` has yet to note who is live.
    pub(super) fn delete(&mut self, slot: Slot) {
        if self.has_work() {
            self.queue.push_deletion(slot);
        }
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.queue.resident_bytes() + self.proof.resident_bytes() + self.bulk_bytes.unwrap_or(0)
    }
}

impl Index {
    /// Makes the inserts from here on wait for their links, and link none of the others that wait; or ends that. Those
    /// that wait are linked by [`Index::link_step`]. Where inserts train product codes under a budget they go on with
    /// it, since rows are whole vectors until that has ended.
    #[cfg(any(test, target_arch = "wasm32"))]
    pub(crate) const fn put_off_links(&mut self, puts_off: bool) {
        self.pending.is_burst = puts_off && !(self.pending.trains && self.config.max_bytes.is_some());
    }

    /// How many records, deleted ones included, are not linked into the graph yet, so that searches score each of them:
    /// records that opening has read from logs, and those that came while others waited, while the graph was not
    /// proven, while product codes were being trained, for a bulk build, in a burst of single inserts in
    /// JavaScript, or in a call of `SharedIndex::insert_many` that is still linking them.
    pub const fn pending(&self) -> usize {
        self.pending.queue.nodes()
    }

    /// Makes room for `changes` changes, should they have to wait, and for the expiry of every record that can expire:
    /// an expiry must not fail for lack of memory.
    pub(super) fn reserve_pending(&mut self, changes: usize) -> Result<(), OutOfMemory> {
        let slots = self.parts.slots() + 1;
        self.pending.reserve(changes + self.parts.expiries.len(), slots, &self.parts.tombstones)
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
}
