//! What can go wrong with a medium.

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room left for what was to be written.
    QuotaExceeded,
    /// Somebody else has the place open for writing.
    Locked {
        /// Who, as far as it is known.
        by: String,
    },
    /// The place is open for reading only.
    ReadOnly,
    /// There was no memory for what was to be read or written.
    OutOfMemory,
    /// Anything else, in the platform's words.
    Failed {
        /// What was done when it failed, and why.
        why: String,
    },
}
