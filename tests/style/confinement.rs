//! Which names may appear where. A row forbids a path or a word everywhere in `src/` except in its places.

use super::lexer::tokens;
use super::paths::{module_of, paths};
use super::project::{File, Violation, expect_lines, expect_none, files};

struct Confined {
    /// Prefixes of paths, such as `std::time`.
    paths: &'static [&'static [&'static str]],
    /// Words, wherever they occur.
    words: &'static [&'static str],
    /// The places below `src/` that may name them.
    places: &'static [&'static str],
    why: &'static str,
}

const CONFINED: [Confined; 4] = [
    Confined {
        paths: &[],
        words: &[
            "wasm_bindgen",
            "wasm_bindgen_test",
            "js_sys",
            "web_sys",
            "serde_wasm_bindgen",
            "console_error_panic_hook",
        ],
        places: &["src/wasm"],
        why: "the glue to JavaScript is in src/wasm/ only",
    },
    Confined {
        paths: &[],
        words: &["bincode"],
        places: &["src/format"],
        why: "bincode is an affair of src/format/ only",
    },
    Confined {
        paths: &[
            &["std", "time"],
            &["std", "fs"],
            &["std", "io"],
            &["std", "net"],
            &["std", "env"],
            &["std", "process"],
            &["std", "thread"],
            &["rand"],
            &["getrandom"],
            &["fastrand"],
        ],
        words: &["Instant", "SystemTime", "print", "println", "eprint", "eprintln", "RandomState"],
        places: &["src/driver.rs", "src/driver", "src/native", "src/wasm"],
        why: "below the driver there is no clock, no IO and no randomness",
    },
    Confined {
        paths: &[],
        words: &["to_ne_bytes", "from_ne_bytes", "NativeEndian", "native_endian"],
        places: &[],
        why: "bytes are little-endian on every machine",
    },
];

fn check(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_in(&["src/"]) && file.is_rust()) {
        let (words, named) = (tokens(&file.text), paths(&file.text, &module_of(&file.path)));
        for rule in CONFINED.iter().filter(|rule| !file.is_in(rule.places)) {
            let words = words.iter().filter(|token| rule.words.contains(&token.text.as_str()));
            let named = named.iter().filter(|path| rule.paths.iter().any(|names| path.starts_with(names)));
            let mut found: Vec<(usize, String)> = words
                .map(|token| (token.line, token.text.clone()))
                .chain(named.map(|path| (path.line, path.names.join("::"))))
                .collect();
            found.sort();
            found.dedup_by_key(|(line, _)| *line);
            violations.extend(
                found.iter().map(|(line, name)| Violation::new(file, *line, format!("`{name}`: {}", rule.why))),
            );
        }
    }
    violations
}

#[test]
fn names_stay_in_their_places() {
    expect_none("a name is used outside its place (tests/style/confinement.rs)", &check(&files()));
}

#[test]
fn the_glue_to_javascript_leaks_nowhere() {
    let source =
        "use wasm_bindgen::prelude::*;\n// wasm_bindgen is only said here\n#[wasm_bindgen]\nfn f(x: js_sys::Array) {}";
    expect_lines(&check(&[File::example("src/index/insert.rs", source)]), &[1, 3, 4]);
    expect_lines(&check(&[File::example("src/lib.rs", "use web_sys::console;")]), &[1]);
    expect_lines(&check(&[File::example("src/wasm/raw_index.rs", source)]), &[]);
}

#[test]
fn bincode_stays_in_the_format() {
    let source = "#[derive(bincode::Encode)]\nstruct S;";
    expect_lines(&check(&[File::example("src/index/config.rs", source)]), &[1]);
    expect_lines(&check(&[File::example("src/format/meta.rs", source)]), &[]);
}

#[test]
fn below_the_driver_nothing_reads_a_clock_or_does_io() {
    let source =
        "use std::{fmt, fs};\nfn f() { std::time::Instant::now(); }\nuse rand::Rng;\nfn g() { println!(\"x\"); }";
    expect_lines(&check(&[File::example("src/graph/search.rs", source)]), &[1, 2, 3, 4]);
    expect_lines(&check(&[File::example("src/native/file.rs", source)]), &[]);
    expect_lines(&check(&[File::example("src/driver.rs", source)]), &[]);
    expect_lines(&check(&[File::example("src/graph/a.rs", "use std::fmt;\nuse core::time::Duration;")]), &[]);
}

#[test]
fn no_bytes_are_of_the_host_order() {
    let source = "fn f(x: u32) { x.to_le_bytes();\nx.to_ne_bytes(); }";
    expect_lines(&check(&[File::example("src/format/words.rs", source)]), &[2]);
}
