//! check(): the structural proof.

use super::{Error, Index};
use crate::graph::inspect;
use crate::types::Slot;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// True when there are no problems.
    pub ok: bool,
    /// Live records.
    pub live: usize,
    /// Live records that a walk over level 0 from the entry point meets: all of them, when `ok`.
    pub reachable: usize,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

impl Index {
    /// Proves that every live record is reachable from the entry point, that links are within bounds and never lead to
    /// a free slot, and that ids, records and states agree. Linear in the number of links.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn check(&self) -> Result<CheckReport, Error> {
        let super::Parts { graph, codes, ids, tombstones, records } = &self.parts;
        let shape = inspect(graph, |slot| tombstones.is_live(slot))?;
        let mut problems = shape.problems;
        let mut note = |problem: String| {
            if problems.len() < 32 {
                problems.push(problem);
            }
        };
        let slots = ids.len();
        if graph.len() != slots || codes.len() != slots {
            note(format!("{slots} slots, {} codes, {} nodes", codes.len(), graph.len()));
        }
        for slot in (0..slots as u32).map(Slot) {
            let (live, deleted) = (tombstones.is_live(slot), tombstones.contains(slot));
            let free = ids.is_free(slot);
            if usize::from(live) + usize::from(deleted) + usize::from(free) != 1 {
                note(format!("slot {} is live {live}, deleted {deleted}, free {free}", slot.0));
            }
            if graph.level(slot).is_some() == free {
                note(format!("slot {} is free {free}, and its node disagrees", slot.0));
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
        if ids.bound() != tombstones.live() {
            note(format!("{} ids for {} live records", ids.bound(), tombstones.live()));
        }
        Ok(CheckReport { ok: problems.is_empty(), live: tombstones.live(), reachable: shape.reachable, problems })
    }
}
