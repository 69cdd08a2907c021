//! What can go wrong, as a value: what was expected and what was received.

use crate::arena::ReadPlan;
use crate::format::FormatError;
use crate::ids::LookupError;
use crate::quantize::TRAINING_VECTORS;
use crate::types::{Id, OutOfMemory, Quoted, UnknownName};
use core::fmt;

/// The text of [`Error::OutOfMemory`].
pub(crate) const OUT_OF_MEMORY: &str = "out of memory";

/// Why a call was refused. The index is unchanged, unless the documentation of the call says otherwise. A call that
/// takes the index by value drops it.
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
    /// An id is neither a whole number from 0 to 2^53 - 1 nor a string of 1 to 4096 bytes, or a record without an id
    /// was inserted after the largest number had been used.
    InvalidId {
        /// What was received.
        received: String,
    },
    /// A record with this id is already live. `upsert` replaces it.
    DuplicateId {
        /// The id.
        id: Id,
    },
    /// An option is out of range, of another type, or not available.
    InvalidOption {
        /// The option's name, as in the JavaScript interface.
        option: &'static str,
        /// What the option may be.
        expected: String,
        /// What was received.
        received: String,
    },
    /// Bytes are not an index, are cut short, or differ from what was written.
    Corrupt {
        /// Which part is wrong, and how.
        what: String,
    },
    /// Bytes were written by a later version of the format.
    UnsupportedVersion {
        /// The version that the bytes name.
        found: u32,
        /// The latest version that can be read.
        supported: u32,
    },
    /// The allocator refused memory.
    OutOfMemory,
    /// [`Config::max_bytes`](crate::Config::max_bytes) leaves no room. The code is that of [`Error::OutOfMemory`].
    OverBudget,
    /// Reading from or writing to a store or a file failed.
    StoreFailed {
        /// What failed, in words.
        why: String,
    },
    /// There is no room left in the store.
    QuotaExceeded,
    /// The index is open for reading only.
    ReadOnly,
    /// The store is open for writing elsewhere, or a file to be mapped is locked.
    Locked {
        /// The other owner, as far as it is known.
        by: String,
    },
    /// There is no such index.
    NotFound {
        /// What is missing.
        what: String,
    },
    /// The store to put an index into already has one.
    // In JavaScript the name of the place is an option like any other.
    #[cfg(not(target_arch = "wasm32"))]
    AlreadyExists,
    /// The call needs records that are only in the store. The calls of [`StoredIndex`](crate::StoredIndex) read them.
    Cold(ReadPlan),
    /// The call needs the whole graph, but records wait to be linked into it, or its links are not proven yet:
    /// [`Index::link_step`](crate::Index::link_step) does both.
    Unlinked,
    /// Product codes are not trained yet. [`Index::link_step`](crate::Index::link_step) trains them once there are
    /// 1,024 records, and each insert trains them a little.
    Untrained {
        /// How many records there are.
        records: usize,
    },
    /// The index is in the middle of another call, for example when a filter calls back into it.
    Busy,
    /// The index has been closed, by `SharedIndex::close`.
    // In JavaScript the facade keeps closed indexes from the core.
    #[cfg(not(target_arch = "wasm32"))]
    Closed,
    /// One query of a call with many queries is refused. [`Error::code`] gives the code of the inner error.
    #[cfg(not(target_arch = "wasm32"))]
    InQuery {
        /// The position of the query in the call, from 0.
        at: usize,
        /// Why the query is refused.
        error: Box<Error>,
    },
    /// One record of a call with many records is refused. [`Error::code`] gives the code of the inner error.
    // Not in WebAssembly: there the code that reads the rows names the refused row (size).
    #[cfg(not(target_arch = "wasm32"))]
    InRecord {
        /// The position of the record in the call, from 0.
        at: usize,
        /// Why the record is refused.
        error: Box<Error>,
    },
}

impl Error {
    /// The stable code, as in the JavaScript interface. `COLD` and `UNLINKED` exist only in Rust: in JavaScript each
    /// call reads the records that it needs, and links.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DimensionMismatch { .. } => "DIMENSION_MISMATCH",
            Self::InvalidVector { .. } => "INVALID_VECTOR",
            Self::InvalidId { .. } => "INVALID_ID",
            Self::DuplicateId { .. } => "DUPLICATE_ID",
            Self::InvalidOption { .. } => "INVALID_OPTION",
            Self::Corrupt { .. } => "CORRUPT",
            Self::UnsupportedVersion { .. } => "UNSUPPORTED_VERSION",
            Self::OutOfMemory | Self::OverBudget => "OUT_OF_MEMORY",
            Self::StoreFailed { .. } => "STORE_FAILED",
            #[cfg(target_arch = "wasm32")]
            Self::Cold(_) | Self::Unlinked => "STORE_FAILED",
            #[cfg(not(target_arch = "wasm32"))]
            Self::Cold(_) => "COLD",
            #[cfg(not(target_arch = "wasm32"))]
            Self::Unlinked => "UNLINKED",
            #[cfg(not(target_arch = "wasm32"))]
            Self::AlreadyExists => "INVALID_OPTION",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::ReadOnly => "READ_ONLY",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Untrained { .. } => "UNTRAINED",
            Self::Busy | Self::Locked { .. } => "LOCKED",
            #[cfg(not(target_arch = "wasm32"))]
            Self::Closed => "CLOSED",
            #[cfg(not(target_arch = "wasm32"))]
            Self::InQuery { error, .. } | Self::InRecord { error, .. } => error.code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DimensionMismatch { expected, received } => {
                write!(f, "expected {expected} dimensions, received {received}")
            }
            Self::InvalidVector { reason } => write!(f, "invalid vector: {reason}"),
            Self::InvalidId { received } => {
                write!(
                    f,
                    "expected a whole number from 0 to 2^53 - 1 or a string of 1 to 4096 bytes as id, received {received}"
                )
            }
            Self::DuplicateId { id } => write!(f, "id {} is already in the index; upsert replaces", Quoted(id)),
            Self::InvalidOption { option, expected, received } => {
                write!(f, "{option}: expected {expected}, received {received}")
            }
            Self::Corrupt { what } => write!(f, "corrupt index: {what}"),
            Self::UnsupportedVersion { found, supported } => {
                write!(f, "format version {found}, of which this package reads up to {supported}")
            }
            Self::OutOfMemory => f.write_str(OUT_OF_MEMORY),
            Self::OverBudget => f.write_str("maxBytes leaves no room: delete records and compact, or raise it"),
            Self::StoreFailed { why } => write!(f, "the store failed: {why}"),
            Self::QuotaExceeded => {
                f.write_str("the store has no room left; the index takes no changes until it is opened again")
            }
            Self::ReadOnly => f.write_str("the index is open for reading only"),
            Self::Locked { by } => write!(f, "open for writing elsewhere: {by}"),
            Self::NotFound { what } => f.write_str(what),
            #[cfg(not(target_arch = "wasm32"))]
            Self::AlreadyExists => f.write_str("there is an index in this place already"),
            Self::Cold(_) => f.write_str("records are to be read first"),
            Self::Unlinked => f.write_str("records are to be linked first"),
            Self::Untrained { records } => write!(
                f,
                "product codes are trained on {TRAINING_VECTORS} records, and then it can be searched; there are {records}"
            ),
            Self::Busy => f.write_str("the index is in the middle of another call"),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Closed => f.write_str("the index is closed"),
            #[cfg(not(target_arch = "wasm32"))]
            Self::InQuery { at, error } => write!(f, "query {at}: {error}"),
            #[cfg(not(target_arch = "wasm32"))]
            Self::InRecord { at, error } => write!(f, "record {at}: {error}"),
        }
    }
}

impl core::error::Error for Error {
    #[cfg(not(target_arch = "wasm32"))]
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::InQuery { error, .. } | Self::InRecord { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<OutOfMemory> for Error {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl From<UnknownName> for Error {
    fn from(UnknownName { option, expected, received }: UnknownName) -> Self {
        Self::InvalidOption { option, expected: format!("one of {expected}"), received }
    }
}

impl From<LookupError> for Error {
    #[cold]
    #[inline(never)]
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::OutOfMemory => Self::OutOfMemory,
            LookupError::Twice(slot) => Self::Corrupt { what: format!("the id of slot {} is another's too", slot.0) },
        }
    }
}

impl From<FormatError> for Error {
    #[cold]
    #[inline(never)]
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
