//! Stored indexes from outside: what is acknowledged is kept, whatever fails, and damage is reported.
//!
//! | file | what is proved |
//! |---|---|
//! | `simulation.rs` | sequences of calls from a seed, each with every call of the store failing in every way |
//! | `script.rs`, `changes.rs` | what happens in such a sequence |
//! | `run.rs`, `model.rs` | one such sequence, and what the index must hold after it |
//! | `kill.rs` | a process killed at random moments loses nothing acknowledged |
//! | `damage.rs` | each stored value in turn missing, cut or changed; impossible manifests under valid checksums |
//! | `product.rs` | product codes before, during and after training |
//! | `proof.rs` | wrong links under valid checksums: searched, but never built upon |
//! | `budget.rs` | after each call, no more memory is held than the budget |
//! | `cold.rs` | records only in the store: found, read at once, evicted, rewritten |
//! | `full.rs` | a store without room for long: memory and names do not grow with each attempt |
//! | `erase.rs` | no byte of a deleted record is left in a store; the bytes that compaction reports as freed there |
//! | `compression.rs` | compressed blocks: the choice of codec, and that they are read back unchanged |
//! | `costs.rs` | what is written for a change, and that nothing is left behind |
//! | `modes.rs` | options for an existing index; reading only; every kind of record |
//! | `pending.rs` | records from logs that are not linked yet: searched, changed, linked in any order |
//! | `many.rs` | many records in one call: all found again, or none; many queries whose records are read together |
//! | `beside.rs` | records cleared, moved or longer, and codes trained, while a checkpoint or an export waits |
//! | `regressions.rs` | a test for each defect found |
//! | `same_bytes.rs` | an index reopened at any moments equals one that never was |
//! | `handed_on.rs` | one index changed natively, in Node and in a browser in turn, by `cargo xtask test` |
//! | `fixture.rs` | the frozen place of format 1, and that it is still written byte for byte |
//! | `layout.rs` | a second reader of manifests and keys, from docs/FORMAT.md |
//! | `support.rs` | vectors from a seed, stores that wait and count |
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod beside;
mod budget;
mod changes;
mod cold;
mod compression;
mod costs;
mod damage;
mod erase;
mod fixture;
#[path = "../support/fixture.rs"]
#[allow(dead_code)]
mod frozen;
mod full;
mod handed_on;
mod kill;
mod layout;
mod many;
mod model;
mod modes;
mod pending;
mod product;
mod proof;
#[path = "../support/random.rs"]
mod random;
mod regressions;
mod run;
mod same_bytes;
mod script;
mod simulation;
mod support;
#[path = "../support/watched.rs"]
#[allow(dead_code)]
mod watched;
