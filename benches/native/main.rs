//! The native side of the benchmark harness: `benches/harness/run.mjs` builds and runs it.
//!
//! | command                   | what                                                                            |
//! |---------------------------|---------------------------------------------------------------------------------|
//! | `native serve`            | thermocline as a contender: commands on standard input, answers on output       |
//! | `native exact key=value…` | true neighbours by an exact scan that shares no code with the crate             |
//! | `native tiers key=value…` | memory held with cold records, blocks per answer, cost of reading               |
//! | `native mapped key=value…` | how soon a mapped export answers; with the feature `mmap`                      |
//! | anything else             | prints a notice; `cargo bench` and `cargo test --benches` come here             |

mod contender;
mod exact;
mod fields;
#[cfg(feature = "mmap")]
mod mapped;
mod stored;
mod tiers;
#[path = "../../tests/support/watched.rs"]
#[allow(dead_code)]
mod watched;

use std::io::{BufRead, Write};
use std::process::ExitCode;

use contender::Contender;
use fields::Fields;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.first().map(String::as_str) {
        Some("serve") => serve(),
        Some("exact") => exact::run(&Fields::new(args.iter().skip(1).map(String::as_str))),
        Some("tiers") => tiers::run(&Fields::new(args.iter().skip(1).map(String::as_str))),
        #[cfg(feature = "mmap")]
        Some("mapped") => mapped::run(&Fields::new(args.iter().skip(1).map(String::as_str))),
        _ => {
            println!("native: part of the harness; run `cargo xtask bench`");
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("native: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers every line of tab-separated fields with one line of JSON, until the input ends.
fn serve() -> Result<(), String> {
    let mut contender = Contender::default();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let mut words = line.split('\t');
        let verb = words.next().unwrap_or_default();
        let answer =
            contender.answer(verb, &Fields::new(words)).unwrap_or_else(|error| format!("{{\"error\":{error:?}}}"));
        writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    }
    Ok(())
}
