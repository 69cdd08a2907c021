//! Exports that are read where they lie: the same index as one that was decoded, whatever is done to it, and no byte that
//! makes it panic or loop.
//!
//! | file | what is proved |
//! |---|---|
//! | `same.rs` | every call, and sequences of calls, beside an import of the same bytes |
//! | `file.rs` | a file in its place: not written to, locked, opened without being read |
//! | `hostile.rs` | bytes that are not as they were written |
//! | `support.rs` | indexes to export, and bytes where they may lie |
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod file;
mod hostile;
#[path = "../support/random.rs"]
mod random;
mod same;
mod support;
