//! What can go wrong, as a value: what was expected and what came.

use crate::arena::ReadPlan;
use crate::format::FormatError;
use crate::ids::LookupError;
use crate::quantize::TRAINING_VECTORS;
use crate::types::{Id, OutOfMemory};
use core::fmt;

/// [`Error::OutOfMemory`] in words.
pub(crate) const OUT_OF_MEMORY: &str = "out of memory; the index is unchanged";

/// Why a call was refused. Whatever the reason, the index is as it was before the call, or dropped by one that takes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A vector has the wrong number of components.
    DimensionMismatch {
        /// The dimensions of the index.
        expected: usize,
        /// The length of the vector.
        received: usize,
    },
    /// A vector cannot be indexed: a component is not finite, or its length is out of range (all zero under cosine).
    InvalidVector {
        /// What is wrong with it, and where.
        reason: String,
    },
    /// An id is not one: not a whole number from 0 to 2^53 - 1, nor a string of 1 to 4096 bytes.
    InvalidId {
        /// What came.
        received: String,
    },
    /// An id is already live. `upsert` replaces.
    DuplicateId {
        /// The id.
        id: Id,
    },
    /// An option is out of range, of another type, or not available.
    InvalidOption {
        /// Its name, as in the JavaScript interface.
        option: &'static str,
        /// What it may be.
        expected: String,
        /// What came.
        received: String,
    },
    /// Bytes are not an index, are cut short, or are not as they were written.
    Corrupt {
        /// Which part, and how that shows.
        what: String,
    },
    /// Bytes were written by a later version of the format.
    UnsupportedVersion {
        /// The version that the bytes name.
        found: u32,
        /// The latest version that can be read.
        supported: u32,
    },
    /// The allocator refused.
    OutOfMemory,
    /// The place that bytes are read from or written to failed.
    StoreFailed {
        /// What it said.
        why: String,
    },
    /// There is no room left in the store.
    QuotaExceeded,
    /// The index is open for reading only.
    ReadOnly,
    /// Somebody else has the store open for writing.
    Locked {
        /// Who, as far as it is known.
        by: String,
    },
    /// There is no such index.
    NotFound {
        /// What is missing.
        what: String,
    },
    /// The call needs records that are in the store only. [`StoredIndex`](crate::StoredIndex) has calls that read them.
    Cold(ReadPlan),
    /// The call needs the whole graph, and records are not linked into it yet, or it has not been proven to be one:
    /// [`Index::link_step`](crate::Index::link_step).
    Unlinked,
    /// Product codes are to be trained first: as soon as there are 1,024 records, by [`Index::link_step`](crate::Index::link_step),
    /// and a little with each insert.
    Untrained {
        /// How many there are.
        records: usize,
    },
    /// The index is in the middle of another call, as when a filter calls back into it.
    Busy,
    /// Of many records in one call, one is refused. Its code is that of what is wrong with it.
    // JavaScript's rows are named where they are read, and the words would be in every page's download.
    #[cfg(not(target_arch = "wasm32"))]
    InRecord {
        /// Its place among them, from 0.
        at: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
}

impl Error {
    /// The stable code, as in the JavaScript interface.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DimensionMismatch { .. } => "DIMENSION_MISMATCH",
            Self::InvalidVector { .. } => "INVALID_VECTOR",
            Self::InvalidId { .. } => "INVALID_ID",
            Self::DuplicateId { .. } => "DUPLICATE_ID",
            Self::InvalidOption { .. } => "INVALID_OPTION",
            Self::Corrupt { .. } => "CORRUPT",
            Self::UnsupportedVersion { .. } => "UNSUPPORTED_VERSION",
            Self::OutOfMemory => "OUT_OF_MEMORY",
            Self::StoreFailed { .. } | Self::Cold(_) | Self::Unlinked => "STORE_FAILED",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::ReadOnly => "READ_ONLY",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Untrained { .. } => "UNTRAINED",
            Self::Busy | Self::Locked { .. } => "LOCKED",
            #[cfg(not(target_arch = "wasm32"))]
            Self::InRecord { error, .. } => error.code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DimensionMismatch { expected, received } => {
                write!(f, "expected a vector of {expected} components, received {received}")
            }
            Self::InvalidVector { reason } => write!(f, "invalid vector: {reason}"),
            Self::InvalidId { received } => {
                write!(
                    f,
                    "expected a whole number from 0 to 2^53 - 1 or a string of 1 to 4096 bytes as id, received {received}"
                )
            }
            Self::DuplicateId { id } => write!(f, "id {id} is already in the index; upsert replaces"),
            Self::InvalidOption { option, expected, received } => {
                write!(f, "{option}: expected {expected}, received {received}")
            }
            Self::Corrupt { what } => write!(f, "corrupt index: {what}"),
            Self::UnsupportedVersion { found, supported } => {
                write!(f, "format version {found}, of which this package reads up to {supported}")
            }
            Self::OutOfMemory => f.write_str(OUT_OF_MEMORY),
            Self::StoreFailed { why } => write!(f, "the store failed: {why}"),
            Self::QuotaExceeded => {
                f.write_str("the store has no room left; the index takes no changes until it is opened again")
            }
            Self::ReadOnly => f.write_str("the index is open for reading only"),
            Self::Locked { by } => write!(f, "open for writing elsewhere: {by}"),
            Self::NotFound { what } => f.write_str(what),
            Self::Cold(_) => f.write_str("records are to be read from the store first"),
            Self::Unlinked => f.write_str("records are to be linked into the graph first"),
            Self::Untrained { records } => write!(
                f,
                "product codes are trained on {TRAINING_VECTORS} records, and then it can be searched; there are {records}"
            ),
            Self::Busy => f.write_str("the index is in the middle of another call"),
            #[cfg(not(target_arch = "wasm32"))]
            Self::InRecord { at, error } => write!(f, "record {at}: {error}"),
        }
    }
}

impl core::error::Error for Error {
    #[cfg(not(target_arch = "wasm32"))]
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::InRecord { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<OutOfMemory> for Error {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl From<LookupError> for Error {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::OutOfMemory => Self::OutOfMemory,
            LookupError::Twice(slot) => Self::Corrupt { what: format!("the id of slot {} is another's too", slot.0) },
        }
    }
}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::UnsupportedVersion { found } => {
                Self::UnsupportedVersion { found, supported: crate::format::VERSION }
            }
            FormatError::Corrupt { what } => Self::Corrupt { what },
            FormatError::OutOfMemory => Self::OutOfMemory,
            FormatError::Io { why } => Self::StoreFailed { why },
        }
    }
}
