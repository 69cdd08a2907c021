//! Stages of a task: each is announced, timed, and recorded for the summary at the end.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::output;
use crate::run::Tally;

/// What happened to one stage.
enum End {
    Passed(Option<Tally>),
    Failed(String),
    /// Something it needs is not available here.
    Absent(String),
}

struct Stage {
    name: &'static str,
    took: Duration,
    end: End,
}

/// The stages of one task so far. A failed stage does not stop the next one, so that one run shows everything that is
/// wrong.
#[derive(Default)]
pub(crate) struct Report {
    stages: Mutex<Vec<Stage>>,
    /// Where stages that run side by side keep their output until they end. `None`: stages run alone and print at once.
    outputs: Option<PathBuf>,
}

impl Report {
    /// Returns the same report for stages that run side by side from now on, on threads of their own: the output of
    /// each is kept in a file of this folder and printed whole at its end.
    pub(crate) fn side_by_side(self, outputs: PathBuf) -> Self {
        Self { outputs: Some(outputs), ..self }
    }

    /// Runs a stage that either succeeds or fails. Returns whether it succeeded.
    pub(crate) fn stage(&self, name: &'static str, work: impl FnOnce() -> Result<(), String>) -> bool {
        self.record(name, || work().map(|()| None))
    }

    /// Runs a stage that counts tests. Returns whether all of them passed.
    pub(crate) fn tests(&self, name: &'static str, work: impl FnOnce() -> Result<Tally, String>) -> bool {
        self.record(name, || work().map(Some))
    }

    /// Marks a stage as skipped because this machine lacks a prerequisite, and prints the reason.
    pub(crate) fn absent(&self, name: &'static str, why: &str) {
        let mut stages = self.stages();
        println!("\n== {name}: NOT RUN: {why}");
        stages.push(Stage { name, took: Duration::ZERO, end: End::Absent(why.to_owned()) });
    }

    /// Marks a stage as failed because it could not even begin.
    pub(crate) fn blocked(&self, name: &'static str, why: &str) {
        self.record(name, || Err(format!("not run: {why}")));
    }

    fn record(&self, name: &'static str, work: impl FnOnce() -> Result<Option<Tally>, String>) -> bool {
        let timed = || {
            let started = Instant::now();
            let outcome = work();
            (outcome, started.elapsed())
        };
        let ((outcome, took), mut stages) = if let Some(folder) = &self.outputs {
            let file = folder.join(name.replace(|sign: char| !sign.is_ascii_alphanumeric(), "-"));
            // Hold the stages while printing, so that nothing else is printed in between.
            let stages = self.stages();
            println!("-- {name}: begins; until it ends, what it says is in {}", file.display());
            drop(stages);
            let (ended, said) = output::kept(&file, timed);
            let stages = self.stages();
            print!("\n== {name}\n{said}");
            (ended, stages)
        } else {
            println!("\n== {name}");
            (timed(), self.stages())
        };
        if let Err(message) = &outcome {
            println!("== {name}: FAILED: {message}");
        }
        let passed = outcome.is_ok();
        stages.push(Stage { name, took, end: outcome.map_or_else(End::Failed, End::Passed) });
        passed
    }

    fn stages(&self) -> MutexGuard<'_, Vec<Stage>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints the summary, whose last line counts stages: `N passed, N failed`, and `, N skipped` if there are any.
    /// Returns an error if one failed.
    pub(crate) fn finish(self) -> Result<(), String> {
        println!("{}", self.summary());
        if self.failed() == 0 { Ok(()) } else { Err(String::new()) }
    }

    fn failed(&self) -> usize {
        self.stages().iter().filter(|stage| matches!(stage.end, End::Failed(_))).count()
    }

    fn skipped(&self) -> usize {
        self.stages().iter().filter(|stage| matches!(stage.end, End::Absent(_))).count()
    }

    fn summary(&self) -> String {
        let mut text = String::from("\n== summary\n");
        let (failed, skipped) = (self.failed(), self.skipped());
        let stages = self.stages();
        let width = stages.iter().map(|stage| stage.name.len()).max().unwrap_or(0);
        for Stage { name, took, end } in stages.iter() {
            let seconds = took.as_secs_f64();
            let (mark, note) = match end {
                End::Passed(None) => ("pass", String::new()),
                End::Passed(Some(tally)) => ("pass", format!("  {} tests", tally.passed)),
                End::Failed(message) => ("FAIL", format!("  {}", message.lines().next().unwrap_or_default())),
                End::Absent(why) => ("skip", format!("  NOT RUN: {}", why.lines().next().unwrap_or_default())),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{mark}  {name:<width$}  {seconds:>7.1} s{note}");
        }
        let _ = write!(text, "{} passed, {failed} failed", stages.len() - failed - skipped);
        if skipped > 0 {
            let _ = write!(text, ", {skipped} skipped");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_stages_and_one_failure_fails_the_task() {
        let report = Report::default();
        assert!(report.stage("format", || Ok(())));
        assert!(report.tests("native tests", || Ok(Tally { passed: 7, failed: 0 })));
        assert!(!report.stage("docs", || Err("a link is broken\nand more".to_owned())));
        report.blocked("browser", "no browser");
        let summary = report.summary();
        assert_eq!(summary.lines().last(), Some("2 passed, 2 failed"));
        assert!(summary.contains("7 tests"), "{summary}");
        assert!(summary.contains("a link is broken") && !summary.contains("and more"), "{summary}");
        assert!(report.finish().is_err());
    }

    #[test]
    fn a_skipped_stage_is_reported_and_fails_nothing() {
        let report = Report::default();
        report.stage("format", || Ok(()));
        report.absent("second browser", "there is none\nInstall it");
        let summary = report.summary();
        assert_eq!(summary.lines().last(), Some("1 passed, 0 failed, 1 skipped"));
        assert!(summary.contains("skip  second browser") && summary.contains("NOT RUN: there is none"), "{summary}");
        assert!(report.finish().is_ok());
    }

    #[test]
    fn a_task_whose_stages_all_passed_succeeds() {
        let report = Report::default();
        report.stage("format", || Ok(()));
        assert_eq!(report.summary().lines().last(), Some("1 passed, 0 failed"));
        assert!(report.finish().is_ok());
    }
}
