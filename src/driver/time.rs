//! The time of day, by which records expire.

use crate::index::Index;

/// A function that returns the time of day, in milliseconds since 1970. (Work is timed by a [`Clock`](crate::Clock).)
pub type WallClock = fn() -> f64;

/// Returns the operating system's time. In WebAssembly, which has none, minus infinity, so that nothing expires.
pub(crate) fn system_time_ms() -> f64 {
    #[cfg(target_arch = "wasm32")]
    return f64::NEG_INFINITY;
    #[cfg(not(target_arch = "wasm32"))]
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(f64::NEG_INFINITY, |since| since.as_secs_f64() * 1000.0)
}

/// Returns whether a record has expired and is not deleted yet. Does not ask the clock if no record ever expires.
pub(crate) fn has_expired(index: &Index, now_ms: WallClock) -> bool {
    index.next_expiry_ms().is_some_and(|at_ms| at_ms <= now_ms())
}

/// Deletes the records that have expired.
pub(crate) fn expire(index: &mut Index, now_ms: WallClock) {
    if has_expired(index, now_ms) {
        index.expire(now_ms());
    }
}
