//! The toolchain for `thermocline/threads`. Nothing else is built with it; if it is unavailable, that entry is left
//! out.

use std::path::Path;

use super::{found, installing};
use crate::pins::NIGHTLY;
use crate::repo::Repo;
use crate::run;

/// The toolchain with the sources of the standard library, which is compiled with the crate.
pub(crate) fn ensure(repo: &Repo) -> Result<(), String> {
    if has_sources(repo) {
        found("toolchain", NIGHTLY);
        return Ok(());
    }
    installing(NIGHTLY, "thermocline/threads is compiled with it");
    let install = ["toolchain", "install", NIGHTLY, "--profile", "minimal", "--component", "rust-src"];
    let installed = run::run(repo.command("rustup").args(install));
    match installed {
        Ok(()) if has_sources(repo) => Ok(()),
        Ok(()) => Err(format!("rustup installed {NIGHTLY} without the sources of the standard library")),
        Err(error) => Err(format!("{error}\nInstall it by hand: rustup {}", install.join(" "))),
    }
}

fn has_sources(repo: &Repo) -> bool {
    run::capture(repo.command("rustup").args(["run", NIGHTLY, "rustc", "--print", "sysroot"]))
        .is_some_and(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock").is_file())
}
