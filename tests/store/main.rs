//! Stores from outside: one contract for all of them, and what only a directory can get wrong.
//!
//! | file | what is proved |
//! |---|---|
//! | `contract.rs` | every store keeps the contract, and the contract's tests find stores that do not |
//! | `model.rs` | any sequence of calls, compared with a plain map |
//! | `fault.rs` | the store that fails as planned fails exactly so |
//! | `kill.rs` | a killed process leaves all of a commit or nothing |
//! | `lock.rs` | one writer at a time, readers beside it, and owners that have ended |
//! | `support.rs` | places, and helpers for opening and reading them |
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod fault;
mod kill;
mod lock;
mod model;
mod support;
