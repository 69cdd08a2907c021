//! Compaction: when it pays, and its steps.

use super::config::clamp_threshold;
use super::{Error, Index};
use crate::arena::MoveError;
use crate::compact::{Choice, CompactionReport, Job, Measure, Order, Progress, choose};

/// Microseconds that one [`Index::link_step`] takes, linking a record or proving links: rather an overestimate.
const LINK_US: usize = 300;

/// The kind of work that comes before a job, as [`Index::compact_stage`] numbers it. No [`Job::stage`] has this number.
const LINKING: u8 = u8::MAX;

/// A compaction under way, and how its slices went so far.
#[derive(Debug)]
pub(crate) struct Running {
    job: Job,
    /// Whether this compaction also puts the index in graph order.
    packs: bool,
    /// Microseconds of proving and linking that precede the job: of what is done, and of all.
    linked_us: usize,
    to_link_us: usize,
    slices: usize,
    longest_slice_ms: f64,
    started_ms: Option<f64>,
    ended_ms: f64,
    step_us: f64,
}

/// What past compactions did.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// The report of the compaction that ended last.
    report: Option<CompactionReport>,
    /// How many compactions have ended.
    #[cfg(not(target_arch = "wasm32"))]
    ended: u64,
    /// How many steps all compactions have taken.
    pub(super) steps: u64,
}

impl Running {
    pub(super) fn resident_bytes(&self) -> usize {
        self.job.resident_bytes()
    }

    pub(super) const fn moved(&self) -> usize {
        self.job.moved()
    }

    /// How many microseconds of work, as planned, fit between two readings of the clock, as the last slice left it.
    pub(crate) const fn step_us(&self) -> f64 {
        self.step_us
    }

    fn progress(&self) -> Progress {
        let Progress { done, total, phase } = self.job.progress();
        let phase = if self.linked_us < self.to_link_us { "graph" } else { phase };
        Progress { done: self.linked_us + done, total: self.to_link_us + total, phase }
    }

    /// Records the times of a slice, by the clock of its caller, and the length of the step with which the next slice
    /// begins.
    pub(crate) const fn note_slice(&mut self, started_ms: f64, ended_ms: f64, step_us: f64) {
        self.step_us = step_us;
        self.slices += 1;
        self.longest_slice_ms = self.longest_slice_ms.max(ended_ms - started_ms);
        if self.started_ms.is_none() {
            self.started_ms = Some(started_ms);
        }
        self.ended_ms = ended_ms;
    }
}

impl From<MoveError> for Error {
    #[cold]
    #[inline(never)]
    fn from(error: MoveError) -> Self {
        let what = match error {
            MoveError::OutOfMemory => return Self::OutOfMemory,
            MoveError::CopyDiffers(_) => "a record in memory did not copy faithfully".to_owned(),
            MoveError::Malformed(slot) => format!("the record of slot {} is none", slot.0),
        };
        Self::Corrupt { what }
    }
}

impl Index {
    /// Whether compaction would pay: the share of tombstones is above [`Index::compaction_threshold`], or more than
    /// half of the records' memory, and at least 1 MiB, is stale. When hot and warm bytes take more than three quarters
    /// of [`Config::max_bytes`](crate::Config::max_bytes), both thresholds fall as the limit nears, down to a quarter
    /// of each at the limit.
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

    /// Sets the share of tombstones above which [`Index::needs_compaction`] is true, clamped to 0.01 to 0.99. A stored
    /// index writes it with its next checkpoint, which is then due.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for NaN.
    pub fn set_compaction_threshold(&mut self, threshold: f64) -> Result<(), Error> {
        self.config.compaction_threshold = clamp_threshold(threshold)?;
        Ok(())
    }

    /// Begins a compaction, or joins the one under way. Records that are deleted from here on wait for the next one.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::ReadOnly`]; the error with which the store has failed.
    pub fn compact_start(&mut self) -> Result<(), Error> {
        self.check_writable()?;
        self.begin_job(None)
    }

    /// Begins a compaction that also puts the index in graph order, or joins the one under way, which then does only
    /// what it was begun for. Graph order puts records that are near each other side by side in memory, so that a
    /// search takes less time (a twentieth less among 100,000 records, a third less among a million).
    ///
    /// Every record's code and links move, so the next checkpoint writes all of them. Ids stay as they are, and so does
    /// what searches find, except for the order of equally distant records.
    ///
    /// # Errors
    /// As [`Index::compact_start`]; [`Error::OverBudget`] where `max_bytes` leaves no room for another quarter of
    /// the codes and links, or those of 1,024 records, and for eight bytes a record.
    pub fn pack_start(&mut self) -> Result<(), Error> {
        self.check_writable()?;
        if self.job.is_none() && !self.has_room_to_pack() {
            return Err(Error::OverBudget);
        }
        self.begin_job(Some(Order::new(&self.parts)))
    }

    /// Begins a compaction, or joins the one under way; a new one also puts the index in graph order if `order` says
    /// how. Not inlined (size).
    #[inline(never)]
    fn begin_job(&mut self, order: Option<Order>) -> Result<(), Error> {
        if self.job.is_none() {
            let packs = order.is_some();
            self.job = Some(Running {
                job: Job::begin(&self.parts, order)?,
                packs,
                linked_us: 0,
                to_link_us: self.link_steps_left() * LINK_US,
                slices: 0,
                longest_slice_ms: 0.0,
                started_ms: None,
                ended_ms: 0.0,
                step_us: 0.0,
            });
            self.make_room();
        }
        Ok(())
    }

    /// Does about `budget_us` microseconds of work of the compaction under way, all of one kind: how far this estimate
    /// is off differs from one kind to another. Returns true while work remains, and false when the compaction has
    /// ended or there is none. Every call is legal between two steps.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Corrupt`] when memory is faulty or a record of a mapped file malformed, or as
    /// [`Index::link_step`]. After either the compaction is dropped, and the index is consistent.
    pub fn compact_step(&mut self, budget_us: usize) -> Result<bool, Error> {
        if self.job.is_some() && self.pending.has_work() {
            return self.link_before(budget_us).inspect_err(|_| self.job = None).map(|()| true);
        }
        let Some(running) = &mut self.job else { return Ok(false) };
        self.compacted.steps += 1;
        let mut scratch = self.scratch.take();
        let stepped = running.job.step(&mut self.parts, &mut scratch, budget_us);
        self.scratch.put(scratch);
        self.make_room();
        match stepped {
            Ok(more) => Ok(more),
            Err(error) => {
                self.job = None;
                Err(error.into())
            }
        }
    }

    /// Does about `budget_us` microseconds of the proving and linking that come before the compaction under way.
    fn link_before(&mut self, budget_us: usize) -> Result<(), Error> {
        let mut left_us = budget_us.max(1);
        while left_us > 0 {
            let more = self.link_step()?;
            left_us = if more { left_us.saturating_sub(LINK_US) } else { 0 };
            if let Some(running) = &mut self.job {
                let linked_us = if more { running.linked_us + LINK_US } else { running.to_link_us };
                running.linked_us = linked_us.min(running.to_link_us);
            }
        }
        Ok(())
    }

    /// Identifies the kind of work that the compaction under way does next; `None` without a compaction. The measured
    /// speed of one kind says little about another's.
    pub(crate) fn compact_stage(&self) -> Option<u8> {
        let running = self.job.as_ref()?;
        Some(if self.pending.has_work() { LINKING } else { running.job.stage() })
    }

    /// Ends the compaction under way and returns its report; `None` if there is none. Call this when
    /// [`Index::compact_step`] has returned false. An earlier call stops the compaction, as [`Index::compact_abort`]
    /// does, and reports what it has done.
    pub fn compact_finish(&mut self) -> Option<CompactionReport> {
        let running = self.job.take()?;
        let (tombstones_removed, reclaimed_bytes) = running.job.outcome();
        if let Some(journal) = self.journal_mut() {
            let has_moved = reclaimed_bytes.graph + reclaimed_bytes.codes > 0;
            journal.is_reshaped |= running.packs || tombstones_removed > 0 || has_moved;
            journal.is_compression_due = true;
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

    /// Drops the buffers of searches and inserts, which still contain parts of what was searched for and inserted.
    pub(crate) fn forget_buffers(&self) {
        self.scratch.forget();
    }

    /// How many compactions have ended so far. A caller that joined one can tell by this that it was not dropped.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) const fn compactions(&self) -> u64 {
        self.compacted.ended
    }

    /// Whether a compaction has changed something that the store does not have yet, or blocks should be rewritten.
    pub(crate) fn has_changed_shape(&self) -> Result<bool, Error> {
        let is_reshaped = self.journal().is_some_and(|journal| journal.is_reshaped);
        Ok(is_reshaped || !self.worn_blocks(u32::MAX)?.is_empty())
    }

    /// Sets `reclaimed_bytes.cold` in the report of the compaction that ended last, and returns that report.
    pub(crate) const fn note_cold(&mut self, bytes: usize) -> Option<CompactionReport> {
        if let Some(report) = &mut self.compacted.report {
            report.reclaimed_bytes.cold = bytes;
        }
        self.compacted.report
    }

    /// Drops the compaction under way. What it has done stays done, and the next compaction does the rest. Records
    /// whose move was not finished leave their old places behind as tombstones, which [`Index::deleted`] counts until
    /// then.
    pub fn compact_abort(&mut self) {
        self.job = None;
    }

    /// How far the compaction under way has come.
    pub fn compact_progress(&self) -> Option<Progress> {
        self.job.as_ref().map(Running::progress)
    }

    /// The report of the compaction that ended last.
    pub const fn last_compaction(&self) -> Option<&CompactionReport> {
        self.compacted.report.as_ref()
    }
}
