//! Each tool has one version everywhere, and crates that only wasm needs are dependencies of wasm only.

use super::project::{File, Violation, expect_lines, expect_none, files};

/// What the tasks install, read by the code that installs it.
#[allow(dead_code, reason = "the tasks use all of it, this test a part")]
#[path = "../../xtask/src/pins.rs"]
mod pins;

const WASM_ONLY: [&str; 7] = [
    "wasm-bindgen",
    "wasm-bindgen-test",
    "wasm-bindgen-futures",
    "js-sys",
    "web-sys",
    "serde-wasm-bindgen",
    "console_error_panic_hook",
];
const WASM_TABLE: &str = "[target.'cfg(target_arch = \"wasm32\")'.";

/// Crates that only wasm needs are in wasm's tables, and not among the general dependencies.
fn wasm_only(cargo_toml: &File) -> Vec<Violation> {
    let mut table = "";
    let mut violations = Vec::new();
    for (at, line) in cargo_toml.text.lines().enumerate() {
        if line.starts_with('[') {
            table = line;
        }
        let key = line.split(['=', '.']).next().unwrap_or_default().trim();
        if WASM_ONLY.contains(&key) && !table.starts_with(WASM_TABLE) {
            violations.push(Violation::new(
                cargo_toml,
                at + 1,
                format!("`{key}` is for wasm32 only, and is in {table}"),
            ));
        }
    }
    violations
}

/// Returns the version of a package in a lock file.
fn locked<'a>(cargo_lock: &'a str, package: &str) -> Option<&'a str> {
    let entry = cargo_lock.split_once(&format!("name = \"{package}\"\n"))?.1;
    entry.lines().next()?.strip_prefix("version = \"")?.strip_suffix('"')
}

/// Returns the quoted text after `key =` in a settings file.
fn setting<'a>(toml: &'a str, key: &str) -> Option<&'a str> {
    let line = toml.lines().find(|line| line.split('=').next().map(str::trim) == Some(key))?;
    line.split('"').nth(1)
}

/// Returns whether the toolchain is the oldest that the crate claims to support: what is tested is what is promised.
fn is_one_rust(rust_toolchain: &str, cargo_toml: &str) -> bool {
    let (Some(channel), Some(oldest)) = (setting(rust_toolchain, "channel"), setting(cargo_toml, "rust-version"))
    else {
        return false;
    };
    channel == oldest || channel.strip_prefix(oldest).is_some_and(|rest| rest.starts_with('.'))
}

fn file(path: &str) -> File {
    let found = files().into_iter().find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("{path} is not in the repository"))
}

#[test]
fn the_glue_generator_is_the_version_of_the_crate() {
    let installed = pins::wasm_bindgen(&file("Cargo.toml").text).expect("an exact pin");
    assert_eq!(locked(&file("Cargo.lock").text, "wasm-bindgen"), Some(installed.as_str()));
}

#[test]
fn one_rust_is_promised_tested_and_has_the_wasm_target() {
    let toolchain = file("rust-toolchain.toml").text;
    assert!(is_one_rust(&toolchain, &file("Cargo.toml").text));
    assert!(toolchain.contains("wasm32-unknown-unknown"));
}

#[test]
fn wasm_dependencies_are_for_wasm_only() {
    expect_none("a wasm-only crate is a dependency of every target", &wasm_only(&file("Cargo.toml")));
}

#[test]
fn a_wasm_crate_in_the_wrong_table_fails() {
    let toml = "[dependencies]\njs-sys = \"1\"\n[target.'cfg(target_arch = \"wasm32\")'.dependencies]\nweb-sys = \"1\"\n\
                [dev-dependencies]\nwasm-bindgen-test.version = \"1\"\n[target.'cfg(unix)'.dependencies]\nwasm-bindgen = \"=1.2.3\"\n";
    expect_lines(&wasm_only(&File::example("Cargo.toml", toml)), &[2, 6, 8]);
}

#[test]
fn a_locked_version_is_the_one_of_that_very_package() {
    let lock = "name = \"wasm-bindgen-test\"\nversion = \"9.9.9\"\n\nname = \"wasm-bindgen\"\nversion = \"0.2.7\"\n";
    assert_eq!(locked(lock, "wasm-bindgen"), Some("0.2.7"));
    assert_eq!(locked(lock, "wasm"), None);
}

#[test]
fn a_drifted_rust_is_noticed() {
    let cargo = "[workspace.package]\nrust-version = \"1.95\"\n";
    assert!(is_one_rust("channel = \"1.95.0\"", cargo));
    assert!(!is_one_rust("channel = \"1.950\"", cargo));
    assert!(!is_one_rust("channel = \"stable\"", cargo));
    assert!(!is_one_rust("targets = []", cargo));
}
