//! The paths that a source names, such as `crate::graph::Links`: in `use` trees, expressions and types. `self` and
//! `super` are resolved, so that no spelling of a path escapes a rule.

use super::lexer::{Token, tokens};

/// A path as a list of names. It begins with `crate` if it leads into this crate by an absolute or relative path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) names: Vec<String>,
    pub(crate) line: usize,
}

impl NamedPath {
    /// Returns whether the path begins with these names.
    pub(crate) fn starts_with(&self, names: &[&str]) -> bool {
        self.names.len() >= names.len() && self.names.iter().zip(names).all(|(own, wanted)| own == wanted)
    }
}

/// Returns the module of a file below `src/`: `src/graph/search.rs` is `graph`, `search`.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut names: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib")) {
        names.pop();
    }
    names
}

/// Every path of two names or more, and every name imported by `use`, in a file of this module.
pub(crate) fn paths(source: &str, module: &[String]) -> Vec<NamedPath> {
    let mut reader = Reader { tokens: tokens(source), module: module.to_vec(), inline: Vec::new(), found: Vec::new() };
    reader.read();
    reader.found
}

struct Reader {
    tokens: Vec<Token>,
    module: Vec<String>,
    /// For each open inline module, the depth of braces outside it; each has an entry in `module`.
    inline: Vec<usize>,
    found: Vec<NamedPath>,
}

impl Reader {
    fn read(&mut self) {
        let (mut at, mut depth) = (0, 0);
        while at < self.tokens.len() {
            match self.word(at) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if self.inline.last() == Some(&depth) {
                        self.inline.pop();
                        self.module.pop();
                    }
                }
                "mod" if self.word(at + 2) == "{" => {
                    self.module.push(self.word(at + 1).to_owned());
                    self.inline.push(depth);
                }
                "use" => {
                    at = self.tree(at + 1, &[]);
                    continue;
                }
                word if is_name(word) && self.word(at + 1) == "::" => {
                    at = self.tree(at, &[]);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Reads a path or a tree of paths after `prefix`. Returns where to continue reading.
    fn tree(&mut self, mut at: usize, prefix: &[String]) -> usize {
        let mut names = prefix.to_vec();
        if self.word(at) == "::" {
            at += 1;
        }
        let line = self.tokens.get(at).map_or(0, |token| token.line);
        while is_name(self.word(at)) {
            names.push(self.word(at).to_owned());
            at += 1;
            if self.word(at) != "::" {
                return self.end(at, names, line);
            }
            at += 1;
        }
        match self.word(at) {
            "*" => self.end(at + 1, names, line),
            "{" => self.branches(at + 1, &names),
            _ => self.end(at, names, line),
        }
    }

    fn branches(&mut self, mut at: usize, names: &[String]) -> usize {
        while at < self.tokens.len() && self.word(at) != "}" {
            let next = self.tree(at, names);
            at = next.max(at + 1);
            if self.word(at) == "," {
                at += 1;
            }
        }
        at + 1
    }

    /// Keeps a path, and skips a new name given to it.
    fn end(&mut self, at: usize, names: Vec<String>, line: usize) -> usize {
        if let Some(names) = self.resolve(names) {
            self.found.push(NamedPath { names, line });
        }
        if self.word(at) == "as" { at + 2 } else { at }
    }

    fn resolve(&self, names: Vec<String>) -> Option<Vec<String>> {
        let relative = match names.first()?.as_str() {
            "self" => 0,
            "super" => names.iter().take_while(|name| *name == "super").count(),
            _ => return Some(names),
        };
        let kept = self.module.len().checked_sub(relative)?;
        let skipped = relative.max(1);
        let absolute = std::iter::once("crate".to_owned()).chain(self.module[..kept].iter().cloned());
        Some(absolute.chain(names[skipped..].iter().cloned()).collect())
    }

    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

#[cfg(test)]
mod tests {
    use super::{module_of, paths};

    fn found(path: &str, source: &str) -> Vec<String> {
        paths(source, &module_of(path)).into_iter().map(|path| path.names.join("::")).collect()
    }

    #[test]
    fn a_tree_of_imports_is_spelled_out() {
        let source = "use crate::{graph::{self, Links}, ids, store::*};\nuse std::fs as files;";
        let expected = ["crate::graph::self", "crate::graph::Links", "crate::ids", "crate::store", "std::fs"];
        assert_eq!(found("src/arena/warm.rs", source), expected);
    }

    #[test]
    fn relative_paths_are_resolved_even_inside_inline_modules() {
        assert_eq!(found("src/graph/search.rs", "use super::super::index::Index;"), ["crate::index::Index"]);
        assert_eq!(found("src/types.rs", "fn f() { super::index::g() }"), ["crate::index::g"]);
        let inline = "mod tests { use super::*; mod deep { use super::super::super::ids; } } use self::a::b;";
        assert_eq!(found("src/graph/mod.rs", inline), ["crate::graph", "crate::ids", "crate::graph::a::b"]);
    }

    #[test]
    fn paths_in_types_and_expressions_are_found() {
        let source = "fn f(x: Vec<crate::ids::Ids>) -> u32 { x.iter().map(crate::index::go::<u32>) }";
        assert_eq!(found("src/rerank.rs", source), ["crate::ids::Ids", "crate::index::go"]);
    }

    #[test]
    fn a_file_is_the_module_of_its_name_and_mod_rs_is_its_folder() {
        assert_eq!(module_of("src/graph/search.rs"), ["graph", "search"]);
        assert_eq!(module_of("src/graph/mod.rs"), ["graph"]);
        assert_eq!(module_of("src/types.rs"), ["types"]);
        assert!(module_of("src/lib.rs").is_empty());
    }
}
