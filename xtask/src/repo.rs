//! Where things are: the repository's root, the build folder, and programs on the search path.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository, and the search path of every program that a task starts.
pub(crate) struct Repo {
    root: PathBuf,
    target: PathBuf,
    path: OsString,
}

impl Repo {
    /// Finds the root from the folder of this package, and the build folder by asking cargo.
    pub(crate) fn find() -> Result<Self, String> {
        // The environment that cargo sets at run time takes precedence over the compiled-in value: two clones may share
        // one build folder, and with it one program.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&package)
            .parent()
            .filter(|root| root.join("xtask/Cargo.toml").is_file())
            .ok_or("the repository is not where it was: run this as `cargo xtask`")?
            .to_path_buf();
        let target = target_dir(&root)?;
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let path = search_path(&target, &inherited, cargo_bin().as_deref())?;
        Ok(Self { root, target, path })
    }

    /// A repository on a machine whose search path is only this folder.
    #[cfg(test)]
    pub(crate) fn with_path(folder: &Path) -> Self {
        Self { root: folder.to_path_buf(), target: folder.to_path_buf(), path: folder.as_os_str().to_owned() }
    }

    /// Returns the repository's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns a path below the root.
    pub(crate) fn at(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// Returns the folder that cargo builds into.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns where a tool goes if the user has another version of it installed, which is left alone.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Returns the text of a file below the root.
    pub(crate) fn read(&self, below: &str) -> Result<String, String> {
        std::fs::read_to_string(self.at(below)).map_err(|error| format!("cannot read {below}: {error}"))
    }

    /// Returns the first program of this name on the search path.
    pub(crate) fn which(&self, program: &str) -> Option<PathBuf> {
        find_program(&self.path, program)
    }

    /// Returns a command for this program with the tasks' search path, to be started in the root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let program = program.as_ref();
        let found = program.to_str().and_then(|name| self.which(name));
        let mut command = Command::new(found.as_deref().map_or(program, Path::as_os_str));
        command.current_dir(&self.root).env("PATH", &self.path);
        command
    }

    /// Returns a command for the cargo that runs this task.
    pub(crate) fn cargo(&self) -> Command {
        self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }
}

fn target_dir(root: &Path) -> Result<PathBuf, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    json_text_field(&text, "target_directory")
        .map(PathBuf::from)
        .ok_or_else(|| "cargo metadata names no target_directory".to_owned())
}

/// Returns the value of a text field by name, in JSON written without space around the colon. In a path, cargo escapes
/// only backslashes.
fn json_text_field(json: &str, name: &str) -> Option<String> {
    let key = format!("\"{name}\":\"");
    let value = json.split_once(&key)?.1.split_once('"')?.0;
    Some(value.replace("\\\\", "\\"))
}

fn cargo_bin() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    home.map(|home| home.join("bin"))
}

/// The project's own tools first, then the inherited path, then the folder that `cargo install` fills.
fn search_path(target: &Path, inherited: &OsStr, cargo_bin: Option<&Path>) -> Result<OsString, String> {
    let folders = std::iter::once(target.join("tools").join("bin"))
        .chain(std::env::split_paths(inherited))
        .chain(cargo_bin.map(Path::to_path_buf));
    std::env::join_paths(folders).map_err(|error| format!("PATH cannot be extended: {error}"))
}

fn find_program(path: &OsStr, program: &str) -> Option<PathBuf> {
    let endings: &[&str] = if cfg!(windows) { &[".exe", ".cmd"] } else { &[""] };
    std::env::split_paths(path)
        .flat_map(|folder| endings.iter().map(move |ending| folder.join(format!("{program}{ending}"))))
        .find(|candidate| is_program(candidate))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_build_folder_is_read_from_what_cargo_prints() {
        let json = r#"{"packages":[],"target_directory":"C:\\work\\target","version":1}"#;
        assert_eq!(json_text_field(json, "target_directory").as_deref(), Some("C:\\work\\target"));
        assert_eq!(json_text_field(json, "workspace_root"), None);
    }

    #[test]
    fn own_tools_come_first_and_cargo_installs_last() {
        let path = search_path(Path::new("t"), OsStr::new("usr"), Some(Path::new("c"))).unwrap();
        let folders: Vec<_> = std::env::split_paths(&path).collect();
        assert_eq!(folders, [Path::new("t/tools/bin"), Path::new("usr"), Path::new("c")]);
    }

    #[test]
    #[cfg(unix)]
    fn only_an_executable_file_is_a_program() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("xtask-which-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("tool-folder")).unwrap();
        std::fs::write(folder.join("tool"), "").unwrap();
        assert_eq!(find_program(folder.as_os_str(), "tool"), None);
        std::fs::set_permissions(folder.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_program(folder.as_os_str(), "tool"), Some(folder.join("tool")));
        assert_eq!(find_program(folder.as_os_str(), "tool-folder"), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
