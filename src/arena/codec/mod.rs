//! How blocks are compressed: real blocks are tried with each way there is, and what pays best is kept to.
//!
//! | file | holds |
//! |---|---|
//! | `compression.rs` | the ways to compress, their names and numbers, and which of them pays best |
//! | `sample.rs` | trying them on real blocks, with a clock of the caller's |
//! | `parts.rs` | a block taken apart, so that what is alike lies together, each part compressed by itself |
//! | `deflate.rs` | the compressed form of RFC 1951, written |
//! | `inflate.rs` | the same, read |
//! | `lz4.rs` | LZ4's blocks, written and read |
//! | `matches.rs` | what occurred before, found |
//! | `huffman.rs` | how long the code of each symbol is, and what it is |
//!
//! The libraries that there are for LZ4 and deflate would be 18 kilobytes of the shipped WebAssembly, where these files are
//! eight, and take their memory without asking. They are what these files are tested against.

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
