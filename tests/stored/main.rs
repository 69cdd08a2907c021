//! Indexes that are kept in a store, from outside: what is acknowledged is kept, whatever fails, and what is damaged is said.
//!
//! | file | what is proved |
//! |---|---|
//! | `simulation.rs` | sequences of calls from a seed, each with every call of the store failing in every way |
//! | `run.rs`, `model.rs` | one such sequence, and what the index must hold after it |
//! | `kill.rs` | a process that is killed at random moments loses nothing that it was told is kept |
//! | `damage.rs` | each stored value in turn missing, cut or changed; manifests with impossible contents under right checksums |
//! | `product.rs` | product codes before, while and after they are trained |
//! | `proof.rs` | links that are wrong under right checksums: searched, and never built upon |
//! | `budget.rs` | under a budget no more is held than it says, after each call |
//! | `cold.rs` | records in the store only: found, read at once, given up, written anew |
//! | `erase.rs` | no byte of a deleted record is left in a store; what compaction says that it has freed there |
//! | `compression.rs` | blocks compressed as pays best, and read as what they were |
//! | `costs.rs` | what is written for a change, and that nothing is left behind |
//! | `modes.rs` | options of an index that is there; reading only; every kind of record |
//! | `pending.rs` | records that were found in logs and are not linked yet: searched, changed, linked in any order of events |
//! | `many.rs` | many records in one call: found again whole or not at all |
//! | `regressions.rs` | each defect that was found, by itself |
//! | `same_bytes.rs` | an index that was opened again at any moments is the one that never was |
//! | `handed_on.rs` | one index that is changed natively, in Node and in a browser in turn; `cargo xtask test` calls them |
//! | `fixture.rs` | the frozen place of format 1, and that it is still written byte for byte |
//! | `layout.rs` | a second reader of manifests and keys, from docs/FORMAT.md |
//! | `support.rs` | vectors from a seed, stores that wait and count |
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod budget;
mod cold;
mod compression;
mod costs;
mod damage;
mod erase;
mod fixture;
#[path = "../support/fixture.rs"]
#[allow(dead_code)]
mod frozen;
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
mod simulation;
mod support;
#[path = "../support/watched.rs"]
#[allow(dead_code)]
mod watched;
