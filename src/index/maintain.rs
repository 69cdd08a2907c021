//! Compaction: when, and one slice at a time.

use super::config::clamp_threshold;
use super::{Error, Index};
use crate::arena::EvacuationError;
use crate::compact::{Choice, CompactionReport, Job, Measure, Progress, choose};

/// A compaction under way, and what its slices have taken so far.
#[derive(Debug)]
pub(crate) struct Running {
    job: Job,
    slices: usize,
    longest_slice_ms: f64,
    started_ms: Option<f64>,
    ended_ms: f64,
    units: f64,
}

impl Running {
    pub(super) const fn moved(&self) -> usize {
        self.job.moved()
    }

    /// Which kind of work comes next: what is known of the speed of one says little of another's.
    pub(crate) const fn stage(&self) -> u8 {
        self.job.stage()
    }

    /// How much work whoever runs slices wants to do between the next two looks at the clock.
    pub(crate) const fn units(&self) -> f64 {
        self.units
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
    /// half of the records' memory (and at least 1 MiB) is stale.
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

    /// Begins a compaction, or joins the one under way. What is deleted from here on waits for the next.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::ReadOnly`]; what the store has failed with.
    pub fn compact_start(&mut self) -> Result<(), Error> {
        self.check_writable()?;
        if self.job.is_none() {
            let job = Job::begin(&self.parts)?;
            self.job =
                Some(Running { job, slices: 0, longest_slice_ms: 0.0, started_ms: None, ended_ms: 0.0, units: 0.0 });
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
        let Some(running) = &mut self.job else { return Ok(false) };
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

    /// Ends the compaction whose last step said that no work remains, and returns its report. None when there is none.
    pub fn compact_finish(&mut self) -> Option<CompactionReport> {
        let running = self.job.take()?;
        let (tombstones_removed, reclaimed_bytes) = running.job.outcome();
        if tombstones_removed > 0
            && let Some(journal) = self.journal_mut()
        {
            journal.is_reshaped = true;
        }
        let report = CompactionReport {
            tombstones_removed,
            new_size: self.len(),
            reclaimed_bytes,
            slices: running.slices,
            longest_slice_ms: running.longest_slice_ms,
            duration_ms: running.started_ms.map_or(0.0, |started| running.ended_ms - started),
        };
        self.last_report = Some(report);
        Some(report)
    }

    /// Drops the compaction under way. What it has done stays done; what it has not waits for the next. Records that it was
    /// about to finish moving leave their old places behind as tombstones, which [`Index::deleted`] counts until then.
    pub fn compact_abort(&mut self) {
        self.job = None;
    }

    /// How far the compaction under way has come.
    pub fn compact_progress(&self) -> Option<Progress> {
        self.job.as_ref().map(|running| running.job.progress())
    }

    /// What the compaction that ended last did.
    pub const fn last_compaction(&self) -> Option<&CompactionReport> {
        self.last_report.as_ref()
    }
}
