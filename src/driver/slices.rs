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
/// The shortest time that a step is taken to need, where a clock shows less.
const LEAST_MS: f64 = 0.001;

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
        // NaN counts as a budget of 0.
        let budget_ms = budget_ms.max(0.0);
        let share_ms = budget_ms * STEP_SHARE;
        // The last slice may have been longer.
        let mut step_us = running.step_us().min(1000.0 * share_ms).max(FIRST_US);
        let mut stage = self.compact_stage();
        let started = clock.now_ms();
        let (mut before, mut left) = (started, budget_ms);
        loop {
            let more = self.compact_step(fitting_us(step_us, share_ms, left) as usize)?;
            let now = clock.now_ms();
            step_us = next_step_us(step_us, now - before, share_ms, left);
            (before, left) = (now, budget_ms - (now - started));
            // The speed says nothing about another kind of work.
            if self.compact_stage() != stage {
                (stage, step_us) = (self.compact_stage(), FIRST_US);
            }
            let is_over = !more || left <= 0.0;
            if is_over {
                if let Some(running) = &mut self.job {
                    running.note_slice(started, now, step_us);
                }
                return Ok(more);
            }
        }
    }
}

/// How much of a step of `step_us` to do when `left_ms` of the slice are left: less where its share of the slice does
/// not fit any more.
fn fitting_us(step_us: f64, share_ms: f64, left_ms: f64) -> f64 {
    let part = if left_ms < share_ms { left_ms / share_ms } else { 1.0 };
    (step_us * part).max(FIRST_US)
}

/// The length of the next step, by the speed of the last one, of [`fitting_us`], which took `took_ms`: so long that it
/// takes `share_ms`, but at most twice as long as the last, and at most as long as would fit if the plan held.
fn next_step_us(step_us: f64, took_ms: f64, share_ms: f64, left_ms: f64) -> f64 {
    let took_ms = took_ms.max(LEAST_MS);
    (step_us * share_ms.min(left_ms) / took_ms).min(2.0 * step_us).min(1000.0 * share_ms).max(FIRST_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_steps() {
        let whole = f64::INFINITY;
        // The step, how long it took, its share of the slice, what was left of the slice; what was done, the next step.
        let cases = [
            // As planned; twice too slow; a little too fast; much too fast; immeasurably fast, or a clock set back.
            ((4000.0, 4.0, 4.0, 32.0), (4000.0, 4000.0)),
            ((4000.0, 8.0, 4.0, 32.0), (4000.0, 2000.0)),
            ((2000.0, 3.2, 4.0, 32.0), (2000.0, 2500.0)),
            ((500.0, 0.5, 4.0, 32.0), (500.0, 1000.0)),
            ((FIRST_US, 0.0, 4.0, 32.0), (FIRST_US, 2.0)),
            ((500.0, -7.0, 4.0, 32.0), (500.0, 1000.0)),
            // No longer than the share, however fast, and no shorter than the first, however slow.
            ((3000.0, 0.5, 4.0, 32.0), (3000.0, 4000.0)),
            ((4000.0, 1e9, 4.0, 32.0), (4000.0, FIRST_US)),
            // A quarter of a share is left: a quarter of the step is done, and its speed counts.
            ((4000.0, 1.0, 4.0, 1.0), (1000.0, 4000.0)),
            ((4000.0, 2.0, 4.0, 1.0), (1000.0, 2000.0)),
            ((2.0, 1.0, 4.0, 1.0), (FIRST_US, 2.0)),
            // A budget of 0.
            ((FIRST_US, 0.0, 0.0, 0.0), (FIRST_US, FIRST_US)),
            // No end: ever longer.
            ((4000.0, 9.0, whole, whole), (4000.0, 8000.0)),
        ];
        for (case, (done, next)) in cases {
            let (step_us, took_ms, share_ms, left_ms) = case;
            assert_eq!(fitting_us(step_us, share_ms, left_ms), done, "{case:?}");
            assert_eq!(next_step_us(step_us, took_ms, share_ms, left_ms), next, "{case:?}");
        }
    }
}
