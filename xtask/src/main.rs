//! The project's tasks, run as `cargo xtask <task>`.
//!
//! | file | what it does |
//! |---|---|
//! | `repo.rs` | where things are: the root, the build folder, programs on the search path |
//! | `output.rs` | where a task's output goes, so that stages can run side by side |
//! | `run.rs` | runs a program, forwards its output, counts the tests it reports |
//! | `pins.rs` | the versions of the tools, read from the files that own them |
//! | `report.rs` | stages, their times and outcomes, the closing line |
//! | `setup/` | one file per thing that a machine may lack |
//! | `tasks/` | one file per task |

mod output;
mod pins;
mod repo;
mod report;
mod run;
mod setup;
mod tasks;

use std::process::ExitCode;

use repo::Repo;

const HELP: &str = "\
usage: cargo xtask <task> [arguments]

  demo [arguments]   build, run the demonstration in Node, then serve its page (--once: end after the first part)
  test               everything CI runs: format, lints, docs, native tests, wasm tests in Node, Chromium and Firefox,
                     the package in these and WebKit, the demonstration; a summary of stages at the end
  build              compile the wasm and the package: pkg/ is ready for `npm pack`
  bench [arguments]  build, then run the benchmark harness (THERMOCLINE_DATA names the folder of the large set)
  lint               format, clippy on both targets, style rules, documentation, licences of the dependencies
  help               this text

Every task first installs what the machine lacks, and needs only Rust (rustup) and Node 20.19, 22.12 or newer for it.
CHROME and CHROMEDRIVER, FIREFOX and GECKODRIVER name browsers and their drivers where they are not on the search
path, and WEBKIT names WebKitGTK's MiniBrowser. Stages in Firefox and WebKit are skipped where these cannot be had.";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = args.collect();
    let outcome = match task.as_str() {
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        "demo" => Repo::find().and_then(|repo| tasks::demo::run(&repo, &rest)),
        "bench" => Repo::find().and_then(|repo| tasks::bench::run(&repo, &rest)),
        "build" => no_arguments(&rest).and_then(|()| Repo::find()).and_then(|repo| tasks::build::run(&repo)),
        "lint" => no_arguments(&rest).and_then(|()| Repo::find()).and_then(|repo| tasks::lint::run(&repo)),
        "test" => no_arguments(&rest).and_then(|()| Repo::find()).and_then(|repo| tasks::test::run(&repo)),
        other => Err(format!("there is no task `{other}`\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Stages have already printed their failures, and their closing line must be the last one of the run.
            if !message.is_empty() {
                eprintln!("xtask: {message}");
            }
            ExitCode::FAILURE
        }
    }
}

fn no_arguments(rest: &[String]) -> Result<(), String> {
    match rest.first() {
        None => Ok(()),
        Some(extra) => Err(format!("this task takes no arguments, and was given `{extra}`\n\n{HELP}")),
    }
}
