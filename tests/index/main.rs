//! The index from outside: what a Rust program can see of it, compared with naive models and exact answers.
//!
//! | file | what is proved |
//! |---|---|
//! | `model.rs` | any sequence of calls, compared with a hash map and brute force |
//! | `churn.rs` | recall and reachability through deletes, inserts and compactions, and edge cases of deletion |
//! | `compaction.rs` | the cases to be expected of compaction, each under its own name |
//! | `slices.rs` | compaction step by step: everything is allowed between steps, and it can be aborted at any |
//! | `memory.rs` | bytes reported are bytes freed; the overhead of a compaction is bounded |
//! | `round_trip.rs` | export and import: the same bytes, the same future |
//! | `damage.rs` | every cut and every flipped bit is refused |
//! | `hostile.rs` | bytes with valid checksums and impossible contents are refused |
//! | `expiry.rs` | records that expire: when they are deleted, and what that leaves |
//! | `fixture.rs` | the frozen file of format 1: its contents, and that it is still written byte for byte |
//! | `insert_many.rs` | many records in one call: on any number of threads, all or none |
//! | `search_many.rs` | many queries in one call: the hits of single searches, on any number of threads |
//! | `product.rs` | product codes: before, during and after training |
//! | `bad_input.rs` | every error: its variant, its message, and that nothing has changed |
//! | `twins.rs` | equal vectors: recall beside and among them |
//! | `search.rs` | real embeddings: recall, filters, tombstones, determinism, threads |
//! | `support.rs`, `forge.rs` | vectors, exact answers, the model; bytes with made-up contents |
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod churn;
mod compaction;
mod damage;
mod expiry;
mod fixture;
mod forge;
#[path = "../support/fixture.rs"]
mod frozen;
mod hostile;
mod insert_many;
mod memory;
mod model;
mod product;
#[path = "../support/random.rs"]
mod random;
mod round_trip;
mod search;
mod search_many;
mod slices;
mod support;
mod twins;
