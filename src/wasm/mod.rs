//! The binding to JavaScript: conversions and nothing else, and the stores of this platform. The package's TypeScript
//! facade is its only user.
//!
//! | file          | what                                                                   |
//! |---------------|------------------------------------------------------------------------|
//! | `raw_index`   | the exported class: making, inserting, reading, deleting               |
//! | `raw_search`  | its search, and reading hits                                           |
//! | `raw_store`   | its store: opening, committing, checkpoints                            |
//! | `raw_maintain`| its compaction, statistics, check and bytes                            |
//! | `options`     | options objects -> `Config`, every value checked                       |
//! | `values`      | ids, vectors, payloads                                                 |
//! | `error`       | `Error` -> a JavaScript error; what JavaScript throws -> `StoreError`  |
//! | `bytes`       | typed arrays as places for an index's bytes, and for a store's         |
//! | `clock`       | `performance.now`                                                      |
//! | `reports`     | reports -> plain objects                                               |
//! | `any_store`   | the stores of this platform as one type                                |
//! | `indexed_db`  | what is asked of IndexedDB                                             |
//! | `js_store`    | what is asked of an object of the caller's                             |
//! | `asked`       | waiting for either                                                     |
//! | `object`      | properties of objects, and what a store answers, checked               |
//! | `pieces`      | values that grow where nothing can be appended                         |
#![allow(unsafe_code, reason = "the code that wasm-bindgen generates; a test sees to it that none is written here")]

mod any_store;
mod asked;
mod bytes;
mod clock;
mod error;
mod indexed_db;
mod js_store;
mod object;
mod options;
mod pieces;
mod raw_index;
mod raw_maintain;
mod raw_search;
mod raw_store;
mod reports;
mod values;

pub use any_store::AnyStore;
