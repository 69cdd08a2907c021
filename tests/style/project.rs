//! The files of the repository, and how a rule reports what is wrong with them.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::process::Command;

/// One file: its path below the root with forward slashes, and its text. Invalid UTF-8 is replaced.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// A file of an example.
    pub(crate) fn example(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Returns whether the file is below one of these folders, or is one of these files.
    pub(crate) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| match self.path.strip_prefix(place) {
            Some(rest) => rest.is_empty() || rest.starts_with('/') || place.ends_with('/'),
            None => false,
        })
    }

    /// Returns whether this is a Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// A place where a rule is broken.
pub(crate) struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl Violation {
    pub(crate) fn new(file: &File, line: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Folders of generated or fetched files, wherever they are.
const IGNORED: [&str; 6] = [".git", "target", "node_modules", "dist", ".peers", "pkg/wasm"];

/// Returns every file that is, or would be, committed.
pub(crate) fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths = listed(root).unwrap_or_else(|| walked(root));
    // A file whose removal is not committed yet is still listed.
    let read = |path: String| {
        let bytes = std::fs::read(root.join(&path)).ok()?;
        Some(File { text: String::from_utf8_lossy(&bytes).into_owned(), path })
    };
    paths.into_iter().filter_map(read).collect()
}

/// Returns what git tracks or would track, or `None` if git is missing or refuses the folder.
fn listed(root: &Path) -> Option<BTreeSet<String>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|listing| listing.status.success())?;
    let names = String::from_utf8(listing.stdout).expect("file names are UTF-8");
    Some(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Returns every file except those in ignored folders.
fn walked(root: &Path) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be read").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().expect("file names are UTF-8").replace('\\', "/");
            let ignored = IGNORED.iter().any(|ignored| name == *ignored || name.ends_with(&format!("/{ignored}")));
            match entry.file_type().expect("a file has a type") {
                _ if ignored => {}
                kind if kind.is_dir() => open.push(path),
                kind if kind.is_file() => {
                    paths.insert(name);
                }
                _ => {}
            }
        }
    }
    paths
}

/// Fails with a list of all violations.
pub(crate) fn expect_none(rule: &str, violations: &[Violation]) {
    let mut list = String::new();
    for violation in violations {
        let _ = writeln!(list, "  {violation}");
    }
    assert!(violations.is_empty(), "{rule}\n{list}");
}

/// Fails unless the rule reports exactly these lines of its example.
pub(crate) fn expect_lines(violations: &[Violation], lines: &[usize]) {
    let found: Vec<usize> = violations.iter().map(|violation| violation.line).collect();
    let shown: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert_eq!(found, lines, "{shown:#?}");
}

#[test]
fn the_list_holds_sources_and_nothing_generated() {
    let files = files();
    for source in ["src/lib.rs", "Cargo.toml", "xtask/src/main.rs", "tests/style/project.rs"] {
        assert!(files.iter().any(|file| file.path == source), "{source} is not among the {} files", files.len());
    }
    let generated = ["target/", "pkg/wasm/", "pkg/dist/"];
    assert!(!files.iter().any(|file| file.is_in(&generated) || file.path.contains("node_modules/")));
}

#[test]
fn without_git_the_same_sources_are_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let walked = walked(root);
    assert!(walked.contains("tests/style/project.rs") && walked.contains(".cargo/config.toml"));
    assert!(!walked.iter().any(|path| path.contains("node_modules/") || path.starts_with(".git/")));
    let missed: Vec<String> = listed(root).into_iter().flatten().filter(|path| !walked.contains(path)).collect();
    let missed: Vec<String> = missed.into_iter().filter(|path| root.join(path).is_file()).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn a_place_is_a_folder_or_a_file_and_not_a_beginning_of_a_name() {
    let file = File::example("src/wasm/bytes.rs", "");
    assert!(file.is_in(&["src/wasm"]) && file.is_in(&["src/wasm/bytes.rs"]) && file.is_in(&["src/"]));
    assert!(!file.is_in(&["src/was"]) && !file.is_in(&["wasm"]));
}
