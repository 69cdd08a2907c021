//! Values that grow where nothing can be appended: what is appended becomes a piece with a name of its own.
//!
//! The value that was put has its key as its name. Its pieces are named `key~0000000000`, `key~0000000001`, ... No key
//! contains `~`, so pieces of different keys never mix, and sorted by name they follow one another with nothing
//! between. A caller's object without `append` must accept the `~`, and names eleven characters longer than a key.

use crate::format::push_digits;
use crate::store::StoreError;
use core::cell::RefCell;

/// Stands between a key and the number of a piece, and sorts after all of its numbers.
pub(super) const MARK: &str = "~";

/// Digits of a piece's number: as many as the largest number has.
const DIGITS: usize = 10;

/// The error for asking for the pieces of a key that was not listed.
const UNLISTED: &str = "a key was not listed";

/// Returns the name of a piece.
pub(super) fn name(key: &str, number: u32) -> String {
    let mut name = [key, MARK].concat();
    push_digits(&mut name, number.into(), DIGITS);
    name
}

/// The keys whose values have pieces. There are few: an index appends only to its log.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Each key with a number above those of all its pieces. Not every number has a piece: a number is used up even if
    /// writing its piece fails, since the piece may exist nevertheless.
    counts: RefCell<Vec<(String, u32)>>,
    /// Prefixes of keys: all pieces of the keys with such a prefix have been noted.
    known: RefCell<Vec<String>>,
}

impl Pieces {
    /// Notes that all names with this prefix have been listed.
    pub(super) fn know(&self, prefix: &str) {
        if !self.knows(prefix) {
            self.known.borrow_mut().push(prefix.to_owned());
        }
    }

    fn knows(&self, key: &str) -> bool {
        self.known.borrow().iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    /// Returns a number above those of all pieces that the key may have, or 0 if it has none. Fails if names with a
    /// prefix of the key were never listed, because the key may then have unknown pieces.
    pub(super) fn count(&self, key: &str) -> Result<u32, StoreError> {
        if !self.knows(key) {
            return Err(StoreError::failed(UNLISTED));
        }
        Ok(self.counts.borrow().iter().find(|(known, _)| known == key).map_or(0, |&(_, count)| count))
    }

    /// Notes that a piece with this number may exist.
    pub(super) fn found(&self, key: &str, number: u32) {
        let mut counts = self.counts.borrow_mut();
        let above = number.saturating_add(1);
        match counts.iter_mut().find(|(known, _)| known == key) {
            Some((_, count)) => *count = above.max(*count),
            None => counts.push((key.to_owned(), above)),
        }
    }

    /// Notes that the pieces of these keys are gone.
    pub(super) fn forget(&self, keys: &[String]) {
        self.counts.borrow_mut().retain(|(known, _)| !keys.contains(known));
    }

    /// Returns the keys that these names belong to, each once. Notes the pieces among them.
    pub(super) fn keys_of(&self, names: Vec<String>) -> Vec<String> {
        let (mut keys, mut appended) = (Vec::new(), Vec::new());
        for name in names {
            match mark_in(&name) {
                None => keys.push(name),
                Some(at) => {
                    let (key, number) = name.split_at(at);
                    self.found(key, number_of(number));
                    if appended.last().is_none_or(|last| last != key) {
                        appended.push(key.to_owned());
                    }
                }
            }
        }
        for key in appended {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }
}

/// Returns where a name has its mark. Searches bytes, because searching text in text takes two kilobytes of code
/// (size).
fn mark_in(name: &str) -> Option<usize> {
    name.bytes().position(|byte| byte == MARK.as_bytes()[0])
}

/// Parses the number after a mark. A name in which anything but digits follows was not written by a store of this kind.
fn number_of(marked: &str) -> u32 {
    let digits = marked.bytes().skip(MARK.len());
    digits.fold(0, |number: u32, digit| number.wrapping_mul(10).wrapping_add(u32::from(digit & 0xf)))
}
