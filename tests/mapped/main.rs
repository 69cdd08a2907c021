//! Exports that are read in place: the same index as a decoded one, whatever is done to it, and no bytes make it panic
//! or loop.
//!
//! | file | what is proved |
//! |---|---|
//! | `same.rs` | every call, and sequences of calls, compared with an import of the same bytes |
//! | `file.rs` | a mapped file: not written to, locked, opened without being read |
//! | `compact.rs` | compactions copy what they move |
//! | `stored.rs` | an index put into a store, without its records in memory |
//! | `hostile.rs` | bytes that were changed after they were written |
//! | `support.rs` | indexes to export, and aligned memory for their bytes |
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod compact;
mod file;
mod hostile;
#[path = "../support/random.rs"]
mod random;
mod same;
mod stored;
mod support;
