//! Debian's packages, where `apt-get` exists and may be used.

use crate::output;
use crate::repo::Repo;
use crate::run;

/// Installs packages, or returns why that is not possible here.
pub(super) fn install(repo: &Repo, packages: &[&str]) -> Result<(), String> {
    if repo.which("apt-get").is_none() {
        return Err("there is no apt-get here".to_owned());
    }
    let root = run::capture(repo.command("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    if !root && run::capture(repo.command("sudo").args(["-n", "true"])).is_none() {
        return Err("apt-get needs root, and sudo asks for a password".to_owned());
    }
    let apt_get = |step: &[&str]| {
        let mut command = repo.command(if root { "env" } else { "sudo" });
        command.args(if root { &[][..] } else { &["-n", "env"] });
        run::run(command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(step))
    };
    // A package source that cannot be reached fails the update, but may not be the one that is needed.
    if let Err(error) = apt_get(&["update"]) {
        output::line(format_args!("  {error}; going on with the lists that are there"));
    }
    apt_get(&[&["install", "-y", "--no-install-recommends"], packages].concat())
}
