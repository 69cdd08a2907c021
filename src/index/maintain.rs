//! Compaction: when, and one slice at a time.

use super::config::clamp_threshold;
use super::{Error, Index};
use crate::arena::EvacuationError;
use crate::compact::{Choice, CompactionReport, Job, Measure, Progress, choose};

/// What a step takes that links a record, or looks at links, in microseconds: rather too high than too low.
const LINK_UNITS: usize = 300;

/// A compaction under way, and what its slices have taken so far.
#[derive(Debug)]
pub(crate) struct Running {
    job: Job,
    /// Whether every record moves.
    packs: bool,
    /// Units of the proving and linking that come before the job: done, and in all.
    linked: usize,
    to_link: usize,
    slices: usize,
    longest_slice_ms: f64,
    started_ms: Option<f64>,
    ended_ms: f64,
    units: f64,
}

/// What compactions have done so far.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Of the one that ended last.
    report: Option<CompactionReport>,
    /// How many have ended.
    #[cfg(not(target_arch = "wasm32"))]
    ended: u64,
    /// How many steps all of them have taken.
    pub(super) steps: u64,
}

impl Running {
    pub(super) const fn moved(&self) -> usize {
        self.job.moved()
    }

    /// How much work whoever runs slices wants to do between the next two looks at the clock.
    pub(crate) const fn units(&self) -> f64 {
        self.units
    }

    fn progress(&self) -> Progress {
        let Progress { done, total, phase } = self.job.progress();
        let phase = if self.linked < self.to_link { "graph" } else { phase };
        Progress { done: self.linked + done, total: self.to_link + total, phase }
    }

    /// Records a slice, by the clock of whoever ran it, and with how much work between two looks to go on.
    pub(crate) const fn note_slice(&mut self, started_ms: f64, ended_ms: f64, units: f64) {
        self.units = units;
        self.slices += 1;
        self.longest_slice_ms = self.longest_slice_ms.max(ended_ms - started_ms);
        if self.started_ms.is_none() {
            self.started_ms = Some(started_ms);
        }
        self.ended_ms = ended_ms;
    }
}

impl Index {
    /// Whether compaction would pay: the share of tombstones is above [`Index::compaction_threshold`], or more than
    /// half of the records' memory (and at least 1 MiB) is stale. Where hot and warm bytes take more than three quarters of
    /// [`Config::max_bytes`](crate::Config::max_bytes), less is enough: down to a quarter of each at all of it.
    pub fn needs_compaction(&self) -> bool {
        self.choice() != Choice::Nothing
    }

    fn choice(&self) -> Choice {
        choose(Measure {
            live: self.len(),
            deleted: self.deleted(),
            threshold: self.config.compaction_threshold,
            warm_stale_bytes: self.parts.records.stale_bytes(),
            warm_resident_bytes: self.parts.records.resident_bytes(),
            pressure: self.pressure(),
        })
    }

    /// The share of tombstones above which [`Index::needs_compaction`] is true.
    pub const fn compaction_threshold(&self) -> f64 {
        self.config.compaction_threshold
    }

    /// Sets the threshold, clamped to 0.01 to 0.99.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for NaN.
    pub fn set_compaction_threshold(&mut self, threshold: f64) -> Result<(), Error> {
        self.config.compaction_threshold = clamp_threshold(threshold)?;
        Ok(())
    }

    /// Makes the records of a mapped file warm.
    pub(super) fn thaw(&mut self) -> Result<(), Error> {
        match self.parts.records.thaw()? {
            None => Ok(()),
            Some(slot) => Err(Error::Corrupt { what: format!("the record of slot {} is none", slot.0) }),
        }
    }

    /// Begins a compaction, or joins the one under way. What is deleted from here on waits for the next.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::ReadOnly`]; what the store has failed with.
    pub fn compact_start(&mut self) -> Result<(), Error> {
        self.start(false)
    }

    /// The same, of a compaction that also puts the index in graph order: records that are near each other come to lie side by side in
    /// memory, so that a search takes less time (a twentieth less among 100,000 records, a third less among a million). It moves every
    /// record's code and links, so that the next checkpoint writes all of them; ids stay as they are, and so does what searches find,
    /// but for which of equally distant records come first. One that is under way already is joined, and does what it was begun for.
    ///
    /// # Errors
    /// As [`Index::compact_start`]; [`Error::OutOfMemory`] also where `max_bytes` leaves no room for an eighth of codes and links, or
    /// those of 1,024 records, besides.
    pub fn pack_start(&mut self) -> Result<(), Error> {
        self.start(true)
    }

    /// Not inlined: the shipped wasm has it once.
    #[inline(never)]
    pub(crate) fn start(&mut self, packs: bool) -> Result<(), Error> {
        self.check_writable()?;
        self.thaw()?;
        if self.job.is_none() {
            if packs && !self.has_room_to_pack() {
                return Err(Error::OutOfMemory);
            }
            self.job = Some(Running {
                job: Job::begin(&self.parts, packs)?,
                packs,
                linked: 0,
                to_link: self.settling_steps() * LINK_UNITS,
                slices: 0,
                longest_slice_ms: 0.0,
                started_ms: None,
                ended_ms: 0.0,
                units: 0.0,
            });
        }
        Ok(())
    }

    /// Does about `units` microseconds' worth of the compaction under way, and no more than one kind of work: what comes
    /// next may take another time for the same units. True while work remains; false when the compaction has ended or
    /// there is none. Everything is legal between two steps.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]: the compaction is dropped, and the index is consistent. [`Error::Corrupt`]: memory is
    /// faulty.
    pub fn compact_step(&mut self, units: usize) -> Result<bool, Error> {
        if self.job.is_some() && self.is_unsettled() {
            return self.link_before(units).inspect_err(|_| self.job = None).map(|()| true);
        }
        let Some(running) = &mut self.job else { return Ok(false) };
        self.compacted.steps += 1;
        let mut scratch = self.scratch.take();
        let stepped = running.job.step(&mut self.parts, &mut scratch, units);
        self.scratch.put(scratch);
        match stepped {
            Ok(more) => Ok(more),
            Err(error) => {
                self.job = None;
                Err(match error {
                    EvacuationError::OutOfMemory => Error::OutOfMemory,
                    EvacuationError::CopyDiffers(_) => {
                        Error::Corrupt { what: "a record in memory did not copy faithfully".to_owned() }
                    }
                })
            }
        }
    }

    /// Proves and links about `units` microseconds' worth of what waits, for the compaction under way.
    fn link_before(&mut self, units: usize) -> Result<(), Error> {
        let mut left = units.max(1);
        while left > 0 {
            let more = self.link_step()?;
            left = if more { left.saturating_sub(LINK_UNITS) } else { 0 };
            if let Some(running) = &mut self.job {
                let linked = if more { running.linked + LINK_UNITS } else { running.to_link };
                running.linked = linked.min(running.to_link);
            }
        }
        Ok(())
    }

    /// Which kind of work the compaction under way does next, as a number: what is known of the speed of one kind says little
    /// of another's. None when there is no compaction.
    pub(crate) fn compact_stage(&self) -> Option<u8> {
        let running = self.job.as_ref()?;
        Some(if self.is_unsettled() { u8::MAX } else { running.job.stage() })
    }

    /// Ends the compaction under way, and returns its report; none when there is none. To be called when the last step has said that no
    /// work remains: before that it ends where it is, as by [`Index::compact_abort`], and the report is of what it has done.
    pub fn compact_finish(&mut self) -> Option<CompactionReport> {
        let running = self.job.take()?;
        let (tombstones_removed, reclaimed_bytes) = running.job.outcome();
        if let Some(journal) = self.journal_mut() {
            journal.is_reshaped |= running.packs || tombstones_removed > 0;
            journal.is_packing_due = true;
        }
        let report = CompactionReport {
            tombstones_removed,
            new_size: self.len(),
            reclaimed_bytes,
            slices: running.slices,
            longest_slice_ms: running.longest_slice_ms,
            duration_ms: running.started_ms.map_or(0.0, |started| running.ended_ms - started),
        };
        self.compacted.report = Some(report);
        #[cfg(not(target_arch = "wasm32"))]
        {
            self.compacted.ended += 1;
        }
        Some(report)
    }

    /// Gives up the buffers of searches and inserts, in which something is left of what was searched for and inserted.
    pub(crate) fn forget_buffers(&self) {
        self.scratch.forget();
    }

    /// How many compactions have ended so far, by which those who joined one see that it was not dropped.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) const fn compactions(&self) -> u64 {
        self.compacted.ended
    }

    /// Whether a compaction has changed what the store does not have yet, or blocks should be written anew.
    pub(crate) fn has_changed_shape(&self) -> Result<bool, Error> {
        let is_reshaped = self.journal().is_some_and(|journal| journal.is_reshaped);
        Ok(is_reshaped || !self.worn_blocks(u32::MAX)?.is_empty())
    }

    /// The report of the compaction that ended last, with what it came to in the store.
    pub(crate) const fn note_cold(&mut self, bytes: usize) -> Option<CompactionReport> {
        if let Some(report) = &mut self.compacted.report {
            report.reclaimed_bytes.cold = bytes;
        }
        self.compacted.report
    }

    /// Drops the compaction under way. What it has done stays done; what it has not waits for the next. Records that it was
    /// about to finish moving leave their old places behind as tombstones, which [`Index::deleted`] counts until then.
    pub fn compact_abort(&mut self) {
        self.job = None;
    }

    /// How far the compaction under way has come.
    pub fn compact_progress(&self) -> Option<Progress> {
        self.job.as_ref().map(Running::progress)
    }

    /// What the compaction that ended last did.
    pub const fn last_compaction(&self) -> Option<&CompactionReport> {
        self.compacted.report.as_ref()
    }
}
