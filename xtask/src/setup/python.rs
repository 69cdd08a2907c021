//! Python, and the packages with which tests of the package read its output.

use super::{found, installing};
use crate::repo::Repo;
use crate::run;

const REQUIREMENTS: &str = "pkg/test/requirements.txt";
const INSTALLED: &str = "pkg/python_modules";

/// Installs the packages in the requirements, each exactly as when its checksum was noted, in a folder of the project's
/// own.
pub(crate) fn ensure_packages(repo: &Repo) -> Result<(), String> {
    let wanted = repo.read(REQUIREMENTS)?;
    // A copy of the requirements records what the folder was made from.
    let copy = format!("{INSTALLED}/requirements.txt");
    let installed = repo.read(&copy).ok();
    if installed.as_deref() == Some(wanted.as_str()) {
        found("packages of Python", INSTALLED);
        return Ok(());
    }
    installing("packages of Python", if installed.is_some() { "others are wanted" } else { "none yet" });
    let mut pip = repo.command("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--upgrade"]);
    pip.args(["--target", INSTALLED, "-r", REQUIREMENTS]);
    run::run(&mut pip).map_err(|error| {
        format!("{error}\nPython 3 with pip is needed, from your system's packages, for the test that reads OpenMetrics text")
    })?;
    std::fs::write(repo.at(&copy), wanted).map_err(|error| format!("cannot write {copy}: {error}"))
}
