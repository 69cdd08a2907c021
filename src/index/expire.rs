//! expire: deleting what has had its time.

use super::{Error, Index};

impl Index {
    /// Deletes the records whose moment is `now_ms` or before, all of them, and says how many these were. Each costs at most about as much as
    /// a deletion; when none has expired, this is one comparison.
    ///
    /// The index has no clock of its own. Whoever uses one directly calls this with the time, in milliseconds since 1970, before
    /// reading or changing it; [`StoredIndex`](crate::StoredIndex) and `SharedIndex` do that themselves.
    /// It is legal for an index that is read only, too: nothing of it is told to a store, where whoever opens the index finds by
    /// his own clock what has expired.
    pub fn expire(&mut self, now_ms: f64) -> usize {
        let before = self.parts.expiries.len();
        while let Some(slot) = self.parts.expiries.due(now_ms) {
            self.bury(slot);
        }
        before - self.parts.expiries.len()
    }

    /// When the next record expires, in milliseconds since 1970; none when none does.
    pub fn next_expiry_ms(&self) -> Option<f64> {
        self.parts.expiries.next().map(|(at_ms, _)| at_ms)
    }
}

/// A moment is a finite number.
pub(super) fn check_expiry(expires_ms: Option<f64>) -> Result<(), Error> {
    match expires_ms {
        Some(at_ms) if !at_ms.is_finite() => Err(Error::InvalidOption {
            option: "expiresMs",
            expected: "a finite number of milliseconds since 1970".to_owned(),
            received: if at_ms.is_nan() { "NaN" } else { "an infinite one" }.to_owned(),
        }),
        _ => Ok(()),
    }
}
