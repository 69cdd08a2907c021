//! The binding to JavaScript: nothing but conversions and the stores of this platform. The package's TypeScript facade
//! is its only user.
//!
//! | file          | what                                                                   |
//! |---------------|------------------------------------------------------------------------|
//! | `raw_index`   | the exported class: making, inserting, reading, deleting               |
//! | `raw_search`  | its search, and reading hits                                           |
//! | `raw_bulk`    | the bulk build of its graph                                            |
//! | `raw_many`    | many records or queries in one call, on several threads                |
//! | `raw_pack`    | putting it in graph order                                              |
//! | `raw_carry`   | carrying it into another instance                                      |
//! | `threads`     | the threads of a shared memory                                         |
//! | `raw_store`   | its store: opening, committing, checkpoints                            |
//! | `raw_maintain`| its compaction, statistics, check and bytes                            |
//! | `options`     | options objects -> `Config`, every value checked                       |
//! | `values`      | ids, vectors, payloads                                                 |
//! | `error`       | `Error` -> a JavaScript error; what JavaScript throws -> `StoreError`  |
//! | `bytes`       | typed arrays for the bytes of an index and of a store                  |
//! | `clock`       | `performance.now`                                                      |
//! | `reports`     | reports -> plain objects                                               |
//! | `any_store`   | the stores of this platform as one type                                |
//! | `indexed_db`  | calls to IndexedDB                                                     |
//! | `js_store`    | calls to a store object of the caller                                  |
//! | `asked`       | awaiting the answer of either                                          |
//! | `object`      | checked access to properties of objects and to a store's answers       |
//! | `outgoing`    | copies of bytes for either                                             |
//! | `pieces`      | values that grow where nothing can be appended                         |
//!
//! Where threads share the memory (the target feature `atomics`) there are no stores: browsers take no bytes from it.
#![allow(unsafe_code, reason = "the code that wasm-bindgen generates; a test sees to it that none is written here")]

#[cfg(not(target_feature = "atomics"))]
mod any_store;
#[cfg(not(target_feature = "atomics"))]
mod asked;
mod bytes;
mod clock;
mod error;
#[cfg(not(target_feature = "atomics"))]
mod indexed_db;
#[cfg(not(target_feature = "atomics"))]
mod js_store;
mod object;
mod options;
#[cfg(not(target_feature = "atomics"))]
mod outgoing;
#[cfg(not(target_feature = "atomics"))]
mod pieces;
#[cfg(not(feature = "rayon"))]
mod raw_bulk;
mod raw_carry;
mod raw_index;
mod raw_maintain;
#[cfg(feature = "rayon")]
mod raw_many;
mod raw_pack;
mod raw_search;
#[cfg(not(target_feature = "atomics"))]
mod raw_store;
mod reports;
#[cfg(feature = "rayon")]
mod threads;
mod values;

#[cfg(not(target_feature = "atomics"))]
pub use any_store::AnyStore;
