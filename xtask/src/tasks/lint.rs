//! `lint`: what can be checked in the sources without running the product.

use super::checks;
use crate::repo::Repo;
use crate::report::Report;
use crate::{run, setup};

/// Checks formatting, lints, style rules, documentation and the licences of dependencies.
pub(crate) fn run(repo: &Repo) -> Result<(), String> {
    let report = Report::default();
    report.stage("set-up", || {
        setup::rust::ensure_lints(repo)?;
        setup::rust::ensure_wasm_target(repo)
    });
    checks::format(repo, &report);
    checks::clippy(repo, &report);
    report.tests("style", || run::run_tests(repo.cargo().args(["test", "--test", "style"])));
    checks::documentation(repo, &report);
    deny(repo, &report);
    report.finish()
}

/// cargo-deny takes long to compile and fetches its list of advisories from a public repository, so it is used only
/// where it is already installed.
fn deny(repo: &Repo, report: &Report) {
    if repo.which("cargo-deny").is_none() {
        println!("\n== dependencies: not checked, cargo-deny is not installed (cargo install cargo-deny)");
        return;
    }
    report.stage("dependencies", || {
        run::run(repo.command("cargo-deny").args(["--all-features", "check", "licenses", "sources", "bans"]))
    });
}
