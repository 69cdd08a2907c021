//! `build`: the wasm and the package.
//!
//! 1. cargo compiles the crate to wasm, optimized.
//! 2. `pkg/build.mjs` makes the glue, shrinks the wasm and compiles the facade.
//! 3. The sizes are printed.

use std::path::{Path, PathBuf};

use crate::repo::Repo;
use crate::{output, run, setup};

/// Installs what is missing and builds.
pub(crate) fn run(repo: &Repo) -> Result<(), String> {
    setup::for_build(repo)?;
    compile(repo)
}

/// Builds on a machine that is set up.
pub(crate) fn compile(repo: &Repo) -> Result<(), String> {
    run::run(repo.cargo().args(["build", "--release", "--target", "wasm32-unknown-unknown", "--lib"]))?;
    let wasm = repo.target().join("wasm32-unknown-unknown/release/thermocline.wasm");
    if !wasm.is_file() {
        return Err(format!("cargo built no {}", wasm.display()));
    }
    run::run(repo.command("npm").args(["run", "build", "--"]).arg(&wasm).current_dir(repo.at("pkg")))?;
    print_sizes(repo, &wasm);
    output::line("  pkg/ is ready for `npm pack`");
    Ok(())
}

fn print_sizes(repo: &Repo, compiled: &Path) {
    output::line("  sizes in bytes:");
    print_size(compiled, "as compiled");
    for folder in ["pkg/wasm", "pkg/dist"] {
        for file in shipped_files(&repo.at(folder)) {
            let name = file.strip_prefix(repo.root()).unwrap_or(&file).display().to_string();
            print_size(&file, &name);
        }
    }
}

fn print_size(file: &Path, name: &str) {
    if let Ok(data) = std::fs::metadata(file) {
        output::line(format_args!("  {:>9}  {name}", data.len()));
    }
}

/// The files that a program loads, in order of name; declarations and maps are left out.
fn shipped_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| is_shipped(path)).collect();
    files.sort();
    files
}

fn is_shipped(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("wasm" | "js" | "mjs" | "cjs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_program_loads_is_listed() {
        assert!(is_shipped(Path::new("a/index.js")) && is_shipped(Path::new("core.wasm")));
        assert!(!is_shipped(Path::new("index.d.ts")) && !is_shipped(Path::new("index.js.map")));
        assert!(!is_shipped(Path::new("README")));
    }
}
