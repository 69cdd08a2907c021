//! Imports only go down. A module of the crate's root that is not in the table breaks the rule, so that every new one
//! must be given a place.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{module_of, paths};
use super::project::{File, Violation, expect_lines, expect_none, files};

/// The layers from the lowest up, each with its modules of the crate's root.
const LAYERS: [&[&str]; 8] = [
    &["types"],
    &["metric", "format", "store", "order", "pages", "segments", "slot_set", "wipe"],
    &["quantize", "arena", "ids", "tombstone", "expiry"],
    &["graph"],
    &["compact", "rerank"],
    &["index"],
    &["driver"],
    &["wasm", "native"],
];

/// Modules that nobody imports, not even their own layer; only `lib.rs` names them.
const LEAVES: [&str; 2] = ["wasm", "native"];

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn check(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut sideways: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_in(&["src/"]) && file.is_rust() && file.path != "src/lib.rs") {
        let module = module_of(&file.path);
        let own = module[0].as_str();
        let Some(own_layer) = layer_of(own) else {
            violations.push(Violation::new(file, 1, format!("`{own}` has no place in the table of layers")));
            continue;
        };
        for path in paths(&file.text, &module).iter().filter(|path| path.starts_with(&["crate"])) {
            let Some(other) = path.names.get(1).map(String::as_str).filter(|other| *other != own) else {
                continue;
            };
            let what = match layer_of(other) {
                // A name exported by lib.rs hides where it comes from.
                None => {
                    format!("`crate::{other}`: name the module it is in, so that its layer shows")
                }
                Some(_) if LEAVES.contains(&other) => {
                    format!("`{other}` is a leaf, and `{own}` imports it")
                }
                Some(layer) if layer > own_layer => {
                    format!("`{own}` (layer {own_layer}) imports `{other}` (layer {layer}): imports go down only")
                }
                Some(layer) if layer == own_layer => {
                    sideways.entry(own.to_owned()).or_default().insert(other.to_owned());
                    if !reaches(&sideways, other, own) {
                        continue;
                    }
                    format!("`{own}` imports `{other}`, which imports it: modules of one layer form no cycle")
                }
                Some(_) => continue,
            };
            violations.push(Violation::new(file, path.line, what));
        }
    }
    violations
}

fn reaches(edges: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            open.extend(edges.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

#[test]
fn imports_go_down_only() {
    expect_none("the table of layers in tests/style/layers.rs is broken", &check(&files()));
}

#[test]
fn every_module_has_one_layer() {
    let all: Vec<&str> = LAYERS.iter().flat_map(|layer| layer.iter().copied()).collect();
    let distinct: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len());
}

#[test]
fn an_upward_import_fails_however_it_is_written() {
    let source = "use crate::types::Slot;\nuse crate::{metric, index::Index};\nfn f() { crate::compact::go(); }\n\
                  use super::super::driver;\n#[cfg(test)]\nmod tests {\n    use super::super::super::rerank::R;\n}\n";
    expect_lines(&check(&[File::example("src/graph/search.rs", source)]), &[2, 3, 4, 7]);
}

#[test]
fn what_is_only_said_is_no_import() {
    let source = "//! See [`crate::index`].\nconst S: &str = \"crate::index\";\npub(crate) fn f() {}\n";
    expect_lines(&check(&[File::example("src/graph/mod.rs", source)]), &[]);
}

#[test]
fn leaves_are_imported_by_nobody() {
    let files = [
        File::example("src/native/file.rs", "use crate::wasm::x;"),
        File::example("src/wasm/error.rs", "use super::bytes;\nuse crate::index::Index;"),
        File::example("src/driver.rs", "use crate::native::file;"),
        File::example("src/lib.rs", "mod wasm; pub use crate::wasm::RawIndex;"),
    ];
    expect_lines(&check(&files), &[1, 1]);
}

#[test]
fn a_new_module_and_a_flat_name_need_a_place() {
    expect_lines(&check(&[File::example("src/helpers/mod.rs", "//! New.")]), &[1]);
    expect_lines(&check(&[File::example("src/graph/mod.rs", "\nuse crate::Index;")]), &[2]);
}

#[test]
fn modules_of_one_layer_may_import_in_one_direction() {
    let down = File::example("src/arena/mod.rs", "use crate::ids::Ids;");
    let back = File::example("src/ids.rs", "\nuse crate::tombstone::T;");
    let round = File::example("src/tombstone.rs", "\n\nuse crate::arena::A;");
    expect_lines(&check(&[down, back]), &[]);
    let down = File::example("src/arena/mod.rs", "use crate::ids::Ids;");
    let back = File::example("src/ids.rs", "\nuse crate::tombstone::T;");
    expect_lines(&check(&[down, back, round]), &[3]);
}
