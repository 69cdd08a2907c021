//! Tools that `cargo install` builds, each at one pinned version.

use super::{found, installing};
use crate::pins;
use crate::repo::Repo;
use crate::run;

/// wasm-bindgen's command line, at the version that `Cargo.toml` pins the crate to: the two refuse to work together if
/// their versions differ.
pub(crate) fn ensure_wasm_bindgen(repo: &Repo) -> Result<(), String> {
    let version = pins::wasm_bindgen(&repo.read("Cargo.toml")?)?;
    ensure(repo, &Tool { program: "wasm-bindgen", package: "wasm-bindgen-cli", version: &version, works: true })
}

/// wasm-pack, which runs the wasm tests.
pub(crate) fn ensure_wasm_pack(repo: &Repo) -> Result<(), String> {
    ensure(repo, &Tool { program: "wasm-pack", package: "wasm-pack", version: pins::WASM_PACK, works: false })
}

/// Firefox's driver.
pub(crate) fn ensure_geckodriver(repo: &Repo) -> Result<(), String> {
    ensure(repo, &Tool { program: "geckodriver", package: "geckodriver", version: pins::GECKODRIVER, works: false })
}

struct Tool<'a> {
    program: &'a str,
    package: &'a str,
    version: &'a str,
    /// Whether the tool does heavy work and should be optimized. For tools that mostly start other programs, an
    /// unoptimized build takes half as long.
    works: bool,
}

/// What to do about a tool.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The right version is present.
    Use,
    /// The tool is missing: it is installed where `cargo install` puts things, where the next clone finds it too.
    Install,
    /// The user has another version, which is left alone: ours goes into the project's own folder of tools.
    InstallBeside,
}

fn decide(wanted: &str, printed: Option<&str>) -> Step {
    match printed.map(pins::printed_version) {
        None => Step::Install,
        Some(Some(version)) if version == wanted => Step::Use,
        Some(_) => Step::InstallBeside,
    }
}

fn ensure(repo: &Repo, tool: &Tool<'_>) -> Result<(), String> {
    let printed = version_of(repo, tool);
    let mut command = repo.cargo();
    // Without --locked: the tools' own lock files name versions that newer registries no longer serve.
    command.args(["install", tool.package, "--version", tool.version]);
    if !tool.works {
        command.args(["--debug", "--config", "profile.dev.debug=false"]);
    }
    match decide(tool.version, printed.as_deref()) {
        Step::Use => {
            found(tool.program, tool.version);
            return Ok(());
        }
        Step::Install => installing(tool.package, "not found; compiling it takes a few minutes, once"),
        Step::InstallBeside => {
            let other = printed.as_deref().unwrap_or_default().trim();
            installing(tool.package, &format!("found `{other}`, and this project needs {}", tool.version));
            command.arg("--root").arg(repo.tools());
        }
    }
    // A tool is compiled for the host with its own settings: the project's flags for wasm must not reach it.
    run::run(command.current_dir(std::env::temp_dir())).map_err(|error| {
        let Tool { package, version, .. } = tool;
        format!("{error}\nInstall it by hand: cargo install {package} --version {version}")
    })?;
    match version_of(repo, tool).as_deref().and_then(pins::printed_version) {
        Some(version) if version == tool.version => Ok(()),
        other => Err(format!(
            "{} {} was installed, but the search path gives {}: put cargo's bin folder first in PATH",
            tool.program,
            tool.version,
            other.unwrap_or("none")
        )),
    }
}

fn version_of(repo: &Repo, tool: &Tool<'_>) -> Option<String> {
    run::capture(repo.command(tool.program).arg("--version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_installed_only_when_its_version_is_not_the_pinned_one() {
        assert_eq!(decide("1.2.3", Some("tool 1.2.3 (abc)\n")), Step::Use);
        assert_eq!(decide("1.2.3", Some("tool 1.2.30\n")), Step::InstallBeside);
        assert_eq!(decide("1.2.3", Some("tool of unknown version")), Step::InstallBeside);
        assert_eq!(decide("1.2.3", None), Step::Install);
    }
}
