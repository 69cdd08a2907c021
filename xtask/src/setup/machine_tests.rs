//! The set-up of the browser on simulated machines, whose search path is a single folder of small scripts.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use super::browser::{Browser, Named, find_or_install};
use crate::repo::Repo;
use crate::run::one_at_a_time;

struct Machine(PathBuf, #[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

impl Machine {
    fn new(name: &str, programs: &[(&str, &str)]) -> Self {
        let turn = one_at_a_time();
        let folder = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (program, script) in programs {
            let path = folder.join(program);
            std::fs::write(&path, format!("#!/bin/sh\nhere={}\n{script}\n", folder.display())).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder, turn)
    }

    fn ensure(&self, named: &Named) -> Result<Browser, String> {
        find_or_install(&Repo::with_path(&self.0), named)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const APT_GET: (&str, &str) = (
    "apt-get",
    "echo \"$*\" >> $here/log
     case $1 in update) exit 100;; esac
     for name in chromium chromedriver; do echo > $here/$name; /bin/chmod +x $here/$name; done",
);
const ENV: (&str, &str) = ("env", "shift; exec \"$@\"");
const SUDO: (&str, &str) = ("sudo", "shift; exec \"$@\"");

#[test]
fn what_is_there_or_named_is_used() {
    let machine = Machine::new("has-browser", &[("google-chrome", ""), ("chromedriver", "")]);
    assert_eq!(machine.ensure(&Named::default()).unwrap().chrome, machine.0.join("google-chrome"));
    let named = Named { chrome: Some("/opt/chrome".into()), driver: None };
    assert_eq!(machine.ensure(&named).unwrap().chrome, Path::new("/opt/chrome"));
}

#[test]
fn root_installs_both_even_when_the_update_fails() {
    let machine = Machine::new("root", &[APT_GET, ENV, ("id", "echo 0")]);
    let browser = machine.ensure(&Named::default()).unwrap();
    assert_eq!(browser.driver, machine.0.join("chromedriver"));
    assert_eq!(machine.log(), "update\ninstall -y --no-install-recommends chromium chromium-driver\n");
}

#[test]
fn a_user_installs_only_where_sudo_asks_nothing() {
    let machine = Machine::new("sudo", &[APT_GET, ENV, SUDO, ("true", ""), ("id", "echo 1000")]);
    assert!(machine.ensure(&Named::default()).is_ok());
    drop(machine);
    let asks = Machine::new("asks", &[APT_GET, ENV, ("sudo", "exit 1"), ("id", "echo 1000")]);
    let message = asks.ensure(&Named::default()).err().unwrap();
    assert!(message.contains("sudo asks for a password") && message.contains("apt-get install"), "{message}");
    assert_eq!(asks.log(), "");
}

#[test]
fn without_apt_get_the_message_says_what_to_do() {
    let machine = Machine::new("no-apt", &[("chromedriver", "")]);
    let message = machine.ensure(&Named::default()).err().unwrap();
    assert!(message.contains("no apt-get") && message.contains("CHROMEDRIVER"), "{message}");
}
