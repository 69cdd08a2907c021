//! A vector index that lives where its user is: HNSW in WebAssembly and native Rust, with ids that never change and
//! compaction that runs in slices while searches go on.
//!
//! ```
//! use thermocline::{Config, Index, Payload, SearchOptions};
//!
//! let mut index = Index::new(Config::new(3))?;
//! index.insert_with_id("north", &[0.0, 1.0, 0.0], Some(Payload::Json(r#"{"lang":"en"}"#)))?;
//! let id = index.insert(&[1.0, 0.0, 0.1], None)?;
//!
//! let hits = index.search(&[0.9, 0.1, 0.0], SearchOptions::top(1))?;
//! assert_eq!(hits[0].id, id);
//!
//! index.delete(&id)?;
//! let report = index.compact()?;
//! assert_eq!((report.tombstones_removed, report.new_size), (1, 1));
//! assert!(index.check()?.ok);
//! # Ok::<(), thermocline::Error>(())
//! ```
//!
//! Begin with [`Index`], which is in memory; [`StoredIndex`], which is kept in a [`Store`]; or `SharedIndex`, which
//! many threads use.
//!
//! | feature | gives |
//! |---|---|
//! | `mmap` | `Index::map_file`: an exported file is searched in place |
//! | | natively, freed memory also goes back to the system, and Linux uses huge pages |
//! | `rayon` | `Index::insert_many` and `search_many` on all cores |
//!
//! docs/ARCHITECTURE.md in the repository describes the design.

#![cfg_attr(
    target_feature = "atomics",
    allow(
        dead_code,
        unused_imports,
        reason = "in a shared memory there are no stores, see `wasm`, nor what only they need"
    )
)]

#[cfg(target_endian = "big")]
compile_error!("thermocline maps its arrays to little-endian bytes; big-endian targets are not supported");

// Modules from the lowest layer up, which is also the order in which they are best read.
mod types;

mod format;
mod metric;
mod order;
mod pages;
mod segments;
mod slot_set;
mod store;
mod wipe;

mod arena;
mod expiry;
mod ids;
mod quantize;
mod tombstone;

mod graph;

mod compact;
mod rerank;

mod index;

mod driver;

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use arena::ReadPlan;
pub use compact::{CompactionReport, Progress, ReclaimedBytes};
pub use driver::{Clock, OpenOptions, StoredIndex, WallClock};
#[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
pub use index::NewRecord;
pub use index::{
    CacheCounts, CheckReport, Config, Error, Hit, Index, Payload, Record, ResidentBytes, SearchOptions, Stats,
    StoredBytes,
};
pub use metric::Metric;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{DirectoryStore, SharedIndex, SystemClock, Upkeep, UpkeepOptions, block_on};
pub use quantize::Quantization;
pub use store::{Batch, Durability, MemoryStore, Mode, Room, Store, StoreError, StoreOptions};
pub use types::{Distance, Id, UnknownName};

/// Internals that benchmarks and the tests inside a browser need. Not part of the public interface.
#[doc(hidden)]
pub mod bench_support {
    pub use crate::metric::{Kernels, prove};
    pub use crate::store::{Call, Fault, FaultPlan, FaultStore, prove_store};
    #[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
    pub use crate::wasm::AnyStore;
}

/// The examples of README.md, compiled with the tests of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
