//! link_step: links the records that wait (`pending.rs`), from the front of their queue, one at a time: in idle time,
//! at each insert, and all of them before a compaction or an export, which need the whole graph, and before a
//! checkpoint.
//!
//! The result is, byte for byte, the graph of an index in which none has waited, with three exceptions. The log does
//! not distinguish records inserted in one call (`insert_many.rs`) from single inserts. Replayed records are linked
//! with the `ef_construction` of the checkpoint, though [`Index::set_options`] may have changed it since. And many that
//! wait for an empty graph are linked together (`bulk.rs`).
//!
//! While others wait, an insert links two from the front and puts its own record at the end. So each insert makes the
//! queue shorter, and takes no longer than three inserts without a queue. While the proof is owed, an insert proves
//! some thousand slots instead, and the queue grows by one: by 170 at 100,000 slots, if no idle time comes first. While
//! many are linked together, an insert does one step of that.

use super::pending::queue::Change;
use super::{Error, Index, Parts};
use crate::graph::{Graph, NewNode, Scratch};
use crate::quantize::Codes;
use crate::slot_set::SlotSet;
use crate::types::OutOfMemory;

/// Slots per step of a proof: some tenths of a millisecond, about as long as linking a record takes.
const PROOF_SLOTS: usize = 256;
/// Slots that each insert looks at until the proof is done. They take a millisecond or two, for which the insert waits.
const PROOF_SLOTS_AN_INSERT: usize = 4096;
/// How often a proof looks at each slot: once to find its id, five times in the stages of the graph's inspection, and
/// once to compare the other arrays.
const LOOKS: usize = 7;
/// How many waiting nodes an insert links.
const LINKS_AN_INSERT: usize = 2;

/// Links a node, whose code is in place, to nodes of `live`. Not inlined: it has two callers (size).
#[inline(never)]
pub(super) fn link(
    graph: &mut Graph,
    codes: &Codes,
    node: NewNode,
    live: &SlotSet,
    scratch: &mut Scratch,
) -> Result<(), OutOfMemory> {
    graph.insert(codes.space(), node, live, scratch)
}

impl Index {
    /// Links the record that has waited longest; of many that wait for an empty graph, it links all a little
    /// (`graph/bulk`). While the links that opening has read are not proven, the call proves some of them instead, and
    /// while product codes are being trained, it trains them a little. Returns true while something is left to do.
    /// Every call is legal between two steps, and a read-only index may be linked as well.
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
        while let Some(change) = self.pending.queue.first() {
            if let Change::Link(node) = change {
                if has_linked {
                    return Ok(true);
                }
                self.link(node)?;
                has_linked = true;
            }
            self.pending.queue.pop();
        }
        debug_assert!(!has_linked || self.pending.queue.has_caught_up(&self.parts.tombstones), "who is live");
        self.pending.clear();
        Ok(false)
    }

    fn link(&mut self, node: NewNode) -> Result<(), OutOfMemory> {
        let Self { parts: Parts { graph, codes, .. }, pending, scratch, .. } = self;
        let live = pending.queue.linkable(node)?;
        let mut buffers = scratch.take();
        let prepared = buffers.points_mut().into_iter().try_for_each(|buffer| codes.prepare(buffer));
        let linked = prepared.and_then(|()| link(graph, codes, node, live, &mut buffers));
        scratch.put(buffers);
        linked
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

    /// Does the share of linking, proving or training that each insert does.
    pub(super) fn link_some(&mut self) -> Result<(), Error> {
        if self.pending.holds
            || self.pending.is_burst
            || self.prove_step(PROOF_SLOTS_AN_INSERT)?
            || self.train_step()?
        {
            return Ok(());
        }
        for _ in 0..LINKS_AN_INSERT {
            if self.pending.queue.is_empty() {
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
    pub(super) fn link_steps_left(&self) -> usize {
        let looks = if self.is_proven() { 0 } else { LOOKS * self.parts.slots() / PROOF_SLOTS };
        let training = if self.pending.trains { self.parts.codes.training_steps() } else { 0 };
        looks + training + self.pending()
    }
}
