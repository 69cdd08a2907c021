//! Where the output of a task goes: straight to the terminal or, while stages run side by side, into one file per
//! stage, which is printed whole when the stage ends.

use std::cell::RefCell;
use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

thread_local! {
    /// The file of the stage that this thread runs, or `None` for the terminal.
    static FILE: RefCell<Option<File>> = const { RefCell::new(None) };
}

/// Prints one line.
pub(crate) fn line(text: impl Display) {
    write(&format!("{text}\n"));
}

/// Prints a text with its own line ends.
pub(crate) fn write(text: &str) {
    FILE.with_borrow_mut(|file| {
        // Print out of turn what cannot be kept.
        if file.as_mut().is_none_or(|file| file.write_all(text.as_bytes()).is_err()) {
            print!("{text}");
        }
    });
}

/// Returns where a program's standard output or standard error should go.
pub(crate) fn stdio() -> Stdio {
    FILE.with_borrow(|file| {
        file.as_ref().and_then(|file| file.try_clone().ok()).map_or_else(Stdio::inherit, Stdio::from)
    })
}

/// Returns the result of the work, and what it and the programs that it started printed meanwhile. That output is kept
/// in this file, where it can be read before the work ends.
pub(crate) fn kept<T>(at: &Path, work: impl FnOnce() -> T) -> (T, String) {
    // Every program appends, so that lines stay in the order in which they were printed.
    let file = at.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
        File::create(at)?;
        File::options().append(true).open(at)
    });
    FILE.set(file.ok());
    let outcome = work();
    let said = if FILE.take().is_some() { std::fs::read(at).unwrap_or_default() } else { Vec::new() };
    (outcome, String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn output_of_the_work_and_its_programs_is_kept_in_order() {
        let at = std::env::temp_dir().join(format!("xtask-output-{}/stage", std::process::id()));
        let (outcome, said) = kept(&at, || {
            line("first");
            let mut shell = std::process::Command::new("sh");
            let _turn = crate::run::one_at_a_time();
            let ended = shell.args(["-c", "echo second; echo third >&2"]).stdout(stdio()).stderr(stdio()).status();
            write("fourth");
            ended.is_ok_and(|status| status.success())
        });
        assert!(outcome);
        assert_eq!(said, "first\nsecond\nthird\nfourth");
        assert!(at.parent().is_some_and(|folder| std::fs::remove_dir_all(folder).is_ok()));
    }
}
