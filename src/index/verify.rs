//! check(): the structural proof.

use super::{Error, Index};
use crate::graph::inspect;
use crate::slot_set::SlotSet;
use crate::types::Slot;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// True when there are no problems.
    pub ok: bool,
    /// Live records.
    pub live: usize,
    /// Live records that a search as wide as the index finds: those that a walk over level 0 from the entry point meets, and those
    /// that wait to be linked ([`Index::pending`]). All of them, when `ok`.
    pub reachable: usize,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

impl Index {
    /// Proves that every live record that is linked is reachable from the entry point, that links are within bounds and never lead to
    /// a free slot, and that ids, records and states agree. Linear in the number of links.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn check(&self) -> Result<CheckReport, Error> {
        let super::Parts { graph, codes, ids, tombstones, records, expiries } = &self.parts;
        let mut waiting = SlotSet::new();
        waiting.reserve(ids.len())?;
        let is_once = self.pending.slots().all(|slot| waiting.insert(slot));
        let shape = inspect(graph, |slot| tombstones.is_live(slot) && !waiting.contains(slot))?;
        let reachable = shape.reachable + waiting.iter().filter(|&slot| tombstones.is_live(slot)).count();
        let mut problems = shape.problems;
        let mut note = |problem: String| {
            if problems.len() < 32 {
                problems.push(problem);
            }
        };
        let slots = ids.len();
        // Those at the end may all be waiting.
        let has_lists = if waiting.is_empty() { graph.len() == slots } else { graph.len() <= slots };
        if !has_lists || codes.len() != slots {
            note(format!("{slots} slots, {} codes, {} nodes", codes.len(), graph.len()));
        }
        for slot in (0..slots as u32).map(Slot) {
            let (live, deleted) = (tombstones.is_live(slot), tombstones.contains(slot));
            let free = ids.is_free(slot);
            if usize::from(live) + usize::from(deleted) + usize::from(free) != 1 {
                note(format!("slot {} is live {live}, deleted {deleted}, free {free}", slot.0));
            }
            let waits = waiting.contains(slot);
            if graph.level(slot).is_some() == (free || waits) || (free && waits) {
                note(format!("slot {} is free {free}, waits {waits}, and its node disagrees", slot.0));
            }
            let id = ids.id_of(slot);
            if id.is_some() != live || id.is_some_and(|id| ids.slot_of(&id) != Some(slot)) {
                note(format!("slot {} is live {live}, and its id does not lead back to it", slot.0));
            }
            let is_lost = live && records.is_lost(slot);
            if is_lost || records.contains(slot) != live {
                let what = if is_lost { "is lost: its block is not as it was written" } else { "disagrees" };
                note(format!("slot {} is live {live}, and its record {what}", slot.0));
            }
        }
        if !is_once {
            note("a slot waits twice to be linked".to_owned());
        }
        if ids.bound() != tombstones.live() {
            note(format!("{} ids for {} live records", ids.bound(), tombstones.live()));
        }
        if !expiries.is_sound(|slot| tombstones.is_live(slot)) {
            note(
                "the moments at which records expire are not in order, or those of records that are not live"
                    .to_owned(),
            );
        }
        Ok(CheckReport { ok: problems.is_empty(), live: tombstones.live(), reachable, problems })
    }
}
