//! Stores from outside: one contract for all of them, and what only a directory can get wrong.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod fault;
mod kill;
mod lock;
mod model;
mod support;
