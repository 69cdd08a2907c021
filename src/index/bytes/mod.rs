//! An index as bytes, and back: the portable format of docs/FORMAT.md.
//!
//! | file        | what                                                  |
//! |-------------|-------------------------------------------------------|
//! | `encode`    | a segment of slots -> its stored arrays               |
//! | `decode`    | stored arrays -> slots, every number checked          |
//! | `carry`     | index -> another instance of the program, in parts    |
//! | `export`    | index -> bytes                                        |
//! | `exporting` | export while records are read from the store          |
//! | `import`    | bytes -> index                                        |
//! | `map`       | an export that is used in place                       |

#[cfg(any(test, target_arch = "wasm32"))]
pub(crate) mod carry;
pub(super) mod decode;
pub(super) mod encode;
mod export;
mod exporting;
mod import;
#[cfg(feature = "mmap")]
mod map;
