//! Why bytes that claim to be an index could not be read, or bytes could not be written.

use crate::types::OutOfMemory;
use core::fmt::Display;

/// Why bytes could not be read, or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormatError {
    /// They name a later version of the format.
    UnsupportedVersion { found: u32 },
    /// They are not what was written, or are not of this format at all.
    Corrupt { what: String },
    /// The allocator refused.
    OutOfMemory,
    /// Reading them from their place, or writing them to it, failed.
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
