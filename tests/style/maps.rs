//! The table at the top of a folder's `mod.rs` names every file of the folder.

use super::lexer::tokens;
use super::project::{File, Violation, expect_lines, expect_none, files};

/// Returns the modules that `mod.rs` files of `src/` declare, except tests, and that no line of their table names.
fn unnamed(files: &[File]) -> Vec<Violation> {
    let is_map =
        |file: &&File| file.is_in(&["src/"]) && file.path.ends_with("/mod.rs") && !file.path.contains("/tests/");
    let mut violations = Vec::new();
    for file in files.iter().filter(is_map) {
        let tokens = tokens(&file.text);
        for part in tokens.windows(3).filter(|part| part[0].text == "mod" && part[2].text == ";") {
            let name = part[1].text.as_str();
            if name != "tests" && !file.text.lines().any(|line| is_row_of(line, name)) {
                violations.push(Violation::new(file, part[0].line, format!("the table does not say what `{name}` is")));
            }
        }
    }
    violations
}

/// A row is `//! | names | what |`, with each name in backticks: a file with or without `.rs`, a folder with `/`.
fn is_row_of(line: &str, name: &str) -> bool {
    let cell = line.strip_prefix("//! |").and_then(|row| row.split('|').next()).unwrap_or("");
    let mut named = cell.split('`').skip(1).step_by(2);
    named.any(|named| [".rs", "/", "/mod", ""].iter().any(|ending| named.strip_suffix(ending) == Some(name)))
}

#[test]
fn every_file_of_a_folder_is_in_its_table() {
    expect_none("a mod.rs leaves files out of its table", &unnamed(&files()));
}

#[test]
fn a_module_without_a_row_fails() {
    let source = "//! Of `d` only this says something.\n//! | file | what |\n//! |---|---|\n//! | `a.rs`, `b/` | x `d` |\n\
                  //! | `c` | y |\nmod a;\nmod b;\npub(crate) mod c;\n#[cfg(unix)]\nmod d;\nmod tests;\nmod e { }\n";
    expect_lines(&unnamed(&[File::example("src/graph/mod.rs", source)]), &[10]);
    for elsewhere in ["src/graph.rs", "src/graph/tests/mod.rs", "tests/a/mod.rs"] {
        expect_lines(&unnamed(&[File::example(elsewhere, source)]), &[]);
    }
}
