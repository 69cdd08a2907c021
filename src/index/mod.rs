//! The product: an index of records by id. One file per verb.
//!
//! | file          | what                                                        |
//! |---------------|-------------------------------------------------------------|
//! | `config`      | the options of an index                                     |
//! | `empty`       | an index without records                                    |
//! | `error`       | what can go wrong                                           |
//! | `payload`     | data that a record carries besides its vector               |
//! | `vector`      | which vectors may be indexed: length, finiteness, direction |
//! | `insert`      | insert, insert_with_id, upsert                              |
//! | `insert_many` | many records in one call                                    |
//! | `parallel`    | work for many items on all cores                            |
//! | `search`      | search, and the choice between graph and scan               |
//! | `search_many` | search for many queries in one call                         |
//! | `get`         | get, contains, iteration                                    |
//! | `delete`      | delete, clear                                               |
//! | `expire`      | deletes records that have expired                           |
//! | `bulk`        | many records for an empty index                             |
//! | `pending`     | records that are not linked into the graph yet, and why     |
//! | `link`        | links them                                                  |
//! | `link_many`   | links many of them, a batch at a time                       |
//! | `train`       | trains product codes                                        |
//! | `maintain`    | compaction: when, and one slice at a time                   |
//! | `stats`       | counts and bytes                                            |
//! | `verify`      | check(): the structural proof                               |
//! | `bytes/`      | export, import, and the arrays that both share              |
//! | `stored/`     | an index that a store keeps                                 |
//! | `memory/`     | budgets, and reusable buffers                               |

mod bulk;
mod bytes;
mod config;
mod delete;
mod empty;
mod error;
mod expire;
mod get;
mod insert;
#[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
mod insert_many;
mod link;
#[cfg(not(target_arch = "wasm32"))]
mod link_many;
mod maintain;
mod memory;
#[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
mod parallel;
mod payload;
mod pending;
mod search;
#[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
mod search_many;
mod stats;
mod stored;
mod train;
mod vector;
mod verify;

#[cfg(target_arch = "wasm32")]
pub(crate) use bytes::carry::Carrying;
pub use config::Config;
pub use error::Error;
#[cfg(target_arch = "wasm32")]
pub(crate) use error::OUT_OF_MEMORY;
pub use get::Record;
#[cfg(target_arch = "wasm32")]
pub(crate) use get::lost;
#[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
pub use insert_many::NewRecord;
#[cfg(all(target_arch = "wasm32", feature = "rayon"))]
pub(crate) use insert_many::batch_len;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use link_many::LinkBatch;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use parallel::with_own_threads;
pub use payload::Payload;
pub use search::{Hit, SearchOptions};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use search_many::{Answer, Answers};
pub use stats::{CacheCounts, ResidentBytes, Stats, StoredBytes};
pub(crate) use stored::backing::OpenedManifest;
pub(crate) use stored::checkpoint::Step;
pub(crate) use stored::inventory::Inventory;
pub(crate) use stored::open::Opening;
pub(crate) use stored::replay::Replay;
pub use verify::CheckReport;

use crate::compact::Parts;
use memory::scratch::ScratchPool;
use pending::Pending;
use stored::backing::Backing;

/// A vector index: records (an id, a vector, a payload) that are found by the nearness of their vectors.
///
/// Ids are the caller's and never change. Searches may run from many threads at once; changes need `&mut`.
#[derive(Debug)]
pub struct Index {
    config: Config,
    pub(crate) parts: Parts,
    /// How many levels have been drawn. The next level is a function of the seed and this count.
    draws: u64,
    pending: Pending,
    /// What links the nodes of a bulk build, if that can be done.
    bulk: Option<bulk::Linker>,
    scratch: ScratchPool,
    /// Frees memory under a budget; `None` in an index that is not stored.
    fit: Option<memory::room::Fit>,
    pub(crate) job: Option<maintain::Running>,
    compacted: maintain::Past,
    backing: Backing,
}

impl Index {
    /// The options of the index.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the options. Those that are fixed for the life of an index must keep their values. The seed of a stored
    /// index does not change, because replaying its log must draw the same levels. A stored index writes the other
    /// options, except `max_bytes`, with its next checkpoint, which is then due.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] names an option that is out of range, or fixed and given another value;
    /// [`Error::DimensionMismatch`] for other `dimensions`. No option has changed then.
    pub fn set_options(&mut self, options: Config) -> Result<(), Error> {
        self.config.check_fixed(&options)?;
        let options = options.validated()?;
        let Config { ef_construction, ef, compaction_threshold, max_bytes, .. } = options;
        let seed = if self.is_stored() { self.config.seed } else { options.seed };
        self.config = Config { ef_construction, ef, seed, compaction_threshold, max_bytes, ..self.config };
        self.scratch.set_room(usize::MAX);
        self.make_room();
        Ok(())
    }

    /// Applies the options given for an opening, unless they contradict what is fixed.
    pub(crate) fn reopened_with(mut self, asked: Config) -> Result<Self, Error> {
        self.set_options(asked)?;
        Ok(self)
    }

    /// Number of live records.
    pub const fn len(&self) -> usize {
        self.parts.tombstones.live()
    }

    /// Whether no record is live.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tombstones: records deleted and not yet compacted away.
    pub fn deleted(&self) -> usize {
        self.parts.tombstones.deleted() - self.job.as_ref().map_or(0, maintain::Running::moved)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Index>();
};
