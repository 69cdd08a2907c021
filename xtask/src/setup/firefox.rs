//! Firefox and its driver, for the tests that run in a second browser.

use std::path::{Path, PathBuf};

use super::browser::named;
use super::{cargo_tool, debian, found, installing};
use crate::repo::Repo;
use crate::run;

const BROWSERS: [&str; 2] = ["firefox-esr", "firefox"];
const DRIVER: &str = "geckodriver";
/// In older versions the tests take about twenty times as long (seen in 140), and those with time limits fail.
const OLDEST: u32 = 150;

/// A browser and its driver.
pub(crate) struct Firefox {
    /// Firefox.
    firefox: PathBuf,
    /// geckodriver.
    pub(crate) driver: PathBuf,
}

impl Firefox {
    /// The two variables that the package's scripts read.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("FIREFOX", &self.firefox), ("GECKODRIVER", &self.driver)]
    }

    /// Returns the capabilities for the driver, or `None` if the browser's path is not UTF-8.
    pub(crate) fn capabilities(&self) -> Option<String> {
        let firefox = self.firefox.to_str()?.replace('\\', "\\\\").replace('"', "\\\"");
        Some(format!("{{ \"moz:firefoxOptions\": {{ \"binary\": \"{firefox}\", \"args\": [] }} }}\n"))
    }
}

/// What the two variables name.
#[derive(Debug)]
pub(crate) struct Named {
    firefox: Option<PathBuf>,
    driver: Option<PathBuf>,
}

impl Named {
    /// Fails if a variable names something that does not exist: the tests were asked for, so they must not be skipped.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, String> {
        let read = |name| named(name, variable(name));
        Ok(Self { firefox: read("FIREFOX")?, driver: read("GECKODRIVER")? })
    }
}

/// Finds the browser and its driver by the variables or on the search path, or installs them: the browser from Debian,
/// the driver with cargo, which takes minutes.
pub(crate) fn ensure(repo: &Repo, named: Named) -> Result<Firefox, String> {
    let firefox = match named.firefox {
        Some(firefox) => firefox,
        None => browser(repo)?,
    };
    found("second browser", &run::capture(repo.command(&firefox).arg("--version")).unwrap_or_default());
    let driver = match named.driver {
        Some(driver) => driver,
        None => {
            cargo_tool::ensure_geckodriver(repo).map_err(|why| advice(&why))?;
            repo.which(DRIVER).ok_or_else(|| advice("the driver is not on the search path"))?
        }
    };
    Ok(Firefox { firefox, driver })
}

fn browser(repo: &Repo) -> Result<PathBuf, String> {
    let version =
        |firefox: &PathBuf| run::capture(repo.command(firefox).arg("--version")).and_then(|says| major(&says));
    let is_new = |firefox: &PathBuf| version(firefox).is_none_or(|version| version >= OLDEST);
    let find = || BROWSERS.iter().filter_map(|name| repo.which(name)).find(is_new);
    if let Some(firefox) = find() {
        return Ok(firefox);
    }
    let lacks = format!("there is none, or only one older than {OLDEST}");
    installing("firefox-esr", &lacks);
    debian::install(repo, &["firefox-esr"]).map_err(|why| advice(&why))?;
    find().ok_or_else(|| advice(&format!("after apt-get has installed it, {lacks} on the search path")))
}

/// Returns the first number of a version, as in "Mozilla Firefox 153.8.0esr".
fn major(says: &str) -> Option<u32> {
    says.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
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
    fn a_variable_that_names_nothing_is_an_error() {
        let here = std::env::current_exe().unwrap();
        assert!(Named::read(|_| None).unwrap().driver.is_none());
        assert_eq!(Named::read(|_| Some(here.clone())).unwrap().firefox.as_deref(), Some(&*here));
        for wrong in ["FIREFOX", "GECKODRIVER"] {
            let why = Named::read(|name| (name == wrong).then(|| "/no/such/program".into())).unwrap_err();
            assert!(why.contains(wrong) && why.contains("/no/such/program"), "{why}");
        }
    }

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(major("Mozilla Firefox 153.8.0esr\n"), Some(153));
        assert_eq!(major("Mozilla Firefox 140.10.2esr"), Some(140));
        assert_eq!(major("no version"), None);
    }

    #[test]
    fn the_browser_is_written_into_the_capabilities() {
        let firefox = Firefox { firefox: "/opt/a \"b\"/firefox".into(), driver: "/opt/geckodriver".into() };
        let json = firefox.capabilities().unwrap();
        assert_eq!(json, "{ \"moz:firefoxOptions\": { \"binary\": \"/opt/a \\\"b\\\"/firefox\", \"args\": [] } }\n");
    }
}
