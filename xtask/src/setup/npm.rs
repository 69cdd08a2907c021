//! Node, and the dependencies of the folders that have a `package.json`.

use std::path::Path;
use std::time::SystemTime;

use super::{found, installing};
use crate::pins;
use crate::repo::Repo;
use crate::run;

/// What Vite, which builds and serves the page, supports. The package itself runs in any Node from 20 on.
const NODES: &str = "Node 20.19, 22.12 or newer";

/// Node and npm, which cannot be installed from here: they are one of the two prerequisites of a machine.
pub(crate) fn ensure_node(repo: &Repo) -> Result<(), String> {
    let printed = run::capture(repo.command("node").arg("--version"));
    let version = printed.as_deref().and_then(pins::printed_version).and_then(version);
    match (version, repo.which("npm")) {
        (Some(version), Some(_)) if is_supported(version) => {
            found("node", printed.as_deref().unwrap_or_default());
            Ok(())
        }
        (Some(_), Some(_)) | (None, _) => Err(format!(
            "{NODES} is needed, and `node --version` gives {}: install it from your system's packages",
            printed.as_deref().map_or("nothing", str::trim)
        )),
        (_, None) => Err("node is there but npm is not: install npm from your system's packages".to_owned()),
    }
}

/// The major and the minor number.
fn version(printed: &str) -> Option<(u32, u32)> {
    let mut numbers = printed.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

const fn is_supported(version: (u32, u32)) -> bool {
    matches!(version, (20, 19..) | (22, 12..) | (23.., _))
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
    fn a_node_is_supported_where_vite_is() {
        let cases = [
            ("18.20.8", false),
            ("20.18.3", false),
            ("20.19.0", true),
            ("21.7.3", false),
            ("22.11.0", false),
            ("22.12.0", true),
            ("23.0.0", true),
            ("100.1.2", true),
        ];
        for (printed, expected) in cases {
            assert_eq!(version(printed).map(is_supported), Some(expected), "{printed}");
        }
        assert_eq!(version("x"), None);
    }

    #[test]
    fn a_script_is_looked_for_among_the_scripts_only() {
        let json = r#"{ "test": 1, "scripts": { "test:browser": "x", "build": "y" }, "jest": { "test": 2 } }"#;
        assert!(names_script(json, "build"));
        assert!(!names_script(json, "test"));
        assert!(!names_script("{}", "test"));
    }
}
