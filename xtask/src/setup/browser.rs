//! Chromium and its driver, for the tests that run in a browser.

use std::path::{Path, PathBuf};

use super::{debian, found, installing};
use crate::pins;
use crate::repo::Repo;
use crate::run;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const DRIVER: &str = "chromedriver";
const MAC_BROWSER: &str = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/// A browser and its driver.
pub(crate) struct Browser {
    /// Chromium or Chrome.
    pub(crate) chrome: PathBuf,
    /// ChromeDriver of the same major version.
    pub(crate) driver: PathBuf,
}

impl Browser {
    /// The two variables that the tests and the package's scripts read.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("CHROME", &self.chrome), ("CHROMEDRIVER", &self.driver)]
    }
}

/// What the caller's environment names, instead of what is on the search path.
#[derive(Default)]
pub(super) struct Named {
    pub(super) chrome: Option<PathBuf>,
    pub(super) driver: Option<PathBuf>,
}

/// Finds the browser and its driver, by CHROME and CHROMEDRIVER or on the search path, or installs Debian's.
pub(crate) fn ensure(repo: &Repo) -> Result<Browser, String> {
    let variable = |name| named(name, std::env::var_os(name).map(PathBuf::from));
    let named = Named { chrome: variable("CHROME")?, driver: variable("CHROMEDRIVER")? };
    let browser = find_or_install(repo, &named)?;
    let version = |program: &Path| run::capture(repo.command(program).arg("--version"));
    let (chrome, driver) = (version(&browser.chrome), version(&browser.driver));
    found("browser", chrome.as_deref().unwrap_or_default());
    found("driver", driver.as_deref().unwrap_or_default());
    same_major(chrome.as_deref(), driver.as_deref())?;
    Ok(browser)
}

pub(super) fn find_or_install(repo: &Repo, named: &Named) -> Result<Browser, String> {
    if let Some(browser) = find(repo, named) {
        return Ok(browser);
    }
    installing("chromium and chromium-driver", "not found");
    debian::install(repo, &["chromium", "chromium-driver"]).map_err(|why| advice(&why))?;
    find(repo, named).ok_or_else(|| advice("apt-get installed them, and they are still not on the search path"))
}

fn find(repo: &Repo, named: &Named) -> Option<Browser> {
    let on_path = || BROWSERS.iter().find_map(|name| repo.which(name)).or_else(mac_browser);
    let chrome = named.chrome.clone().or_else(on_path)?;
    let driver = named.driver.clone().or_else(|| repo.which(DRIVER))?;
    Some(Browser { chrome, driver })
}

/// A driver refuses a browser of another major version, but its message is easily overlooked.
fn same_major(chrome: Option<&str>, driver: Option<&str>) -> Result<(), String> {
    let major = |printed: Option<&str>| {
        pins::printed_version(printed?).and_then(|version| version.split('.').next()).map(str::to_owned)
    };
    match (major(chrome), major(driver)) {
        (Some(chrome), Some(driver)) if chrome != driver => {
            Err(advice(&format!("the browser is version {chrome} and the driver {driver}")))
        }
        _ => Ok(()),
    }
}

/// What a variable names must exist: falling back to another browser would hide a typing error.
pub(super) fn named(variable: &str, value: Option<PathBuf>) -> Result<Option<PathBuf>, String> {
    match value {
        None => Ok(None),
        Some(path) if path.as_os_str().is_empty() => Ok(None),
        Some(path) if path.is_file() => Ok(Some(path)),
        Some(path) => Err(format!("{variable} names {}, which is not a file", path.display())),
    }
}

fn mac_browser() -> Option<PathBuf> {
    Some(PathBuf::from(MAC_BROWSER)).filter(|path| path.is_file())
}

fn advice(why: &str) -> String {
    format!(
        "Chromium and ChromeDriver are needed: {why}.\nInstall them (Debian: apt-get install chromium chromium-driver), \
         or name them in CHROME and CHROMEDRIVER."
    )
}

/// The capabilities for the driver: those of `webdriver.json`, with the path of the found browser inserted. Returns
/// `None` if the file has no place for it.
pub(crate) fn capabilities(webdriver_json: &str, chrome: &Path) -> Option<String> {
    let key = "\"goog:chromeOptions\": {";
    let (before, after) = webdriver_json.split_once(key)?;
    let chrome = chrome.to_str()?.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("{before}{key}\n    \"binary\": \"{chrome}\",{after}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_named_browser_must_be_there() {
        assert_eq!(named("CHROME", None), Ok(None));
        assert_eq!(named("CHROME", Some(PathBuf::new())), Ok(None));
        assert!(
            named("CHROME", Some("/no/such/browser".into())).unwrap_err().contains("CHROME names /no/such/browser")
        );
        let here = std::env::current_exe().unwrap();
        assert_eq!(named("CHROME", Some(here.clone())), Ok(Some(here)));
    }

    #[test]
    fn the_browser_is_written_into_the_capabilities() {
        let json = "{\n  \"goog:chromeOptions\": {\n    \"args\": []\n  }\n}\n";
        let with = capabilities(json, Path::new("/opt/a \"b\"/chrome")).unwrap();
        assert!(
            with.contains("\"goog:chromeOptions\": {\n    \"binary\": \"/opt/a \\\"b\\\"/chrome\",\n    \"args\""),
            "{with}"
        );
        assert_eq!(capabilities("{}", Path::new("chrome")), None);
    }

    #[test]
    fn the_committed_capabilities_have_a_place_for_the_browser() {
        let json = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../webdriver.json")).unwrap();
        assert!(capabilities(&json, Path::new("chrome")).is_some());
        assert!(json.contains("--headless") && json.contains("--no-sandbox"));
    }

    #[test]
    fn a_driver_for_another_browser_is_refused() {
        let chrome = Some("Chromium 156.0.8078.79 built on Debian");
        assert_eq!(same_major(chrome, Some("ChromeDriver 156.0.1.2 (x)")), Ok(()));
        assert!(same_major(chrome, Some("ChromeDriver 155.0.1.2")).unwrap_err().contains("156 and the driver 155"));
        assert_eq!(same_major(chrome, None), Ok(()));
    }
}
