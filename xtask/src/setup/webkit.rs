//! WebKit, the engine of Safari, for the package's tests in a third browser: the small browser that comes with its GTK
//! port, and a display in memory.

use std::path::{Path, PathBuf};

use super::{browser, debian, found, installing};
use crate::repo::Repo;
use crate::run;

/// Where systems put what belongs to a library: Debian and Fedora. Debian has a folder of the architecture in between.
const FOLDERS: [&str; 2] = ["/usr/lib", "/usr/libexec"];
const BROWSER: &str = "webkit2gtk-4.1/MiniBrowser";
const LIBRARY: &str = "libwebkit2gtk-4.1-0";
const DISPLAY: &str = "Xvfb";
/// The tests have run in no older version.
const OLDEST: (u32, u32) = (2, 50);

/// The browser.
pub(crate) struct WebKit(PathBuf);

impl WebKit {
    /// The variable that the package's scripts read.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 1] {
        [("WEBKIT", &self.0)]
    }
}

/// Returns the path that WEBKIT names. Fails if that does not exist: the tests were asked for, so they must not be
/// skipped.
pub(crate) fn named(variable: Option<PathBuf>) -> Result<Option<PathBuf>, String> {
    browser::named("WEBKIT", variable)
}

/// Finds the browser, as it is named or where systems keep it, and the display on the search path, or installs
/// Debian's.
pub(crate) fn ensure(repo: &Repo, named: Option<PathBuf>) -> Result<WebKit, String> {
    let find = || {
        let browser = named.clone().or_else(|| in_folders(&FOLDERS.map(Path::new)));
        browser.filter(|_| repo.which(DISPLAY).is_some())
    };
    let browser = find().map_or_else(
        || {
            installing(&format!("{LIBRARY} and xvfb"), "not found");
            debian::install(repo, &[LIBRARY, "xvfb"]).map_err(|why| advice(&why))?;
            find().ok_or_else(|| advice("apt-get installed them, and they are still not found"))
        },
        Ok,
    )?;
    let says = run::capture(repo.command("dpkg-query").args(["--show", "--showformat=${Version}", LIBRARY]));
    let says = says.unwrap_or_default();
    found("third browser", &format!("{} {says}", browser.display()));
    match version(&says) {
        Some(version) if named.is_none() && version < OLDEST => {
            Err(advice(&format!("version {says} is older than {}.{}", OLDEST.0, OLDEST.1)))
        }
        _ => Ok(WebKit(browser)),
    }
}

/// Returns the browser in these folders, or in a folder of one of them.
fn in_folders(folders: &[&Path]) -> Option<PathBuf> {
    folders.iter().find_map(|folder| {
        let within = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        std::iter::once(folder.to_path_buf())
            .chain(within)
            .map(|folder| folder.join(BROWSER))
            .find(|path| path.is_file())
    })
}

/// Returns the first two numbers of a version, as in "2.50.6-1~deb12u2".
fn version(says: &str) -> Option<(u32, u32)> {
    let mut numbers = says.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn advice(why: &str) -> String {
    format!(
        "WebKit and a display for it could not be had: {why}.\nInstall them (Debian: apt-get install {LIBRARY} xvfb), or \
         name the MiniBrowser of WebKitGTK in WEBKIT."
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_variable_that_names_nothing_is_an_error() {
        let why = named(Some("/no/such/program".into())).unwrap_err();
        assert!(why.contains("WEBKIT") && why.contains("/no/such/program"), "{why}");
    }

    #[test]
    fn the_browser_is_found_beside_the_library_and_in_a_folder_of_the_architecture() {
        let root = std::env::temp_dir().join(format!("xtask-webkit-{}", std::process::id()));
        for place in ["libexec", "lib/x86_64-linux-gnu"] {
            let browser = root.join(place).join(BROWSER);
            std::fs::create_dir_all(browser.parent().unwrap()).unwrap();
            let folders = [root.join("none"), root.join(place.split('/').next().unwrap())];
            let folders = [&*folders[0], &*folders[1]];
            assert_eq!(in_folders(&folders), None);
            std::fs::write(&browser, "").unwrap();
            assert_eq!(in_folders(&folders), Some(browser));
        }
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_version_is_the_first_two_numbers() {
        assert_eq!(version("2.50.6-1~deb12u2"), Some((2, 50)));
        assert_eq!(version("2.9.1"), Some((2, 9)));
        assert_eq!(version(""), None);
    }
}
