//! `unsafe` is confined, and each use carries an argument for its soundness.

use super::lexer::{Token, tokens};
use super::project::{File, Violation, expect_lines, expect_none, files};

/// The only places where the keyword may occur: the first three ship; the last is the allocator of a test.
const PLACES: [&str; 4] =
    ["src/metric/kernel", "src/native/mmap.rs", "src/pages/give_back.rs", "tests/alloc/refusing.rs"];

fn check(files: &[File]) -> Vec<Violation> {
    let ours = ["src/", "xtask/", "tests/", "benches/", "fuzz/"];
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.is_in(&ours)) {
        let lines: Vec<&str> = file.text.lines().collect();
        let tokens = tokens(&file.text);
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "unsafe") {
            if !file.is_in(&PLACES) {
                violations.push(Violation::new(
                    file,
                    token.line,
                    "`unsafe` belongs in the kernels, in native/mmap.rs, in pages/give_back.rs or in the refusing allocator",
                ));
            } else if !is_pointer_type(&tokens, at) && !is_argued(&lines, token.line) {
                violations.push(Violation::new(file, token.line, "`unsafe` without its `SAFETY:` argument above it"));
            }
        }
    }
    violations
}

/// `unsafe fn(...)` as a type does nothing by itself.
fn is_pointer_type(tokens: &[Token], at: usize) -> bool {
    let word = |at: usize| tokens.get(at).map(|token| token.text.as_str());
    word(at + 1) == Some("fn") && word(at + 2) == Some("(")
}

/// Returns whether the line itself, or the comments and attributes directly above its statement or item, contain
/// `SAFETY:`; for the declaration of an unsafe function, a `# Safety` section also counts.
fn is_argued(lines: &[&str], line: usize) -> bool {
    let says = |text: &str| text.contains("SAFETY:") || text.contains("# Safety");
    if lines.get(line - 1).is_some_and(|text| says(text)) {
        return true;
    }
    let above = lines[..line - 1].iter().rev().map(|text| text.trim());
    let belongs = |text: &&str| {
        let comment = text.starts_with("//");
        let attribute = text.starts_with("#[") || text.starts_with(')') || text.starts_with(']');
        // The beginning of a statement that was broken before the keyword.
        let begun = text.ends_with(['=', '(', ',', '|']) || text.starts_with("return");
        comment || attribute || begun
    };
    above.take_while(belongs).any(|text| text.starts_with("//") && says(text))
}

#[test]
fn unsafe_is_confined_and_argued() {
    expect_none("`unsafe` out of its place or without an argument", &check(&files()));
}

#[test]
fn unsafe_elsewhere_fails_even_with_an_argument() {
    let source =
        "fn f() {\n    // SAFETY: none\n    unsafe { g() }\n}\n// unsafe is only said here\n#![allow(unsafe_code)]";
    for place in ["src/graph/search.rs", "src/native/file.rs", "src/metric/mod.rs", "xtask/src/main.rs"] {
        expect_lines(&check(&[File::example(place, source)]), &[3]);
    }
}

#[test]
fn unsafe_in_its_place_needs_an_argument_of_its_own() {
    let source = "// SAFETY: a\nfn f() {\n    unsafe { g() }\n}\nfn h() {\n    // SAFETY: b\n    let x =\n        \
                  unsafe { g() };\n    let y = unsafe { g() };\n}\n";
    expect_lines(&check(&[File::example("src/metric/kernel/x86_64.rs", source)]), &[3, 9]);
}

#[test]
fn declarations_and_pointer_types_are_told_apart() {
    let source = "/// # Safety\n/// The caller has AVX2.\n#[target_feature(enable = \"avx2\")]\nunsafe fn f() {}\n\
                  type F = unsafe fn(u8);\n\nunsafe fn g() {}\n";
    expect_lines(&check(&[File::example("src/metric/kernel/x86_64.rs", source)]), &[7]);
}
