//! What no file of the project may say: that something is still to be done, how far the work is, or a place outside the
//! repository. The words are assembled from halves here, so that this file does not contain them either.

use super::project::{File, Violation, expect_lines, expect_none, files};

const STATUS: [&str; 7] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
    concat!("W", "IP"),
    concat!("Week", " "),
    concat!("coming", " soon"),
];

/// The width of code, which `rustfmt.toml` names.
const WIDEST_COMMENT: usize = 120;

/// Sources whose comments are wrapped by hand.
const FORMATTED: [&str; 5] = [".rs", ".ts", ".mjs", ".js", ".cjs"];

/// A copy of the public contract, which is compared with the declarations as it is.
const CONTRACT: &str = "pkg/packaging/typescript/contract.d.ts";

/// Where sources and documents are that a comment may name.
const FOLDERS: [&str; 7] = ["src/", "docs/", "tests/", "benches/", "xtask/", "pkg/src/", "pkg/test/"];

const OUTSIDE: [&str; 2] = [concat!("..", "/shared"), concat!("/work", "/shared")];

const SOURCES: [&str; 12] =
    [".rs", ".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".css", ".html", ".toml", ".py", ".sh"];

fn status(files: &[File]) -> Vec<Violation> {
    let sources = files.iter().filter(|file| SOURCES.iter().any(|ending| file.path.ends_with(ending)));
    find(sources, &STATUS, "is status, which belongs in the issue or the changelog")
}

/// The name of the folder beside the repository is also a valid name inside it, so relative paths are resolved first.
fn outside(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            let named = OUTSIDE.iter().find(|place| says(line, place) && !leads_inside(files, file, line, place));
            let violation = |place| Violation::new(file, at + 1, format!("`{place}` is not in this repository"));
            violations.extend(named.map(violation));
        }
    }
    violations
}

/// Returns whether every mention of the place on the line, taken as relative to the file's folder, is a folder or a
/// file of the repository.
fn leads_inside(files: &[File], file: &File, line: &str, place: &str) -> bool {
    let folder: Vec<&str> = file.path.split('/').rev().skip(1).collect();
    line.match_indices(place).all(|(at, _)| {
        let before = &line[..at];
        let up = 1 + (before.len() - before.trim_end_matches("../").len()) / "../".len();
        let kept: Vec<&str> = folder.iter().skip(up).rev().copied().collect();
        let name = place.rsplit('/').next().unwrap_or_default();
        let target = kept.iter().copied().chain([name]).collect::<Vec<_>>().join("/");
        let inside = up <= folder.len() && place.starts_with("..");
        inside && files.iter().any(|other| other.is_in(&[&target]) || other.path.starts_with(&format!("{target}.")))
    })
}

fn find<'a>(files: impl Iterator<Item = &'a File>, phrases: &[&str], what: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            let said = phrases.iter().find(|phrase| says(line, phrase));
            violations.extend(said.map(|phrase| Violation::new(file, at + 1, format!("`{}` {what}", phrase.trim()))));
        }
    }
    violations
}

/// Returns whether the line contains the phrase, and not merely as a part of a longer word.
fn says(line: &str, phrase: &str) -> bool {
    let joins = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + phrase.len()..]);
        let begins = !phrase.starts_with(char::is_alphanumeric) || !joins(before.chars().next_back());
        let ends = !phrase.ends_with(char::is_alphanumeric) || !joins(after.chars().next());
        begins && ends
    })
}

/// A lock file that names where packages were fetched from only works where it was made.
fn addresses(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("package-lock.json")) {
        let lines = file.text.lines().enumerate().filter(|(_, line)| line.contains("\"resolved\": \"http"));
        let advice = "a download address: npm's omit-lockfile-registry-resolved leaves it out";
        violations.extend(lines.map(|(at, _)| Violation::new(file, at + 1, advice)));
    }
    violations
}

/// Returns whether a line is a comment and nothing else.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") || line.starts_with("* ")
}

/// Formatters wrap code and leave comments alone.
fn wide_comments(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let is_ours = |file: &&File| FORMATTED.iter().any(|ending| file.path.ends_with(ending)) && file.path != CONTRACT;
    for file in files.iter().filter(is_ours) {
        let wide = |(_, line): &(usize, &str)| is_comment(line) && line.chars().count() > WIDEST_COMMENT;
        let lines = file.text.lines().enumerate().filter(wide);
        violations
            .extend(lines.map(|(at, _)| Violation::new(file, at + 1, format!("is over {WIDEST_COMMENT} columns"))));
    }
    violations
}

/// A file that is named in a comment or a document can be found there.
fn missing_files(files: &[File]) -> Vec<Violation> {
    let exists = |name: &str| files.iter().any(|file| file.path == name);
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| !file.path.ends_with("package-lock.json")) {
        let is_document = file.path.ends_with(".md");
        for (at, line) in file.text.lines().enumerate().filter(|(_, line)| is_document || is_comment(line)) {
            let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "_./-".contains(c)));
            let names = words.map(|word| word.trim_end_matches('.'));
            let missing = names.filter(|name| is_source_path(name) && !exists(name));
            violations.extend(missing.map(|name| Violation::new(file, at + 1, format!("`{name}` does not exist"))));
        }
    }
    violations
}

/// Returns whether a word is the path of a source or a document of this repository, from its top.
fn is_source_path(word: &str) -> bool {
    let is_below = FOLDERS.iter().any(|folder| word.starts_with(folder));
    is_below && [".rs", ".ts", ".mjs", ".md"].iter().any(|ending| word.ends_with(ending))
}

#[test]
fn comments_fit() {
    expect_none("a comment is wider than code may be", &wide_comments(&files()));
}

#[test]
fn a_wide_comment_is_found() {
    let wide = "x".repeat(WIDEST_COMMENT);
    let text = format!("// {wide}\n/// short\nlet text = \"{wide}\";\n    /// {wide}\n * {wide}\n");
    expect_lines(&wide_comments(&[File::example("src/a.rs", &text)]), &[1, 4, 5]);
    expect_lines(&wide_comments(&[File::example("docs/A.md", &text)]), &[]);
}

#[test]
fn files_that_are_named_exist() {
    expect_none("a file is named that does not exist", &missing_files(&files()));
}

#[test]
fn a_file_that_does_not_exist_is_found_where_it_is_named() {
    let named = |path: &str, text: &str| missing_files(&[File::example(path, text)]);
    expect_lines(
        &named("src/a.rs", "// See `src/a.rs`.\n// See `src/b.rs`, docs/B.md.\nlet a = \"src/b.rs\";"),
        &[2, 2],
    );
    expect_lines(&named("docs/A.md", "b.rs\nsrc/b.rs\nsrc/b/\n../src/b.rs\n"), &[2]);
}

#[test]
fn sources_tell_no_status() {
    expect_none("status prose in a source", &status(&files()));
}

#[test]
fn nothing_names_a_place_outside_the_repository() {
    expect_none("a place outside the repository is named", &outside(&files()));
}

#[test]
fn lock_files_hold_no_addresses() {
    expect_none("an npm lock file has download addresses", &addresses(&files()));
}

#[test]
fn every_status_word_is_found_as_a_word() {
    for phrase in STATUS {
        let source = format!("fn f() {{}}\n// {phrase}7: x\n");
        let word = format!("a\nb\n// {phrase} x\n// a{phrase}b\n");
        if phrase.ends_with(' ') {
            expect_lines(&status(&[File::example("pkg/src/a.ts", &source)]), &[2]);
        } else {
            expect_lines(&status(&[File::example("src/a.rs", &word)]), &[3]);
            expect_lines(&status(&[File::example("src/a.rs", &source)]), &[]);
        }
        expect_lines(&status(&[File::example("data/a.jsonl", &word)]), &[]);
    }
}

#[test]
fn a_place_outside_is_found_in_any_file() {
    for place in OUTSIDE {
        let text = format!("see {place}/data\n");
        expect_lines(&outside(&[File::example("docs/BENCHMARKS.md", &text)]), &[1]);
    }
}

#[test]
fn a_folder_of_that_name_inside_the_repository_is_no_place_outside() {
    let place = OUTSIDE[0];
    let exact = || File::example("www/src/shared/exact.js", "export {}");
    let check = |path: &str, text: &str| outside(&[exact(), File::example(path, text)]);
    let once = format!("import \"{place}/exact.js\";");
    expect_lines(&check("www/src/ui/a.js", &once), &[]);
    expect_lines(&check("www/src/a.js", &once), &[1]);
    expect_lines(&check("a.js", &once), &[1]);
    let twice = format!("import \"../{place}/exact.js\";");
    expect_lines(&check("www/src/ui/deep/a.js", &twice), &[]);
    expect_lines(&check("www/src/ui/a.js", &twice), &[1]);
    let absolute = format!("{}/data", OUTSIDE[1]);
    expect_lines(&check("www/src/ui/a.js", &absolute), &[1]);
}

#[test]
fn an_address_in_a_lock_file_fails() {
    let lock = |text: &str| addresses(&[File::example("www/package-lock.json", text)]);
    expect_lines(&lock("{\n  \"resolved\": \"https://example.org/a.tgz\"\n}"), &[2]);
    expect_lines(&lock("{\n  \"resolved\": \"../pkg\"\n}"), &[]);
}
