//! What can be wrong with bytes that claim to be an index.

use crate::types::OutOfMemory;
use core::fmt::Display;

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
    /// Not inlined, so that the many places that find something corrupt are small.
    #[cold]
    #[inline(never)]
    pub(crate) fn corrupt(what: impl Display) -> Self {
        Self::Corrupt { what: what.to_string() }
    }
}

impl From<OutOfMemory> for FormatError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}
