//! `demo`: build, then run the demonstration in Node, which goes on to serve its page.

use super::build;
use crate::repo::Repo;
use crate::{run, setup};

/// Builds and runs the demonstration with these arguments.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<(), String> {
    build::run(repo)?;
    setup::npm::ensure_dependencies(repo, "www")?;
    println!();
    run::run(repo.command("node").arg("www/demo.mjs").args(args))
}
