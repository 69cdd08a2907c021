//! Node, and the dependencies of the folders that have a `package.json`.

use std::path::Path;
use std::time::SystemTime;

use super::{found, installing};
use crate::pins;
use crate::repo::Repo;
use crate::run;

/// The oldest Node that the package supports.
const OLDEST_NODE: u32 = 20;

/// Node and npm, which cannot be installed from here: they are one of the two prerequisites of a machine.
pub(crate) fn ensure_node(repo: &Repo) -> Result<(), String> {
    let printed = run::capture(repo.command("node").arg("--version"));
    let major = printed.as_deref().and_then(pins::printed_version).and_then(major);
    match (major, repo.which("npm")) {
        (Some(major), Some(_)) if major >= OLDEST_NODE => {
            found("node", printed.as_deref().unwrap_or_default());
            Ok(())
        }
        (Some(_), Some(_)) | (None, _) => Err(format!(
            "Node {OLDEST_NODE} or newer is needed, and `node --version` gives {}: install it from your system's packages",
            printed.as_deref().map_or("nothing", str::trim)
        )),
        (_, None) => Err("node is there but npm is not: install npm from your system's packages".to_owned()),
    }
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// Installs the dependencies of one folder exactly as in its lock file. A folder without a `package.json` needs none.
pub(crate) fn ensure_dependencies(repo: &Repo, folder: &str) -> Result<(), String> {
    let at = repo.at(folder);
    if !at.join("package.json").is_file() {
        return Ok(());
    }
    let lock = modified(&at.join("package-lock.json"));
    let installed = modified(&at.join("node_modules/.package-lock.json"));
    if is_current(lock, installed) {
        found("dependencies", folder);
        return Ok(());
    }
    let verb = if lock.is_some() { "ci" } else { "install" };
    installing(
        &format!("dependencies of {folder}/"),
        if installed.is_some() { "its lock file is newer" } else { "none yet" },
    );
    run::run(repo.command("npm").args([verb, "--no-audit", "--no-fund"]).current_dir(&at))
        .map_err(|error| format!("{error}\nRun it by hand: cd {folder} && npm {verb}"))
}

/// Returns whether what is installed is at least as new as the lock file. npm writes its own copy of the lock file
/// last.
fn is_current(lock: Option<SystemTime>, installed: Option<SystemTime>) -> bool {
    match (lock, installed) {
        (Some(lock), Some(installed)) => installed >= lock,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// Returns whether the folder's `package.json` has a script of this name.
pub(crate) fn has_script(repo: &Repo, folder: &str, script: &str) -> bool {
    repo.read(&format!("{folder}/package.json")).is_ok_and(|json| names_script(&json, script))
}

fn names_script(package_json: &str, script: &str) -> bool {
    let scripts = package_json.split_once("\"scripts\"").and_then(|(_, rest)| rest.split_once('}'));
    scripts.is_some_and(|(scripts, _)| scripts.contains(&format!("\"{script}\":")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dependencies_are_current_when_no_older_than_their_lock_file() {
        let lock = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        assert!(is_current(Some(lock), Some(lock)));
        assert!(is_current(Some(lock), Some(lock + Duration::from_secs(1))));
        assert!(!is_current(Some(lock), Some(lock - Duration::from_secs(1))));
        assert!(!is_current(Some(lock), None));
        assert!(is_current(None, Some(lock)));
        assert!(!is_current(None, None));
    }

    #[test]
    fn the_major_version_is_a_number() {
        assert_eq!(major("20.1.2"), Some(20));
        assert_eq!(major("x"), None);
    }

    #[test]
    fn a_script_is_looked_for_among_the_scripts_only() {
        let json = r#"{ "test": 1, "scripts": { "test:browser": "x", "build": "y" }, "jest": { "test": 2 } }"#;
        assert!(names_script(json, "build"));
        assert!(!names_script(json, "test"));
        assert!(!names_script("{}", "test"));
    }
}
