//! Runs the core's resumable work, linking and compaction, in slices timed by the caller's clock.

use crate::index::{Error, Index};

/// A clock that times work: milliseconds since some fixed moment, never going back. Any function that returns them is a
/// clock. (The time of day, which may be set back, is a [`WallClock`](crate::WallClock).)
pub trait Clock {
    /// The time in milliseconds.
    fn now_ms(&self) -> f64;
}

impl<F: Fn() -> f64> Clock for F {
    fn now_ms(&self) -> f64 {
        self()
    }
}

/// The first step of each stage of a compaction, in microseconds as planned. It is the smallest possible one: the speed
/// of this kind of work is not known yet, and an engine runs code many times slower before optimizing it.
const FIRST_US: f64 = 1.0;
/// The length of a slice when a compaction runs to its end.
pub(crate) const SLICE_MS: f64 = 50.0;
/// The share of a slice that one step should take, so that the slice ends close to its budget.
const STEP_SHARE: f64 = 0.125;

impl Index {
    /// Calls [`Index::link_step`] at least once and until about `budget_ms` have passed on `clock`. Returns true while
    /// work remains.
    ///
    /// # Errors
    /// As [`Index::link_step`].
    pub fn link_slice(&mut self, clock: &impl Clock, budget_ms: f64) -> Result<bool, Error> {
        let started = clock.now_ms();
        while self.link_step()? {
            // NaN counts as a budget of 0.
            if clock.now_ms() - started >= budget_ms.max(0.0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs one slice of the current compaction: at least one step, and more until about `budget_ms` have passed on
    /// `clock`. Steps aim at an eighth of the budget, so that a slice ends close to it. Returns true while work
    /// remains.
    ///
    /// # Errors
    /// As [`Index::compact_step`].
    pub fn compact_slice(&mut self, clock: &impl Clock, budget_ms: f64) -> Result<bool, Error> {
        let Some(running) = &self.job else { return Ok(false) };
        let mut step_us = running.step_us().max(FIRST_US);
        let mut stage = self.compact_stage();
        // NaN counts as a budget of 0.
        let budget_ms = budget_ms.max(0.0);
        let share_ms = budget_ms * STEP_SHARE;
        let started = clock.now_ms();
        let (mut before, mut left) = (started, budget_ms);
        loop {
            // With a budget of 0 the quotient is NaN, which `min` turns into 1.
            let more = self.compact_step((step_us * (left / share_ms).min(1.0)).max(FIRST_US) as usize)?;
            let now = clock.now_ms();
            // Size the next step by the speed of the last one: at most twice as long as that was planned to be, and at
            // most as long as would fit if the plan held. The speed says nothing about another kind of work.
            let took = (now - before).max(0.001);
            step_us = (step_us * share_ms.min(left) / took).min(2.0 * step_us).min(1000.0 * share_ms).max(FIRST_US);
            (before, left) = (now, budget_ms - (now - started));
            if self.compact_stage() != stage {
                (stage, step_us) = (self.compact_stage(), FIRST_US);
            }
            if let Some(running) = self.job.as_mut().filter(|_| !more || left <= 0.0) {
                running.note_slice(started, now, step_us);
            }
            if !more || left <= 0.0 {
                return Ok(more);
            }
        }
    }
}
