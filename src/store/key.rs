//! Which strings are keys.

/// The longest key.
const LONGEST: usize = 64;

/// Returns whether `key` is a key as defined by [`Store`](super::Store).
pub(crate) fn is_key(key: &str) -> bool {
    let reserved = key == "commit" || key.starts_with("lock.");
    !reserved && key.len() <= LONGEST && key.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    let legal = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    !part.is_empty() && !part.starts_with('.') && part.bytes().all(legal)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_key() {
        let longest = "k".repeat(LONGEST);
        for key in ["a", "0", "-", "a.", "a.b", "commit/a", "commits", "lock", "locks.a", "a/lock.b", "a/b/c", &longest]
        {
            assert!(is_key(key), "{key}");
        }
        let longer = "k".repeat(LONGEST + 1);
        let others =
            ["", "/", "a/", "/a", "a//b", ".a", "a/.b", "..", "../a", "A", "a_b", "a~", "a b", "é", "a\\b", "a\0"];
        for other in others.into_iter().chain(["commit", "lock.", "lock.a", &longer]) {
            assert!(!is_key(other), "{other}");
        }
    }
}
