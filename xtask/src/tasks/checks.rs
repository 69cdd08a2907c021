//! The stages that `test` and `lint` share.

use crate::repo::Repo;
use crate::report::Report;
use crate::run;

const WASM: [&str; 2] = ["--target", "wasm32-unknown-unknown"];
const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

/// Checks that every source is formatted by rustfmt.
pub(crate) fn format(repo: &Repo, report: &Report) {
    report.stage("format", || {
        // The fuzz targets are a separate workspace.
        for workspace in ["Cargo.toml", "fuzz/Cargo.toml"] {
            run::run(repo.cargo().args(["fmt", "--all", "--check", "--manifest-path", workspace]))
                .map_err(|error| format!("{error}; `cargo fmt --all --manifest-path {workspace}` puts it right"))?;
        }
        Ok(())
    });
}

/// Most programs use the crate without features, and each feature must also work alone.
const FEATURES: [&str; 3] = ["", "mmap", "rayon"];

/// Checks that the compiler and clippy give no warning, on the host and on wasm.
pub(crate) fn clippy(repo: &Repo, report: &Report) {
    report.stage("clippy, native", || {
        run::run(repo.cargo().args(["clippy", "--workspace", "--all-targets", "--all-features"]).args(DENY_WARNINGS))?;
        FEATURES.into_iter().try_for_each(|features| {
            run::run(repo.cargo().args(["clippy", "--lib", "--features", features]).args(DENY_WARNINGS))
        })
    });
    report.stage("clippy, wasm", || {
        run::run(repo.cargo().args(["clippy", "--lib", "--tests"]).args(WASM).args(DENY_WARNINGS))
    });
}

/// Checks that the documentation builds without a warning; a broken link gives one. The wasm half of the crate exists
/// only on that target, so it is documented there.
pub(crate) fn documentation(repo: &Repo, report: &Report) {
    report.stage("documentation", || {
        let strict = ("RUSTDOCFLAGS", "-D warnings");
        run::run(repo.cargo().args(["doc", "--no-deps", "--lib", "--all-features"]).env(strict.0, strict.1))?;
        run::run(repo.cargo().args(["doc", "--no-deps", "--lib"]).args(WASM).env(strict.0, strict.1))
    });
}
