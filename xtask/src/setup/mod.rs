//! What a machine may lack, one file per thing. Every function checks first, and installs only what is missing.
//!
//! | file | for |
//! |---|---|
//! | `rust.rs` | the wasm target, clippy and rustfmt |
//! | `cargo_tool.rs` | wasm-bindgen's command line, wasm-pack and geckodriver, at their pinned versions |
//! | `nightly.rs` | the toolchain for `thermocline/threads`, with the standard library's sources |
//! | `npm.rs` | Node itself, and the dependencies of a folder with a `package.json` |
//! | `browser.rs` | Chromium and its driver |
//! | `firefox.rs` | Firefox and its driver |
//! | `webkit.rs` | WebKit, and a display for it |
//! | `debian.rs` | Debian's packages, for the browsers |
//! | `python.rs` | Python, and the packages that read the package's OpenMetrics text |

pub(crate) mod browser;
pub(crate) mod cargo_tool;
mod debian;
pub(crate) mod firefox;
#[cfg(all(test, unix))]
mod machine_tests;
pub(crate) mod nightly;
pub(crate) mod npm;
pub(crate) mod python;
pub(crate) mod rust;
pub(crate) mod webkit;

use crate::output;
use crate::repo::Repo;

/// Installs what `build` needs, which every task that runs the package needs too.
pub(crate) fn for_build(repo: &Repo) -> Result<(), String> {
    npm::ensure_node(repo)?;
    rust::ensure_wasm_target(repo)?;
    cargo_tool::ensure_wasm_bindgen(repo)?;
    npm::ensure_dependencies(repo, "pkg")
}

/// Prints one line about something already present, so that the log shows what a run used.
fn found(what: &str, detail: &str) {
    output::line(format_args!("  found {what}: {}", detail.trim()));
}

/// Prints one line about something about to be installed, and why.
fn installing(what: &str, why: &str) {
    output::line(format_args!("  installing {what} ({why})"));
}
