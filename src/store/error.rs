//! The errors of a store.

use crate::types::OutOfMemory;
use core::fmt;
use std::collections::TryReserveError;

/// Why a store refused or failed to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room left for what should be written.
    QuotaExceeded,
    /// The place is open for writing elsewhere.
    Locked {
        /// The other owner, as far as known.
        by: String,
    },
    /// The place is to be opened for reading only, and there is nothing there.
    // In JavaScript the facade keeps such places from the core.
    #[cfg(not(target_arch = "wasm32"))]
    NotFound {
        /// What is missing.
        what: String,
    },
    /// The place is open for reading only.
    ReadOnly,
    /// There is not enough memory for what should be read or written.
    OutOfMemory,
    /// Anything else, in the platform's words.
    Failed {
        /// What was being done when it failed, and why.
        why: String,
    },
}

impl StoreError {
    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QuotaExceeded => f.write_str("there is no room left"),
            Self::Locked { by } => write!(f, "open for writing elsewhere: {by}"),
            #[cfg(not(target_arch = "wasm32"))]
            Self::NotFound { what } => f.write_str(what),
            Self::ReadOnly => f.write_str("open for reading only"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Failed { why } => f.write_str(why),
        }
    }
}

impl core::error::Error for StoreError {}

impl From<OutOfMemory> for StoreError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl From<TryReserveError> for StoreError {
    fn from(_: TryReserveError) -> Self {
        Self::OutOfMemory
    }
}
