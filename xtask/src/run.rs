//! Runs a program, forwards its output as it comes, and counts the tests it reports.

use std::io::{BufRead, BufReader, IsTerminal};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::output;

/// Tests that a run reported: cargo's and wasm-bindgen's `test result:` lines, node's `# pass N` and `# fail N`, and
/// the plain `N passed, N failed` alone on a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and passed.
    pub(crate) passed: u64,
    /// Tests that ran and failed.
    pub(crate) failed: u64,
}

impl Tally {
    fn read_line(&mut self, line: &str) {
        let line = strip_colour(line);
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.contains("test result:") || matches!(words[..], [_, "passed,", _, "failed"]) {
            self.passed += number_before(&words, "passed").unwrap_or(0);
            self.failed += number_before(&words, "failed").unwrap_or(0);
        } else if let ["#" | "\u{2139}", what, count] = words[..] {
            let count = count.parse().unwrap_or(0);
            match what {
                "pass" => self.passed += count,
                "fail" => self.failed += count,
                _ => {}
            }
        }
    }
}

fn number_before(words: &[&str], word: &str) -> Option<u64> {
    let at = words.iter().position(|found| found.trim_end_matches([';', ',']) == word)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

fn strip_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = escape.split_once(|end: char| end.is_ascii_alphabetic()).map_or("", |(_, after)| after);
    }
    plain + rest
}

/// Runs a command to its end, with its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    announce(command);
    command.stdout(output::stdio()).stderr(output::stdio());
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", shown(command))) }
}

/// Runs a command whose standard output reports tests, forwards that output and counts them. A run that reports no test
/// proves nothing and is a failure.
pub(crate) fn run_tests(command: &mut Command) -> Result<Tally, String> {
    announce(command);
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(output::stdio())
        .spawn()
        .map_err(|error| cannot_start(command, &error))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        forward(output, &mut tally).map_err(|error| format!("reading what `{}` prints: {error}", shown(command)))?;
    }
    let status = child.wait().map_err(|error| format!("waiting for `{}`: {error}", shown(command)))?;
    let Tally { passed, failed } = tally;
    if !status.success() || failed > 0 {
        return Err(format!("`{}` failed ({status}; {passed} tests passed, {failed} failed)", shown(command)));
    }
    if passed == 0 {
        return Err(format!("`{}` ran no test", shown(command)));
    }
    Ok(tally)
}

fn forward(output: impl std::io::Read, tally: &mut Tally) -> std::io::Result<()> {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        output::write(&text);
        tally.read_line(&text);
        line.clear();
    }
    Ok(())
}

/// Returns the output of a command, or `None` if it cannot be started or fails.
pub(crate) fn capture(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn announce(command: &Command) {
    output::line(format_args!("  $ {}", shown(command)));
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("`{}` could not be started: {error}", shown(command))
}

/// Returns the command as a person would type it: the program's name instead of its path.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_else(|| command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// Held by a test that writes a script or starts a program. Between fork and exec, the child of one test holds the file
/// that another is writing, and a script that is open for writing cannot be started.
#[cfg(test)]
pub(crate) fn one_at_a_time() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.read_line(line));
        tally
    }

    #[test]
    fn cargos_result_lines_are_added_up() {
        let text = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\n\
                    test result: \u{1b}[31mFAILED\u{1b}[0m. 3 passed; 2 failed; 0 ignored";
        assert_eq!(tally(text), Tally { passed: 15, failed: 2 });
    }

    #[test]
    fn nodes_closing_lines_are_counted_in_both_reporters() {
        assert_eq!(tally("# tests 9\n# pass 8\n# fail 1"), Tally { passed: 8, failed: 1 });
        assert_eq!(tally("\u{2139} pass 4\n\u{2139} fail 0"), Tally { passed: 4, failed: 0 });
    }

    #[test]
    fn the_plain_closing_line_is_counted() {
        assert_eq!(tally("6 passed, 1 failed\n"), Tally { passed: 6, failed: 1 });
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(tally("5 passed\n# pass many\nok 3 - pass"), Tally::default());
    }

    #[cfg(unix)]
    fn shell(script: &str) -> Result<Tally, String> {
        let _turn = one_at_a_time();
        run_tests(Command::new("sh").args(["-c", script]))
    }

    #[test]
    #[cfg(unix)]
    fn a_run_is_judged_by_its_exit_code_and_by_what_it_counted() {
        assert_eq!(shell("echo '# pass 2'").unwrap(), Tally { passed: 2, failed: 0 });
        assert!(shell("true").unwrap_err().contains("ran no test"));
        assert!(shell("echo '# pass 2'; exit 3").unwrap_err().contains("failed"));
        assert!(shell("echo '# pass 2'; echo '# fail 1'").unwrap_err().contains("1 failed"));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let _turn = one_at_a_time();
        let message = run(&mut Command::new("no-such-program-at-all")).unwrap_err();
        assert!(message.contains("no-such-program-at-all"), "{message}");
    }
}
