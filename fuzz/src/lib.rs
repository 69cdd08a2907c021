//! Bodies of the fuzz targets, separate from the fuzzer, so that a stable compiler can run them from a seed too.
//!
//! | file | what |
//! |---|---|
//! | `import` | any bytes into `Index::import`, and every verb on whatever comes out |
//! | `operations` | any sequence of calls, compared with a plain map |
//! | `seal` | corrects checksums, so that bytes get past them |
//!
//! A fuzzer: `cargo +nightly fuzz run import`, `cargo +nightly fuzz run operations`, in the repository's root.
//! A smoke run: `cargo test --manifest-path fuzz/Cargo.toml --no-default-features`.
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod import;
pub mod operations;
mod seal;

#[cfg(test)]
mod smoke;
