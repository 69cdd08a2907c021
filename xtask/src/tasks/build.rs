//! `build`: the wasm and the package.
//!
//! 1. cargo compiles the crate to wasm, optimized.
//! 2. If the toolchain for it is available, the same for a shared memory.
//! 3. `pkg/build.mjs` makes the glue, shrinks the wasm and compiles the facade.
//! 4. The sizes are printed.

use std::path::{Path, PathBuf};

use crate::pins::NIGHTLY;
use crate::repo::Repo;
use crate::{output, run, setup};

/// The flags of rustc for a shared memory, in place of those in `.cargo/config.toml`. The first does not imply the
/// linker's arguments; wasm-bindgen needs the exports to start a thread.
const SHARED: [&str; 9] = [
    "-Ctarget-feature=+simd128,+atomics,+bulk-memory",
    "-Cllvm-args=-inline-threshold=34",
    "-Clink-arg=--shared-memory",
    "-Clink-arg=--import-memory",
    "-Clink-arg=--max-memory=4294967296",
    "-Clink-arg=--export=__wasm_init_tls",
    "-Clink-arg=--export=__tls_size",
    "-Clink-arg=--export=__tls_align",
    "-Clink-arg=--export=__tls_base",
];

/// Installs what is missing, and builds.
pub(crate) fn run(repo: &Repo) -> Result<(), String> {
    setup::for_build(repo)?;
    let threads = setup::nightly::ensure(repo);
    if let Err(why) = &threads {
        output::line(format_args!("  thermocline/threads is LEFT OUT: {why}"));
    }
    compile(repo, threads.is_ok())
}

/// Builds on a machine that is set up, with or without `thermocline/threads`.
pub(crate) fn compile(repo: &Repo, with_threads: bool) -> Result<(), String> {
    run::run(repo.cargo().args(["build", "--release", "--target", "wasm32-unknown-unknown", "--lib"]))?;
    let wasm = repo.target().join("wasm32-unknown-unknown/release/thermocline.wasm");
    if !wasm.is_file() {
        return Err(format!("cargo built no {}", wasm.display()));
    }
    let shared = if with_threads { Some(compile_shared(repo)?) } else { None };
    let mut build = repo.command("npm");
    run::run(build.args(["run", "build", "--"]).arg(&wasm).args(&shared).current_dir(repo.at("pkg")))?;
    print_sizes(repo, &wasm);
    output::line("  pkg/ is ready for `npm pack`");
    Ok(())
}

/// Compiles the crate and the standard library for a shared memory, in a folder of their own.
fn compile_shared(repo: &Repo) -> Result<PathBuf, String> {
    let target = repo.target().join("threads");
    let mut cargo = repo.command("rustup");
    cargo.args(["run", NIGHTLY, "cargo", "build", "--release", "--target", "wasm32-unknown-unknown", "--lib"]);
    cargo.args(["--features", "rayon", "-Z", "build-std=std,panic_abort", "--target-dir"]).arg(&target);
    // The cargo that runs this task has set its own compiler.
    run::run(cargo.env_remove("RUSTC").env("CARGO_ENCODED_RUSTFLAGS", SHARED.join("\u{1f}")))?;
    Ok(target.join("wasm32-unknown-unknown/release/thermocline.wasm"))
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

/// Returns the files that a program loads, sorted by name, without declarations and maps.
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
