//! The binding to JavaScript: conversions and nothing else, and the stores of this platform. The package's TypeScript
//! facade is its only user.
//!
//! | file          | what                                                                   |
//! |---------------|------------------------------------------------------------------------|
//! | `raw_index`   | the exported class: making, inserting, reading, deleting               |
//! | `raw_search`  | its search, and reading hits                                           |
//! | `raw_maintain`| its compaction, statistics, check and bytes                            |
//! | `options`     | options objects -> `Config`, every value checked                       |
//! | `values`      | ids, vectors, payloads                                                 |
//! | `error`       | `Error` -> a JavaScript error with a code; what is thrown -> `StoreError` |
//! | `bytes`       | typed arrays as places for an index's bytes, and for a store's         |
//! | `clock`       | `performance.now`                                                      |
//! | `reports`     | reports -> plain objects                                               |
//! | `indexed_db`  | a store: IndexedDB; in its folder, awaiting what that asks of it       |
//! | `js_store`    | a store: an object of the caller's; in its folder, names for pieces    |
//! | `pieces`      | values that grow where nothing can be appended                         |
//! | `any_store`   | these stores as one type                                               |
#![allow(unsafe_code, reason = "the code that wasm-bindgen generates; a test sees to it that none is written here")]

mod any_store;
mod bytes;
mod clock;
mod error;
mod indexed_db;
mod js_store;
mod options;
mod pieces;
mod raw_index;
mod raw_maintain;
mod raw_search;
mod reports;
mod values;

pub use any_store::AnyStore;
pub use indexed_db::{Durability, IndexedDb, Mode};
pub use js_store::JsStore;
