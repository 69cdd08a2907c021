//! check(): the structural proof, at once or some of it at a time.

use super::pending::Pending;
use super::{Error, Index, Parts};
use crate::graph::{Graph, Inspection};
use crate::ids::LookupError;
use crate::types::{OutOfMemory, Slot};

/// Beyond this many, more problems say nothing new.
const MOST_PROBLEMS: usize = 32;

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

/// A proof under way. Between two steps records may be deleted, and nothing may be linked.
#[derive(Debug)]
pub(crate) struct Verification {
    graph: Inspection,
    /// The slot that is compared with the other arrays next.
    at: u32,
    problems: Vec<String>,
    /// Records that the store no longer has as they were written. Nothing of the index's structure is wrong with that.
    lost: Vec<String>,
}

impl Verification {
    fn begin(graph: &Graph) -> Result<Self, OutOfMemory> {
        Ok(Self { graph: Inspection::begin(graph)?, at: 0, problems: Vec::new(), lost: Vec::new() })
    }

    fn note(&mut self, problem: impl FnOnce() -> String) {
        note(&mut self.problems, problem);
    }

    /// Looks at about `slots` slots more. True while some are left.
    fn step(&mut self, parts: &Parts, pending: &Pending, slots: usize) -> Result<bool, Error> {
        let len = parts.slots();
        let is_linked = |slot| parts.tombstones.is_live(slot) && !pending.contains(slot);
        if self.graph.step(&parts.graph, &is_linked, slots) {
            return Ok(true);
        }
        if self.at == 0 {
            self.whole(parts, pending)?;
        }
        let end = (self.at as usize).saturating_add(slots).min(len);
        for slot in (self.at..end as u32).map(Slot) {
            self.slot(slot, parts, pending);
        }
        self.at = end as u32;
        Ok(end < len)
    }

    /// What is seen without a look at single slots.
    fn whole(&mut self, parts: &Parts, pending: &Pending) -> Result<(), Error> {
        let Parts { graph, codes, ids, tombstones, expiries, .. } = parts;
        let slots = ids.len();
        // Those at the end may all be waiting.
        let has_lists = if pending.nodes() == 0 { graph.len() == slots } else { graph.len() <= slots };
        if !has_lists || codes.len() != slots {
            self.note(|| format!("{slots} slots, {} codes, {} nodes", codes.len(), graph.len()));
        }
        if ids.bound() != tombstones.live() {
            self.note(|| format!("{} ids for {} live records", ids.bound(), tombstones.live()));
        }
        if !pending.is_sound() {
            self.note(|| "a slot waits twice to be linked".to_owned());
        }
        if !expiries.is_sound(|slot| tombstones.is_live(slot)) {
            let what = "the moments at which records expire are not in order, or those of records that are not live";
            self.note(|| what.to_owned());
        }
        match ids.prepare_lookups() {
            Err(LookupError::OutOfMemory) => return Err(Error::OutOfMemory),
            Err(error @ LookupError::Twice(_)) => self.note(|| Error::from(error).to_string()),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Whether the arrays agree about a slot.
    fn slot(&mut self, slot: Slot, parts: &Parts, pending: &Pending) {
        let Parts { graph, ids, tombstones, records, .. } = parts;
        let (live, deleted, free) = (tombstones.is_live(slot), tombstones.contains(slot), ids.is_free(slot));
        if usize::from(live) + usize::from(deleted) + usize::from(free) != 1 {
            self.note(|| format!("slot {} is live {live}, deleted {deleted}, free {free}", slot.0));
        }
        let waits = pending.contains(slot);
        if graph.has_node(slot) == (free || waits) || (free && waits) {
            self.note(|| format!("slot {} is free {free}, waits {waits}, and its node disagrees", slot.0));
        }
        let id = ids.id_of(slot);
        // Where two slots have one id there are no tables, and that has been noted.
        let leads_back = |id: &_| ids.slot_of(id).map_or(true, |found| found == Some(slot));
        if id.is_some() != live || id.is_some_and(|id| !leads_back(&id)) {
            self.note(|| format!("slot {} is live {live}, and its id does not lead back to it", slot.0));
        }
        if records.contains(slot) != live {
            self.note(|| format!("slot {} is live {live}, and its record disagrees", slot.0));
        } else if live && records.is_lost(slot) {
            note(&mut self.lost, || {
                format!("the record of slot {} is lost: its block is not as it was written", slot.0)
            });
        }
    }

    fn report(self, parts: &Parts, pending: &Pending) -> CheckReport {
        let live = parts.tombstones.live();
        let waiting = pending.slots().filter(|&slot| parts.tombstones.is_live(slot)).count();
        let shape = self.graph.into_shape();
        let mut problems = shape.problems;
        problems.extend(self.problems);
        problems.extend(self.lost);
        problems.truncate(MOST_PROBLEMS);
        CheckReport { ok: problems.is_empty(), live, reachable: shape.reachable + waiting, problems }
    }
}

fn note(problems: &mut Vec<String>, problem: impl FnOnce() -> String) {
    if problems.len() < MOST_PROBLEMS {
        problems.push(problem());
    }
}

/// Whether the links of an index are known to be as they must be before any is changed. Searches need less: that each leads
/// to a slot that there is, which is seen when links are read.
#[derive(Debug, Default)]
pub(crate) enum Proof {
    /// They were made here, or were looked at.
    #[default]
    Given,
    /// They were read from a store, and nobody has looked at them yet.
    Owed,
    Running(Verification),
    /// This is wrong with them.
    Refuted(String),
}

impl Proof {
    pub(super) const fn is_given(&self) -> bool {
        matches!(self, Self::Given)
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        if let Self::Running(running) = self { running.graph.resident_bytes() } else { 0 }
    }
}

impl Index {
    /// Proves that every live record is reachable from the entry point, that links are within bounds and never lead to
    /// a free slot, and that ids, records and states agree. Linear in the number of links.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn check(&self) -> Result<CheckReport, Error> {
        let mut verification = Verification::begin(&self.parts.graph)?;
        while verification.step(&self.parts, &self.pending, usize::MAX)? {}
        Ok(verification.report(&self.parts, &self.pending))
    }

    /// Whether links may be changed.
    pub(crate) const fn is_proven(&self) -> bool {
        self.pending.proof.is_given()
    }

    /// The links of this index were read, and are to be looked at before any is changed.
    pub(super) fn owe_proof(&mut self) {
        self.pending.proof = Proof::Owed;
    }

    /// Looks at about `slots` slots, if that is still to be done. True while some are left.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Corrupt`] when something is wrong. The index is then good for searching only.
    pub(crate) fn prove_step(&mut self, slots: usize) -> Result<bool, Error> {
        let mut running = match core::mem::take(&mut self.pending.proof) {
            Proof::Given => return Ok(false),
            Proof::Owed => {
                // Until it has begun it is still owed.
                self.pending.proof = Proof::Owed;
                match self.parts.ids.prepare_some(slots) {
                    Ok(true) => return Ok(true),
                    Err(LookupError::OutOfMemory) => return Err(Error::OutOfMemory),
                    // What is wrong will be noted.
                    Ok(false) | Err(LookupError::Twice(_)) => {}
                }
                Verification::begin(&self.parts.graph)?
            }
            Proof::Running(running) => running,
            Proof::Refuted(what) => {
                self.pending.proof = Proof::Refuted(what.clone());
                return Err(Error::Corrupt { what });
            }
        };
        let stepped = running.step(&self.parts, &self.pending, slots);
        match stepped {
            Ok(false) => {
                running.lost = Vec::new();
                let problems = running.report(&self.parts, &self.pending).problems;
                let Some(what) = problems.into_iter().next() else {
                    self.pending.proof = Proof::Given;
                    return Ok(false);
                };
                self.pending.proof = Proof::Refuted(what);
                self.prove_step(0)
            }
            more => {
                self.pending.proof = Proof::Running(running);
                more
            }
        }
    }
}
