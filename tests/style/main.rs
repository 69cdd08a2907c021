//! The project's rules, as tests over the sources themselves.
//!
//! | file | rule |
//! |---|---|
//! | `layers.rs` | imports between modules go down the table of layers only |
//! | `confinement.rs` | which names may appear where: the wasm glue, bincode, clocks and IO, host-endian bytes |
//! | `unsafety.rs` | `unsafe` only in the files that may have it, each time with its argument |
//! | `size.rs` | how long a file may be, and that a folder's `mod.rs` is its map |
//! | `maps.rs` | that the table of a folder's `mod.rs` names every file of the folder |
//! | `data.rs` | files of bytes are where data is |
//! | `prose.rs` | what no source says: status, plans, places outside the repository |
//! | `toolchain.rs` | the tools are one version everywhere, and wasm's dependencies are wasm's only |
//! | `lexer.rs`, `paths.rs`, `project.rs` | how the rules read the sources |
//!
//! A rule is a function from files to violations, so each is also run on small bad examples: a rule that cannot fail
//! is no rule.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod confinement;
mod data;
mod layers;
mod lexer;
mod maps;
mod paths;
mod project;
mod prose;
mod size;
mod toolchain;
mod unsafety;
