//! The binding to JavaScript: conversions and nothing else. The package's TypeScript facade is its only user.
//!
//! | file          | what                                                                   |
//! |---------------|------------------------------------------------------------------------|
//! | `raw_index`   | the exported class: making, inserting, reading, deleting               |
//! | `raw_search`  | its search, and reading hits                                           |
//! | `raw_maintain`| its compaction, statistics, check and bytes                            |
//! | `options`     | options objects -> `Config`, every value checked                       |
//! | `values`      | ids, vectors, payloads                                                 |
//! | `error`       | `Error` -> a JavaScript error with a code                              |
//! | `bytes`       | typed arrays as places for an index's bytes                            |
//! | `clock`       | `performance.now`                                                      |
//! | `reports`     | reports -> plain objects                                               |
#![allow(unsafe_code, reason = "the code that wasm-bindgen generates; a test sees to it that none is written here")]

mod bytes;
mod clock;
mod error;
mod options;
mod raw_index;
mod raw_maintain;
mod raw_search;
mod reports;
mod values;
