//! How blocks are packed: real blocks are tried with each way there is, and what pays best is kept to.
//!
//! | file | holds |
//! |---|---|
//! | `packing.rs` | the ways to pack, their names and numbers, and which of them pays best |
//! | `sample.rs` | trying them on real blocks, with a clock of the caller's |
//! | `parts.rs` | a block taken apart, so that what is alike lies together, each part packed by itself |
//! | `deflate.rs` | the packed form of RFC 1951, written |
//! | `inflate.rs` | the same, read |
//! | `lz4.rs` | LZ4's blocks, written and read |
//! | `matches.rs` | what occurred before, found |
//! | `huffman.rs` | how long the code of each symbol is, and what it is |
//!
//! The libraries that there are for LZ4 and deflate would be 18 kilobytes of the shipped WebAssembly, where these files are
//! eight, and take their memory without asking. They are what these files are tested against.

mod deflate;
mod huffman;
mod inflate;
mod lz4;
mod matches;
mod packing;
mod parts;
mod sample;

pub(crate) use packing::{Measured, Packing};
pub(super) use parts::unpack;
pub(crate) use parts::{Packer, unpacks_to};
pub(crate) use sample::Sample;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
