//! Files stay short enough to be read in one go, and a folder's `mod.rs` stays a map of it.

use super::lexer::{Token, tokens};
use super::project::{File, Violation, expect_lines, expect_none, files};

const LONGEST_FILE: usize = 600;
const LONGEST_MEDIAN: usize = 200;
const LONGEST_BODY_IN_MAP: usize = 12;

const MEASURED: [&str; 9] =
    ["src/", "pkg/src/", "pkg/test/", "pkg/packaging/", "xtask/", "tests/", "benches/", "fuzz/", "www/"];
const SOURCES: [&str; 9] = [".rs", ".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".css", ".html"];

fn is_source(file: &File) -> bool {
    file.is_in(&MEASURED) && SOURCES.iter().any(|ending| file.path.ends_with(ending))
}

fn lengths(files: &[File]) -> Vec<Violation> {
    let long = |file: &&File| is_source(file) && file.text.lines().count() > LONGEST_FILE;
    files
        .iter()
        .filter(long)
        .map(|file| Violation::new(file, LONGEST_FILE + 1, format!("longer than {LONGEST_FILE} lines: split it")))
        .collect()
}

fn median_of_src(files: &[File]) -> usize {
    let sources = files.iter().filter(|file| file.is_in(&["src/"]) && file.is_rust());
    let mut lengths: Vec<usize> = sources.map(|file| file.text.lines().count()).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or(0)
}

/// The one `mod.rs` that does work: it selects a kernel, so that this happens in one place.
const DISPATCHER: &str = "src/metric/kernel/mod.rs";

fn is_map(file: &File) -> bool {
    let in_tests = file.path.contains("/tests/");
    file.is_in(&["src/"]) && file.path.ends_with("/mod.rs") && !in_tests && file.path != DISPATCHER
}

/// A map consists of declarations: modules, exports, types and traits, and functions of a few lines. It has no loops.
fn maps(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| is_map(file)) {
        let tokens = without_tests(tokens(&file.text));
        for (at, token) in tokens.iter().enumerate() {
            let next = tokens.get(at + 1).map_or("", |token| token.text.as_str());
            match token.text.as_str() {
                "while" | "loop" => violations.push(logic(file, token, "has a loop")),
                "for" if is_loop(&tokens[at..]) => violations.push(logic(file, token, "has a loop")),
                "fn" if next != "(" && body_lines(&tokens[at..]) > LONGEST_BODY_IN_MAP => {
                    violations.push(logic(
                        file,
                        token,
                        &format!("has `{next}`, which is longer than {LONGEST_BODY_IN_MAP} lines"),
                    ));
                }
                _ => {}
            }
        }
    }
    violations
}

fn logic(file: &File, token: &Token, what: &str) -> Violation {
    Violation::new(file, token.line, format!("a map of its folder {what}: give the logic a file of its own"))
}

/// Distinguishes `for x in` from `impl A for B` and `for<'a>`: a loop has `in` before its brace.
fn is_loop(tokens: &[Token]) -> bool {
    let head = tokens.iter().take_while(|token| !matches!(token.text.as_str(), "{" | ";" | ")"));
    head.skip(1).any(|token| token.text == "in") || tokens.get(1).is_some_and(|token| token.text == "(")
}

/// Counts the lines from the brace that opens a function to the one that closes it; 0 for a declaration.
fn body_lines(tokens: &[Token]) -> usize {
    let Some(open) = tokens.iter().position(|token| matches!(token.text.as_str(), "{" | ";")) else {
        return 0;
    };
    if tokens[open].text == ";" {
        return 0;
    }
    let close = block_end(tokens, open);
    tokens.get(close).map_or(0, |end| end.line - tokens[open].line)
}

/// Returns the position of the brace that closes the one at `open`.
fn block_end(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return at,
            "}" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Removes `mod tests { ... }`.
fn without_tests(mut tokens: Vec<Token>) -> Vec<Token> {
    let word = |tokens: &[Token], at: usize| tokens.get(at).map(|token| token.text.clone()).unwrap_or_default();
    let begins = (0..tokens.len())
        .find(|&at| word(&tokens, at) == "mod" && word(&tokens, at + 1) == "tests" && word(&tokens, at + 2) == "{");
    if let Some(at) = begins {
        let end = block_end(&tokens, at + 2);
        tokens.drain(at..tokens.len().min(end + 1));
    }
    tokens
}

#[test]
fn no_file_is_too_long() {
    expect_none("files are too long", &lengths(&files()));
}

#[test]
fn the_median_source_is_short() {
    let median = median_of_src(&files());
    assert!(median <= LONGEST_MEDIAN, "the median file of src/ has {median} lines, above {LONGEST_MEDIAN}");
}

#[test]
fn maps_hold_no_logic() {
    expect_none("a mod.rs does work", &maps(&files()));
}

#[test]
fn a_file_one_line_too_long_fails() {
    let fits = "x\n".repeat(LONGEST_FILE);
    let long = "x\n".repeat(LONGEST_FILE + 1);
    let file = |path: &str, text: &str| lengths(&[File::example(path, text)]).len();
    assert_eq!(file("src/a.rs", &fits), 0);
    for path in ["src/a.rs", "pkg/src/a.ts", "xtask/src/a.rs", "tests/a.rs", "benches/harness/a.mjs"] {
        assert_eq!(file(path, &long), 1, "{path}");
    }
    assert_eq!(file("docs/a.md", &long) + file("pkg/package-lock.json", &long), 0);
}

#[test]
fn the_median_is_the_middle_length_of_src() {
    let example = |path: &str, lines: usize| File::example(path, &"x\n".repeat(lines));
    let files = [example("src/a.rs", 10), example("src/b.rs", 500), example("src/c.rs", 30), example("tests/d.rs", 1)];
    assert_eq!(median_of_src(&files), 30);
}

#[test]
fn loops_and_long_bodies_in_a_map_fail() {
    let body = "    x();\n".repeat(LONGEST_BODY_IN_MAP);
    let source = format!(
        "mod a;\nimpl A for B {{}}\nfn f<F>(g: F) where F: for<'a> Fn(&'a u8) {{ g(&1) }}\nfn h() {{ for x in y {{}} }}\n\
         fn i() {{\n{body}}}\n#[cfg(test)]\nmod tests {{ fn t() {{ loop {{}} }} }}\n"
    );
    expect_lines(&maps(&[File::example("src/graph/mod.rs", &source)]), &[4, 5]);
    for elsewhere in ["src/graph/search.rs", "src/arena/tests/mod.rs", "xtask/src/tasks/mod.rs"] {
        expect_lines(&maps(&[File::example(elsewhere, &source)]), &[]);
    }
}
