//! Runs the core's resumable work in slices, by a clock that it is given.

use crate::index::{Error, Index};

/// Milliseconds from some fixed moment, never going back.
pub trait Clock {
    /// The time.
    fn now_ms(&self) -> f64;
}

/// The first step of a slice, in microseconds of work: small, because the speed of the machine is not known yet.
const FIRST_UNITS: f64 = 100.0;
/// A step is meant to take this share of the slice, so that the slice ends close to its budget.
const STEP_SHARE: f64 = 0.125;

impl Index {
    /// Runs one slice of the compaction under way: steps until about `budget_ms` have passed by `clock`. True while
    /// work remains. A step is meant to take an eighth of the budget, so a slice ends close to it.
    ///
    /// # Errors
    /// As [`Index::compact_step`].
    pub fn compact_slice(&mut self, clock: &impl Clock, budget_ms: f64) -> Result<bool, Error> {
        let started = clock.now_ms();
        let mut before = started;
        let mut units = FIRST_UNITS;
        loop {
            let more = self.compact_step(units as usize)?;
            let now = clock.now_ms();
            let left = budget_ms - (now - started);
            if !more || left <= 0.0 {
                if let Some(running) = &mut self.job {
                    running.note_slice(started, now);
                }
                return Ok(more);
            }
            // What the last step did in its time says how much fits into the next; never more than twice as much, nor
            // more than fits by the units' own measure, for the work may be of another kind from here on.
            let took = (now - before).max(0.001);
            let fits = units * (budget_ms * STEP_SHARE).min(left) / took;
            units = fits.min(2.0 * units).min(left * 1000.0).max(10.0);
            before = now;
        }
    }
}
