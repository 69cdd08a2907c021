//! The project's rules, as tests over the sources themselves.
//!
//! | file | rule |
//! |---|---|
//! | `layers.rs` | imports between modules only go down the table of layers |
//! | `confinement.rs` | which names may appear where: the wasm glue, bincode, clocks and IO, host-endian bytes |
//! | `unsafety.rs` | `unsafe` only in the allowed files, each time with an argument for its soundness |
//! | `size.rs` | how long a file may be, and that a folder's `mod.rs` is a map of it |
//! | `maps.rs` | that the table of a folder's `mod.rs` names every file of the folder |
//! | `data.rs` | binary files exist only where data belongs |
//! | `prose.rs` | what no source may say: status, plans, places outside the repository |
//! | `toolchain.rs` | each tool has one version, and wasm's dependencies are for wasm only |
//! | `lexer.rs`, `paths.rs`, `project.rs` | how the rules read the sources |
//!
//! A rule is a function from files to violations, so each is also run on small bad examples: a rule that cannot fail
//! proves nothing.
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
