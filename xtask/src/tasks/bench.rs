//! `bench`: build, then run the benchmark harness, which installs the peers that it compares with.

use super::build;
use crate::repo::Repo;
use crate::{run, setup};

/// Builds and runs the harness with these arguments.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<(), String> {
    build::run(repo)?;
    setup::npm::ensure_dependencies(repo, "benches/harness")?;
    println!();
    run::run(repo.command("node").arg("benches/harness/run.mjs").args(args))
}
