//! Parts of the Rust toolchain that rustup may have omitted.

use std::path::Path;

use super::{found, installing};
use crate::repo::Repo;
use crate::run;

const TARGET: &str = "wasm32-unknown-unknown";

/// The standard library for wasm. A toolchain without rustup may include it too, so ask the compiler, not rustup.
pub(crate) fn ensure_wasm_target(repo: &Repo) -> Result<(), String> {
    if has_wasm_target(repo) {
        found("target", TARGET);
        return Ok(());
    }
    installing(TARGET, "the compiler has no standard library for it");
    let added = run::run(repo.command("rustup").args(["target", "add", TARGET]));
    match added {
        Ok(()) if has_wasm_target(repo) => Ok(()),
        Ok(()) => Err(format!("rustup added {TARGET} to another toolchain than the one in rust-toolchain.toml")),
        Err(error) => Err(format!("{error}\nInstall the target by hand: rustup target add {TARGET}")),
    }
}

fn has_wasm_target(repo: &Repo) -> bool {
    run::capture(repo.command("rustc").args(["--print", "target-libdir", "--target", TARGET]))
        .is_some_and(|folder| holds_std(Path::new(folder.trim())))
}

/// After a target is removed, its folder may remain and be empty, so look for the library itself.
fn holds_std(folder: &Path) -> bool {
    std::fs::read_dir(folder)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

/// rustfmt and clippy, which a minimal toolchain lacks.
pub(crate) fn ensure_lints(repo: &Repo) -> Result<(), String> {
    for component in ["fmt", "clippy"] {
        if let Some(version) = run::capture(repo.cargo().args([component, "--version"])) {
            found(component, &version);
            continue;
        }
        let name = if component == "fmt" { "rustfmt" } else { component };
        installing(name, "the toolchain does not have it");
        run::run(repo.command("rustup").args(["component", "add", name]))
            .map_err(|error| format!("{error}\nInstall it by hand: rustup component add {name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_target_folder_counts_only_with_its_library() {
        let folder = std::env::temp_dir().join(format!("xtask-target-{}", std::process::id()));
        assert!(!holds_std(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(!holds_std(&folder));
        std::fs::write(folder.join("libstd-0123.rlib"), "").unwrap();
        assert!(holds_std(&folder));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
