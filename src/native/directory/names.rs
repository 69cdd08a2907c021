//! Keys as names of files.
//!
//! The file of a key is named like the key, with `_` in place of `/`. No key contains `_`, so each key has its own
//! name, and there are no folders.

use crate::format::Key;
use crate::store::{StoreError, is_key};

/// The name of a commit's journal.
pub(super) const JOURNAL: &str = "commit";
/// The prefix of lock file names. No key has it.
pub(in crate::native) const LOCK: &str = "lock.";
/// The last character of the name of a staged file, which is not a value yet.
const STAGED: char = '~';

/// The name of a key's file.
pub(super) fn name_of(key: &str) -> Result<String, StoreError> {
    if is_key(key) {
        Ok(key.chars().map(to_name).collect())
    } else {
        Err(StoreError::failed(format!("{key:?} is no key")))
    }
}

pub(super) fn to_name(character: char) -> char {
    if character == '/' { '_' } else { character }
}

/// Returns the key of a file, or `None` if it is not the file of a value.
pub(super) fn key_of(name: &str) -> Option<String> {
    let key = name.replace('_', "/");
    (is_key(&key) && !name.contains('/')).then_some(key)
}

/// Returns whether this is the name of a value's file.
pub(super) fn is_name(name: &str) -> bool {
    key_of(name).is_some()
}

/// Returns whether this is the name of an index's value, which may be removed without asking. The directory may hold
/// other files too, and `photo-1.jpg` could be a key.
pub(super) fn is_of_index(name: &str) -> bool {
    key_of(name).is_some_and(|key| Key::parse(&key).is_some())
}

/// True for the name of an index's log, whose appends nobody may have waited for.
pub(super) fn is_log(name: &str) -> bool {
    key_of(name).is_some_and(|key| matches!(Key::parse(&key), Some(Key::Log { .. })))
}

/// The name under which a file is written before it gets `name`.
pub(super) fn staged(name: &str) -> String {
    format!("{name}{STAGED}")
}

/// Returns whether this file was staged for a journal or a value of an index.
pub(super) fn is_staged(name: &str) -> bool {
    name.strip_suffix(STAGED).is_some_and(|name| name == JOURNAL || is_of_index(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_name_and_a_name_one_key() {
        for (key, name) in [("manifest", "manifest"), ("segment/0/7", "segment_0_7"), ("a/commit", "a_commit")] {
            assert_eq!(name_of(key).as_deref(), Ok(name));
            assert_eq!(key_of(name).as_deref(), Some(key));
        }
        for other in ["commit", "lock.a.1.2.0badcafe", "a/b", "_a", "a_", "a__b", "a~", "A", ".a", "..", "", "a_.b"] {
            assert_eq!(key_of(other), None, "{other}");
        }
        for other in ["commit", "lock.a", "../a", "a_b", ""] {
            assert!(name_of(other).is_err(), "{other}");
        }
    }
    #[test]
    fn what_only_looks_like_a_value_is_somebody_elses() {
        let values = ["m_00000000000000000001", "log_00000000000000000002", "b_0000000003.0000000000"];
        for name in values {
            assert_eq!(is_log(name), name.starts_with("log"), "{name}");
            assert!(is_of_index(name) && is_staged(&staged(name)) && !is_staged(name), "{name}");
        }
        assert!(is_staged("commit~"));
        for other in ["photo-1.jpg", "main.rs", "m_1", "log_1", "commit", "lock.a.1.2.0badcafe", "draft.txt", "~"] {
            assert!(!is_of_index(other) && !is_staged(other) && !is_staged("draft.txt~"), "{other}");
        }
    }
}
