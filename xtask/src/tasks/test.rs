//! `test`: everything CI runs, as stages. A failed stage does not stop the others, except those that need its result:
//! without the set-up nothing runs, and without the package nothing that uses it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};

use super::{build, checks};
use crate::repo::Repo;
use crate::report::Report;
use crate::run::{self, Tally};
use crate::setup::browser::{self, Browser};
use crate::setup::firefox::{self, Firefox};
use crate::setup::webkit;
use crate::setup::{self, cargo_tool, npm, python, rust};

/// The package's own tests: the name of the stage, the script in `pkg/package.json`, and whether it needs a browser.
const PACKAGE: [(&str, &str, bool); 5] = [
    ("package, Node", "test:api", false),
    ("package, stores", "test:store", false),
    ("package, Chromium", "test:browser", true),
    ("package, worker", "test:worker", true),
    ("package, installed", "test:packaging", true),
];
/// `thermocline/threads`, if the toolchain for it is available.
const THREADS: (&str, &str) = ("package, threads", "test:threads");
/// The crate's tests, compiled to wasm.
const WASM_IN_NODE: &str = "tests, wasm in Node";
const WASM_IN_CHROMIUM: &str = "tests, wasm in Chromium";
/// The same in a second browser, if available.
const WASM_IN_FIREFOX: &str = "tests, wasm in Firefox";
const PACKAGE_IN_FIREFOX: (&str, &str) = ("package, Firefox", "test:firefox");
/// The package in a third browser, if available.
const PACKAGE_IN_WEBKIT: (&str, &str) = ("package, WebKit", "test:webkit");
/// One index that passes through all of them: the name of the stage, and the script for the middle part.
const HANDED_ON: (&str, &str) = ("handed on: native, Node, browser", "test:handed-on");
const DEMONSTRATION: &str = "demonstration";
const PAGE: &str = "page, Chromium";

/// Runs every stage and prints the summary.
pub(crate) fn run(repo: &Repo) -> Result<(), String> {
    let report = Report::default();
    if !report.stage("set-up", || set_up(repo)) {
        return report.finish();
    }
    report.stage("set-up, Python", || python::ensure_packages(repo));
    let mut browser = None;
    report.stage("set-up, browser", || {
        browser = Some(browser::ensure(repo)?);
        Ok(())
    });
    let report = report.side_by_side(repo.target().join("stages"));
    side_by_side(repo, browser.as_ref(), &report);
    report.finish()
}

/// Two lanes of stages, since a stage often keeps only one core busy, or none: a linker, a test that waits, a page.
/// Mostly they compile into different folders. The first waits for the package that the second builds, and then takes
/// the other browsers, because it would end long before the second.
fn side_by_side(repo: &Repo, browser: Option<&Browser>, report: &Report) {
    let firefox = OnceLock::new();
    let firefox = &|| firefox.get_or_init(|| set_up_firefox(repo, report));
    let (build_ended, build) = mpsc::channel();
    std::thread::scope(|lanes| {
        lanes.spawn(move || {
            native(repo, report);
            let built = build.recv().unwrap_or_default();
            other_browsers(repo, browser, built, firefox, report);
        });
        lanes.spawn(move || wasm(repo, browser, build_ended, firefox, report));
    });
}

/// A second browser, or why there is none. Both lanes need it; the first to ask sets it up.
type FirefoxOrWhy<'a> = dyn Fn() -> &'a Result<Firefox, String> + Sync + 'a;

fn set_up_firefox(repo: &Repo, report: &Report) -> Result<Firefox, String> {
    let mut firefox = Err("it is named wrongly".to_owned());
    report.stage("set-up, Firefox", || {
        let named = firefox::Named::read(|name| std::env::var_os(name).map(PathBuf::from))?;
        firefox = firefox::ensure(repo, named);
        Ok(())
    });
    firefox
}

fn set_up(repo: &Repo) -> Result<(), String> {
    rust::ensure_lints(repo)?;
    setup::for_build(repo)?;
    npm::ensure_dependencies(repo, "www")
}

/// The sources, and the crate compiled for this machine.
fn native(repo: &Repo, report: &Report) {
    checks::format(repo, report);
    checks::clippy(repo, report);
    checks::documentation(repo, report);
    report.tests("tests, native", || run::run_tests(repo.cargo().args(["test", "--workspace", "--all-features"])));
    // Without features all memory comes from the allocator, where tests can refuse it and inspect what is freed.
    report.tests("tests, native without features", || {
        run::run_tests(repo.cargo().args(["test", "--lib", "--test", "alloc"]))
    });
    report.tests("fuzz targets, seeded", || run::run_tests(&mut seeded_fuzz(repo)));
    report.tests("bench harness", || run::run_tests(repo.command("node").args(["--test", "benches/harness/test/"])));
}

/// The package, and the crate's tests on wasm. Tells whether the package could be built.
fn wasm<'a>(
    repo: &Repo,
    browser: Option<&Browser>,
    build_ended: Sender<bool>,
    firefox: &FirefoxOrWhy<'a>,
    report: &Report,
) {
    let threads = setup::nightly::ensure(repo);
    let built = report.stage("build", || build::compile(repo, threads.is_ok()));
    // The other lane is there until it has heard this.
    let _ = build_ended.send(built);
    if built {
        package(repo, browser, report);
        let (stage, script) = THREADS;
        match &threads {
            Ok(()) => {
                report.tests(stage, || {
                    needed(browser)?;
                    run::run_tests(&mut npm_script(repo, "pkg", script, browser))
                });
            }
            Err(why) => report.absent(stage, why),
        }
        demonstration(repo, browser, report);
    } else {
        let stages = PACKAGE.iter().map(|(stage, ..)| *stage).chain([THREADS.0, HANDED_ON.0, DEMONSTRATION]);
        stages.for_each(|stage| report.blocked(stage, "the build failed"));
    }
    if report.stage("set-up, wasm-pack", || cargo_tool::ensure_wasm_pack(repo)) {
        report.tests(WASM_IN_NODE, || {
            run::run_tests(wasm_pack(repo).args(["--node", "--", "--features", "mmap", "--test", "wasm"]))
        });
        report.tests(WASM_IN_CHROMIUM, || wasm_in_browser(repo, needed(browser)?));
        or_absent(firefox(), WASM_IN_FIREFOX, report, |firefox| wasm_in_firefox(repo, firefox));
    } else {
        [WASM_IN_NODE, WASM_IN_CHROMIUM, WASM_IN_FIREFOX]
            .into_iter()
            .for_each(|stage| report.blocked(stage, "there is no wasm-pack"));
    }
    if built {
        let (stage, script) = HANDED_ON;
        report.tests(stage, || handed_on(repo, needed(browser)?, script));
    }
}

/// Runs the bodies of the fuzz targets over seeded inputs, on the stable toolchain.
fn seeded_fuzz(repo: &Repo) -> Command {
    let mut cargo = repo.cargo();
    cargo.args(["test", "--manifest-path", "fuzz/Cargo.toml", "--no-default-features", "--target-dir"]);
    cargo.arg(repo.target().join("fuzz"));
    cargo
}

fn needed(browser: Option<&Browser>) -> Result<&Browser, String> {
    browser.ok_or_else(|| "not run: there is no browser".to_owned())
}

/// wasm-pack in the mode that only uses what the set-up installed and never downloads.
fn wasm_pack(repo: &Repo) -> Command {
    let mut command = repo.command("wasm-pack");
    command.args(["test", "--mode", "no-install"]);
    // The runner's own limits, 20 and 5 seconds, are too short for a machine that is busy with other work.
    for (limit, seconds) in [("WASM_BINDGEN_TEST_TIMEOUT", "300"), ("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60")] {
        if std::env::var_os(limit).is_none() {
            command.env(limit, seconds);
        }
    }
    command
}

fn wasm_in_browser(repo: &Repo, browser: &Browser) -> Result<Tally, String> {
    let json = browser::capabilities(&repo.read("webdriver.json")?, &browser.chrome)
        .ok_or("webdriver.json has no \"goog:chromeOptions\": { ... }")?;
    let mut command = wasm_pack(repo);
    command.args(["--headless", "--chrome", "--chromedriver"]).arg(&browser.driver);
    in_browser(repo, &mut command, &json)
}

/// The package in the browsers beside Chromium.
fn other_browsers<'a>(
    repo: &Repo,
    browser: Option<&Browser>,
    built: bool,
    firefox: &FirefoxOrWhy<'a>,
    report: &Report,
) {
    if !built {
        [PACKAGE_IN_FIREFOX, PACKAGE_IN_WEBKIT].iter().for_each(|(stage, _)| report.blocked(stage, "the build failed"));
        return;
    }
    let (stage, script) = PACKAGE_IN_FIREFOX;
    or_absent(firefox(), stage, report, |firefox| {
        run::run_tests(npm_script(repo, "pkg", script, browser).envs(firefox.environment()))
    });
    let mut webkit = Err("it is named wrongly".to_owned());
    let (stage, script) = PACKAGE_IN_WEBKIT;
    report.stage("set-up, WebKit", || {
        let named = webkit::named(std::env::var_os("WEBKIT").map(PathBuf::from))?;
        webkit = webkit::ensure(repo, named);
        Ok(())
    });
    or_absent(&webkit, stage, report, |webkit| {
        run::run_tests(npm_script(repo, "pkg", script, browser).envs(webkit.environment()))
    });
}

/// Runs a stage in a browser. Without the browser it is skipped, and the summary gives the reason.
fn or_absent<B>(
    browser: &Result<B, String>,
    stage: &'static str,
    report: &Report,
    tests: impl FnOnce(&B) -> Result<Tally, String>,
) {
    match browser {
        Ok(browser) => {
            report.tests(stage, || tests(browser));
        }
        Err(why) => report.absent(stage, why),
    }
}

fn wasm_in_firefox(repo: &Repo, firefox: &Firefox) -> Result<Tally, String> {
    let json = firefox.capabilities().ok_or("the path of Firefox is no text")?;
    let mut command = wasm_pack(repo);
    command.args(["--headless", "--firefox", "--geckodriver"]).arg(&firefox.driver);
    in_browser(repo, &mut command, &json)
}

/// Runs the tests of the crate in a browser started with these capabilities.
fn in_browser(repo: &Repo, wasm_pack: &mut Command, capabilities: &str) -> Result<Tally, String> {
    let file = repo.target().join("webdriver.json");
    std::fs::write(&file, capabilities).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    wasm_pack.args(["--", "--test", "wasm"]).env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &file);
    // The test file does not fix where it runs, so that it also runs in Node; this selects the browser for one run.
    wasm_pack.env("WASM_BINDGEN_USE_BROWSER", "1");
    run::run_tests(wasm_pack)
}

fn package(repo: &Repo, browser: Option<&Browser>, report: &Report) {
    for (stage, script, in_browser) in PACKAGE {
        report.tests(stage, || {
            if in_browser {
                needed(browser)?;
            }
            run::run_tests(&mut npm_script(repo, "pkg", script, browser))
        });
    }
}

/// One index that is created natively, changed in Node and in a browser, and read natively again.
fn handed_on(repo: &Repo, browser: &Browser, script: &str) -> Result<Tally, String> {
    let folder = repo.target().join("handed-on");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    let mut all = Tally::default();
    let native = |test: &str| {
        let mut cargo = repo.cargo();
        // With all features, as the native tests were compiled.
        cargo.args(["test", "--all-features", "--test", "stored", test, "--", "--ignored", "--exact"]);
        cargo
    };
    for mut hand in
        [native("handed_on::begins"), npm_script(repo, "pkg", script, Some(browser)), native("handed_on::ends")]
    {
        let Tally { passed, failed } = run::run_tests(hand.env("THERMOCLINE_HANDED_ON", &folder))?;
        all.passed += passed;
        all.failed += failed;
    }
    Ok(all)
}

/// The first part of the demonstration, run to its end, and the page's own test if there is one.
fn demonstration(repo: &Repo, browser: Option<&Browser>, report: &Report) {
    report.stage(DEMONSTRATION, || run::run(repo.command("node").args(["www/demo.mjs", "--once"])));
    if npm::has_script(repo, "www", "test") {
        report.tests(PAGE, || {
            needed(browser)?;
            run::run_tests(&mut npm_script(repo, "www", "test", browser))
        });
    }
}

fn npm_script(repo: &Repo, folder: &str, script: &str, browser: Option<&Browser>) -> Command {
    let mut command = repo.command("npm");
    command.args(["run", script]).current_dir(repo.at(folder));
    if let Some(browser) = browser {
        command.envs(browser.environment());
    }
    command
}
