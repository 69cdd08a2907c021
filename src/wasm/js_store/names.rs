//! The keys under which an object without `append` keeps the pieces of a value.
//!
//! | in the object | is                                                                             |
//! |---------------|--------------------------------------------------------------------------------|
//! | `key`         | the value that was put                                                         |
//! | `key.p0`, ... | the pieces that were appended after it                                         |
//!
//! A key that itself ends in `.`, one `p` or more, and digits has one more `p` in the object: `a.p0` is `a.pp0` there. So
//! no key is another's piece, and the names are of the characters of keys. A name is longer than 64 of them only where a
//! key of more than 55 is appended to.

/// The name of a key's value.
pub(super) fn of_value(key: &str) -> String {
    match ending(key) {
        Some((head, digits)) => [head, "p", digits].concat(),
        None => key.to_owned(),
    }
}

/// The name of a key's piece.
pub(super) fn of_piece(key: &str, number: u32) -> String {
    [&of_value(key), ".p", &number.to_string()].concat()
}

/// The key that a name belongs to, and the number of the piece if it is one's.
pub(super) fn parse(name: &str) -> (String, Option<u32>) {
    let Some((head, digits)) = ending(name).and_then(|(head, digits)| Some((head.strip_suffix('p')?, digits))) else {
        return (name.to_owned(), None);
    };
    match (head.strip_suffix('.'), digits.parse()) {
        (Some(of), Ok(number)) => (parse(of).0, Some(number)),
        _ => ([head, digits].concat(), None),
    }
}

/// Splits a text that ends in `.`, one `p` or more, and digits before the digits.
fn ending(text: &str) -> Option<(&str, &str)> {
    let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_marked = head.len() < text.len() && head.ends_with('p') && head.trim_end_matches('p').ends_with('.');
    is_marked.then(|| text.split_at(head.len()))
}
