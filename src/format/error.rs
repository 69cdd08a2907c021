//! What can be wrong with bytes that claim to be an index.

use crate::types::OutOfMemory;

/// Why bytes could not be read, or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormatError {
    /// A later version of this package wrote them, or they come from the future for another reason.
    UnsupportedVersion { found: u32 },
    /// They are not what was written, or are not of this format at all.
    Corrupt { what: String },
    /// The allocator refused.
    OutOfMemory,
    /// The place that holds them failed to give or to take them.
    Io { why: String },
}

impl FormatError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}

impl From<OutOfMemory> for FormatError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}
