//! Runs the core's resumable work, linking and compaction, in slices, by a clock that it is given.

use crate::index::{Error, Index};

/// Milliseconds from some fixed moment, never going back.
pub trait Clock {
    /// The time.
    fn now_ms(&self) -> f64;
}

/// The first step of each stage of a compaction: the least there is, because how fast the machine does this kind of work is
/// not known yet, and an engine runs code that it has not optimized many times slower.
const FIRST_UNITS: f64 = 1.0;
/// A step is meant to take this share of the slice, so that the slice ends close to its budget.
const STEP_SHARE: f64 = 0.125;

impl Index {
    /// Links records that wait for it, one after the other until about `budget_ms` have passed by `clock`, and at least
    /// one. True while others wait.
    ///
    /// # Errors
    /// As [`Index::link_step`].
    pub fn link_slice(&mut self, clock: &impl Clock, budget_ms: f64) -> Result<bool, Error> {
        let started = clock.now_ms();
        while self.link_step()? {
            // What is no number is no time.
            if clock.now_ms() - started >= budget_ms.max(0.0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs one slice of the compaction under way: steps until about `budget_ms` have passed by `clock`. True while
    /// work remains. A step is meant to take an eighth of the budget, so a slice ends close to it.
    ///
    /// # Errors
    /// As [`Index::compact_step`].
    pub fn compact_slice(&mut self, clock: &impl Clock, budget_ms: f64) -> Result<bool, Error> {
        let Some(running) = &self.job else { return Ok(false) };
        let mut units = running.units().max(FIRST_UNITS);
        let mut stage = self.compact_stage();
        // What is no number is no time.
        let budget_ms = budget_ms.max(0.0);
        let share_ms = budget_ms * STEP_SHARE;
        let started = clock.now_ms();
        let (mut before, mut left) = (started, budget_ms);
        loop {
            let more = self.compact_step((units * (left / share_ms).min(1.0)).max(FIRST_UNITS) as usize)?;
            let now = clock.now_ms();
            // What the last step did in its time says how much fits into the next: never more than twice as much, nor
            // more than fits by the units' own measure. It says nothing of work of another kind.
            let took = (now - before).max(0.001);
            units = (units * share_ms.min(left) / took).min(2.0 * units).min(1000.0 * share_ms).max(FIRST_UNITS);
            (before, left) = (now, budget_ms - (now - started));
            if self.compact_stage() != stage {
                (stage, units) = (self.compact_stage(), FIRST_UNITS);
            }
            if let Some(running) = self.job.as_mut().filter(|_| !more || left <= 0.0) {
                running.note_slice(started, now, units);
            }
            if !more || left <= 0.0 {
                return Ok(more);
            }
        }
    }
}
