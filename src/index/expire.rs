//! expire: deletes the records whose time has come.

use super::{Error, Index};

impl Index {
    /// Deletes all records that expire at `now_ms` or earlier, and returns their number. Each costs at most about as
    /// much as a deletion; when none has expired, the call is one comparison.
    ///
    /// The index has no clock of its own. A program that uses an index directly calls this with the time, in
    /// milliseconds since 1970, before reading or changing it; [`StoredIndex`](crate::StoredIndex) and `SharedIndex` do
    /// that themselves. The call is legal for a read-only index too: these deletions are never written to a store,
    /// since each opening finds out by its own clock what has expired.
    pub fn expire(&mut self, now_ms: f64) -> usize {
        let before = self.parts.expiries.len();
        while let Some(slot) = self.parts.expiries.due(now_ms) {
            self.delete_slot(slot);
        }
        let expired = before - self.parts.expiries.len();
        if expired > 0 {
            if let Some(journal) = self.journal_mut() {
                journal.has_expired = true;
            }
            self.make_room();
        }
        expired
    }

    /// Whether records of a stored index have expired since it was opened. No log records that: if the next opening's
    /// clock shows an earlier time, they are live again.
    pub(super) fn has_expired(&self) -> bool {
        self.journal().is_some_and(|journal| journal.has_expired)
    }

    /// When the next record expires, in milliseconds since 1970; `None` when no record expires.
    pub fn next_expiry_ms(&self) -> Option<f64> {
        self.parts.expiries.next().map(|(at_ms, _)| at_ms)
    }
}

/// Refuses an expiry that is not a finite number.
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
