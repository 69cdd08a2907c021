//! Rust source to tokens: words, and signs of one character except `::`. Comments, strings, characters and lifetimes
//! are left out, so that a rule about code is not confused by text.

/// One token and the line it is on, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Returns the tokens of a source, in order.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: source, line: 1, tokens: Vec::new() };
    while lexer.step() {}
    lexer.tokens
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Consumes one item from the front. Returns false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.skip(block_comment(self.rest));
        } else if let Some(length) = raw_string(self.rest) {
            self.skip(length);
        } else if let Some(length) = quoted(self.rest) {
            self.skip(length);
        } else if first == '\'' {
            self.skip(character_or_lifetime(self.rest));
        } else if first.is_alphanumeric() || first == '_' {
            self.take(self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("::") {
            self.take(2);
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else {
            self.take(first.len_utf8());
        }
        true
    }

    fn skip(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }

    fn take(&mut self, length: usize) {
        let text = self.rest[..length].to_owned();
        self.tokens.push(Token { text, line: self.line });
        self.skip(length);
    }
}

/// Returns the length of a block comment, which may contain others.
fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if rest.starts_with("*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Returns the length of `r"..."`, `br#"..."#` and the like, if the text begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let marked = ["r", "br", "cr"].iter().find_map(|mark| text.strip_prefix(mark))?;
    let hashes = marked.bytes().take_while(|&byte| byte == b'#').count();
    let body = marked[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// Returns the length of `"..."`, `b"..."` or `c"..."`, if the text begins with one.
fn quoted(text: &str) -> Option<usize> {
    let body = ["\"", "b\"", "c\""].iter().find_map(|mark| text.strip_prefix(mark))?;
    let mut escaped = false;
    for (at, character) in body.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(text.len() - body.len() + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// Returns the length of `'a'`, `'\n'` or `'lifetime`; the text begins with the quote.
fn character_or_lifetime(text: &str) -> usize {
    let body = &text[1..];
    let Some(first) = body.chars().next() else {
        return 1;
    };
    if first == '\\' {
        let after = body.char_indices().skip(2).find(|(_, character)| *character == '\'');
        return after.map_or(text.len(), |(at, _)| at + 2);
    }
    let closed = body[first.len_utf8()..].starts_with('\'');
    if closed { first.len_utf8() + 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::tokens;

    fn words(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_strings_are_left_out() {
        let source = "a // crate::x\n/* b /* c */ d */ e \"f \\\" g\" r#\"h \" i\"# b\"j\" k";
        assert_eq!(words(source), ["a", "e", "k"]);
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        assert_eq!(words("x('\"', '\\'', '\\u{1}', 'é') y"), ["x", "(", ",", ",", ",", ")", "y"]);
        assert_eq!(words("fn f<'a>(b: &'a str)"), ["fn", "f", "<", "a", ">", "(", "b", ":", "&", "a", "str", ")"]);
    }

    #[test]
    fn lines_are_counted_through_what_is_left_out() {
        let source = "a\n/* \n\n */ b \"\n\" c";
        let lines: Vec<usize> = tokens(source).iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 4, 5]);
    }

    #[test]
    fn a_word_that_begins_like_a_string_is_a_word() {
        assert_eq!(words("return b r#type crate::a"), ["return", "b", "r", "#", "type", "crate", "::", "a"]);
    }
}
