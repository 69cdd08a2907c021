//! How blocks are compressed: each compression is tried on real blocks, and the one that pays best is used.
//!
//! | file | holds |
//! |---|---|
//! | `compression.rs` | the compressions, their names and numbers, and which of them pays best |
//! | `sample.rs` | trying them on real blocks, with the caller's clock |
//! | `parts.rs` | splitting a block into parts of similar bytes, each compressed by itself |
//! | `deflate.rs` | writing the compressed format of RFC 1951 |
//! | `inflate.rs` | reading it |
//! | `lz4.rs` | writing and reading LZ4 blocks |
//! | `matches.rs` | finding earlier occurrences of the same bytes |
//! | `huffman.rs` | the length of each symbol's code, and the code |
//!
//! Libraries for LZ4 and deflate would take 18 kilobytes of the shipped WebAssembly instead of the eight of these
//! files, and cannot report refused memory. The tests compare these files with them.

mod compression;
mod deflate;
mod huffman;
mod inflate;
mod lz4;
mod matches;
mod parts;
mod sample;

pub(crate) use compression::{Compression, Measured};
pub(super) use parts::decompress;
pub(crate) use parts::{Compressor, decompresses_to};
pub(crate) use sample::Sample;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
