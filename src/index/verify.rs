//! check(): the structural proof, at once or in steps.

use super::pending::Pending;
use super::{Error, Index, Parts};
use crate::graph::{Graph, Inspection};
use crate::ids::LookupError;
use crate::types::{OutOfMemory, Quoted, Slot};
use core::fmt::Arguments;

/// Most problems in a report.
const MOST_PROBLEMS: usize = 32;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Whether there are no problems.
    pub ok: bool,
    /// Live records.
    pub live: usize,
    /// Live records that are reachable on level 0 from the entry point: all of them, when `ok`.
    pub reachable: usize,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

/// A proof under way. Between two steps records may be deleted, but nothing may be linked.
#[derive(Debug)]
pub(crate) struct Verification {
    graph: Inspection,
    /// The next slot whose arrays are compared.
    at: u32,
    problems: Vec<String>,
    /// Records that are lost in the store. This is no defect of the structure.
    lost: Vec<String>,
}

impl Verification {
    fn begin(graph: &Graph) -> Result<Self, OutOfMemory> {
        Ok(Self { graph: Inspection::begin(graph)?, at: 0, problems: Vec::new(), lost: Vec::new() })
    }

    fn note(&mut self, problem: Arguments<'_>) {
        note(&mut self.problems, problem);
    }

    /// Looks at about `slots` more slots. Returns true while some are left.
    fn step(&mut self, parts: &Parts, pending: &Pending, slots: usize) -> Result<bool, Error> {
        let len = parts.slots();
        let is_linked = |slot| parts.tombstones.is_live(slot) && !pending.queue.contains(slot);
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

    /// Checks what can be checked without looking at single slots.
    fn whole(&mut self, parts: &Parts, pending: &Pending) -> Result<(), Error> {
        let Parts { graph, codes, ids, tombstones, expiries, .. } = parts;
        let slots = ids.len();
        // The last slots may all be waiting, and then have no lists of links.
        let has_lists = if pending.queue.nodes() == 0 { graph.len() == slots } else { graph.len() <= slots };
        if !has_lists || codes.len() != slots {
            self.note(format_args!("{slots} slots, {} codes, {} nodes", codes.len(), graph.len()));
        }
        if ids.bound() != tombstones.live() {
            self.note(format_args!("{} ids for {} live records", ids.bound(), tombstones.live()));
        }
        if !pending.queue.is_sound() {
            self.note(format_args!("a slot waits twice to be linked"));
        }
        if !expiries.is_sound(|slot| tombstones.is_live(slot)) {
            let what = "expiries are not in order, or not of live records";
            self.note(format_args!("{what}"));
        }
        match ids.prepare_lookups() {
            Err(LookupError::OutOfMemory) => return Err(Error::OutOfMemory),
            Err(error @ LookupError::Twice(_)) => self.note(format_args!("{}", Error::from(error))),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Checks that the arrays agree about a slot.
    fn slot(&mut self, slot: Slot, parts: &Parts, pending: &Pending) {
        let Parts { graph, ids, tombstones, records, .. } = parts;
        let (live, deleted, free) = (tombstones.is_live(slot), tombstones.contains(slot), ids.is_free(slot));
        if usize::from(live) + usize::from(deleted) + usize::from(free) != 1 {
            self.note(format_args!("slot {} is live {live}, deleted {deleted}, free {free}", slot.0));
        }
        let waits = pending.queue.contains(slot);
        if graph.has_node(slot) == (free || waits) || (free && waits) {
            self.note(format_args!("slot {} is free {free}, waits {waits}, and its node disagrees", slot.0));
        }
        let id = ids.id_of(slot);
        // When two slots have the same id, there are no tables, and `whole` has noted that.
        let leads_back = |id: &_| ids.slot_of(id).map_or(true, |found| found == Some(slot));
        if id.is_some() != live || id.as_ref().is_some_and(|id| !leads_back(id)) {
            self.note(format_args!("slot {} is live {live}, and its id does not lead back to it", slot.0));
        }
        if records.contains(slot) != live {
            self.note(format_args!("slot {} is live {live}, and its record disagrees", slot.0));
        } else if records.is_lost(slot)
            && let Some(id) = id
        {
            let id = Quoted(&id);
            note(&mut self.lost, format_args!("the record of id {id} is lost: its block is not as it was written"));
        }
    }

    fn report(self, parts: &Parts, pending: &Pending) -> CheckReport {
        let live = parts.tombstones.live();
        let waiting = pending.queue.slots().filter(|&slot| parts.tombstones.is_live(slot)).count();
        let shape = self.graph.into_shape();
        let mut problems = shape.problems;
        problems.extend(self.problems);
        problems.extend(self.lost);
        problems.truncate(MOST_PROBLEMS);
        CheckReport { ok: problems.is_empty(), live, reachable: shape.reachable + waiting, problems }
    }
}

/// Not inlined, so that the many places that find a problem are small.
#[cold]
#[inline(never)]
fn note(problems: &mut Vec<String>, problem: Arguments<'_>) {
    if problems.len() < MOST_PROBLEMS {
        problems.push(problem.to_string());
    }
}

/// Whether the links of an index are known to be sound, which is required before any is changed. Searches only require
/// that each link leads to a slot that exists, which is checked when links are read.
#[derive(Debug)]
pub(crate) enum Proof {
    /// The links were made here, or have been proven.
    Sound,
    /// The links were read from bytes, and nothing has looked at them yet.
    Owed,
    /// The proof is under way.
    Running(Verification),
    /// The links are not sound, for this reason.
    Refuted(String),
}

impl Proof {
    pub(super) const fn is_sound(&self) -> bool {
        matches!(self, Self::Sound)
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        if let Self::Running(running) = self { running.graph.resident_bytes() } else { 0 }
    }
}

impl Index {
    /// Checks that every live record is reachable from the entry point, that links are within bounds and never lead to
    /// a free slot, and that ids, records and states agree. Linear in the number of links.
    ///
    /// Reads nothing from a store: of a damaged block it knows once the block has been read, which an opening that is
    /// neither lazy nor under a budget does for all. [`StoredIndex::export`](crate::StoredIndex::export) reads every
    /// record.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Unlinked`] while many records are being linked together.
    pub fn check(&self) -> Result<CheckReport, Error> {
        // The lists of a bulk build are not the graph's before it is done.
        if self.pending.bulk_bytes.is_some() {
            return Err(Error::Unlinked);
        }
        let mut verification = Verification::begin(&self.parts.graph)?;
        while verification.step(&self.parts, &self.pending, usize::MAX)? {}
        Ok(verification.report(&self.parts, &self.pending))
    }

    /// Whether links may be changed.
    pub(crate) const fn is_proven(&self) -> bool {
        self.pending.proof.is_sound()
    }

    /// Notes that the links of this index were read, and must be proven before any is changed.
    pub(super) fn owe_proof(&mut self) {
        self.pending.proof = Proof::Owed;
    }

    /// Looks at about `slots` slots, unless the proof is done. Returns true while some are left.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Corrupt`] when something is wrong. The index can then only be searched.
    pub(crate) fn prove_step(&mut self, slots: usize) -> Result<bool, Error> {
        // Any early return below leaves the proof owed, unless it says otherwise.
        let mut running = match core::mem::replace(&mut self.pending.proof, Proof::Owed) {
            Proof::Sound => {
                self.pending.proof = Proof::Sound;
                return Ok(false);
            }
            Proof::Owed => {
                match self.parts.ids.prepare_some(slots) {
                    Ok(true) => return Ok(true),
                    Err(LookupError::OutOfMemory) => return Err(Error::OutOfMemory),
                    // The verification will note an id that two slots have.
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
                    self.pending.proof = Proof::Sound;
                    return Ok(false);
                };
                self.pending.proof = Proof::Refuted(what);
                // Returns the error of the refuted proof.
                self.prove_step(0)
            }
            more => {
                self.pending.proof = Proof::Running(running);
                more
            }
        }
    }
}
