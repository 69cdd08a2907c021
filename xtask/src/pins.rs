//! The versions of the tools, each read from the one file that owns it.
//!
//! The style tests include this file, so that they check what the tasks actually install.

/// The version of wasm-pack, which runs `tests/wasm.rs`. No file of Rust's own tools can hold this pin.
pub(crate) const WASM_PACK: &str = "0.15.1";

/// The version of Firefox's driver, for the same tests. Unlike Chromium's it is not a Debian package.
pub(crate) const GECKODRIVER: &str = "0.37.1";

/// The toolchain that compiles the crate for a shared memory: the standard library must be compiled for it too, which
/// stable toolchains do not support.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-20";

/// Returns the version that `Cargo.toml` pins wasm-bindgen to. The generated glue and the crate must have the same
/// version, so the pin must be exact (`"=X.Y.Z"`); anything else is an error that explains this.
pub(crate) fn wasm_bindgen(cargo_toml: &str) -> Result<String, String> {
    let line = cargo_toml
        .lines()
        .map(str::trim)
        .find(|line| line.split('=').next().map(str::trim) == Some("wasm-bindgen"))
        .ok_or("Cargo.toml has no line `wasm-bindgen = ...`")?;
    let wanted = line.split('"').nth(1).ok_or_else(|| format!("`{line}` in Cargo.toml states no version"))?;
    let version = wanted
        .strip_prefix('=')
        .ok_or_else(|| format!("Cargo.toml must pin wasm-bindgen exactly, and says \"{wanted}\""))?;
    if is_version(version) { Ok(version.to_owned()) } else { Err(format!("\"{wanted}\" in Cargo.toml is no version")) }
}

/// Returns the version in the output of `tool --version`, such as `wasm-bindgen 0.2.1 (abc)`, if there is one.
pub(crate) fn printed_version(output: &str) -> Option<&str> {
    output.split_whitespace().map(|word| word.trim_start_matches('v')).find(|word| is_version(word))
}

fn is_version(word: &str) -> bool {
    let mut parts = 0;
    let numeric = word.split('.').all(|part| {
        parts += 1;
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    });
    numeric && parts >= 3
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_exact_pin_is_read() {
        let toml = "[dependencies]\nwasm-bindgen-test = \"=0.3.9\"\nwasm-bindgen = \"=0.2.7\"\n";
        assert_eq!(wasm_bindgen(toml).unwrap(), "0.2.7");
        let table = "wasm-bindgen = { version = \"=0.2.7\", features = [\"std\"] }";
        assert_eq!(wasm_bindgen(table).unwrap(), "0.2.7");
    }

    #[test]
    fn a_loose_or_missing_pin_is_refused() {
        assert!(wasm_bindgen("wasm-bindgen = \"0.2.7\"").unwrap_err().contains("exactly"));
        assert!(wasm_bindgen("wasm-bindgen = \"=0.2\"").unwrap_err().contains("no version"));
        assert!(wasm_bindgen("wasm-bindgen-test = \"=0.3.9\"").unwrap_err().contains("no line"));
    }

    #[test]
    fn a_printed_version_is_found_among_words() {
        assert_eq!(printed_version("wasm-bindgen 0.2.7 (1f2e3d 2026-01-01)\n"), Some("0.2.7"));
        assert_eq!(printed_version("v20.1.2\n"), Some("20.1.2"));
        assert_eq!(printed_version("ChromeDriver 156.0.8078.73 (x)"), Some("156.0.8078.73"));
        assert_eq!(printed_version("command not found"), None);
    }
}
