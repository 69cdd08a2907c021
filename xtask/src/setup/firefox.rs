//! Firefox and its driver, for the tests that run in a second browser.

use std::path::{Path, PathBuf};

use super::browser::named;
use super::{cargo_tool, debian, found, installing};
use crate::repo::Repo;
use crate::run;

const BROWSERS: [&str; 2] = ["firefox-esr", "firefox"];
const DRIVER: &str = "geckodriver";

/// A browser and the driver that steers it.
pub(crate) struct Firefox {
    /// Firefox.
    firefox: PathBuf,
    /// geckodriver.
    pub(crate) driver: PathBuf,
}

impl Firefox {
    /// The two names that the package's scripts look for.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("FIREFOX", &self.firefox), ("GECKODRIVER", &self.driver)]
    }

    /// The capabilities for the driver. None when the browser's path is no text.
    pub(crate) fn capabilities(&self) -> Option<String> {
        let firefox = self.firefox.to_str()?.replace('\\', "\\\\").replace('"', "\\\"");
        Some(format!("{{ \"moz:firefoxOptions\": {{ \"binary\": \"{firefox}\", \"args\": [] }} }}\n"))
    }
}

/// Finds the browser and its driver, by FIREFOX and GECKODRIVER or on the search path, or installs them: the browser from
/// Debian, the driver by cargo, which takes minutes.
pub(crate) fn ensure(repo: &Repo) -> Result<Firefox, String> {
    let variable = |name| named(name, std::env::var_os(name).map(PathBuf::from));
    let firefox = match variable("FIREFOX")? {
        Some(firefox) => firefox,
        None => browser(repo)?,
    };
    found("second browser", &run::capture(repo.command(&firefox).arg("--version")).unwrap_or_default());
    let driver = match variable("GECKODRIVER")? {
        Some(driver) => driver,
        None => {
            cargo_tool::ensure_geckodriver(repo).map_err(|why| advice(&why))?;
            repo.which(DRIVER).ok_or_else(|| advice("the driver is not on the search path"))?
        }
    };
    Ok(Firefox { firefox, driver })
}

fn browser(repo: &Repo) -> Result<PathBuf, String> {
    let find = || BROWSERS.iter().find_map(|name| repo.which(name));
    if let Some(firefox) = find() {
        return Ok(firefox);
    }
    installing("firefox-esr", "not found");
    debian::install(repo, &["firefox-esr"]).map_err(|why| advice(&why))?;
    find().ok_or_else(|| advice("apt-get installed it, and it is still not on the search path"))
}

fn advice(why: &str) -> String {
    format!(
        "Firefox and geckodriver could not be had: {why}.\nInstall them (Debian: apt-get install firefox-esr; cargo install \
         geckodriver), or name them in FIREFOX and GECKODRIVER."
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_browser_is_written_into_the_capabilities() {
        let firefox = Firefox { firefox: "/opt/a \"b\"/firefox".into(), driver: "/opt/geckodriver".into() };
        let json = firefox.capabilities().unwrap();
        assert_eq!(json, "{ \"moz:firefoxOptions\": { \"binary\": \"/opt/a \\\"b\\\"/firefox\", \"args\": [] } }\n");
    }
}
