//! What exists only in native programs.
//!
//! | file        | what                                                          |
//! |-------------|---------------------------------------------------------------|
//! | `block_on`  | runs a future on the calling thread                           |
//! | `clock`     | the operating system's clock                                  |
//! | `compact`   | compaction in one go                                          |
//! | `directory` | a store in a directory                                        |
//! | `lock`      | one writer at a time, by lock files                           |
//! | `mmap`      | an index in a mapped file                                     |
//! | `process`   | identifies this process, checks if another one still runs     |
//! | `shared`    | one index for many threads                                    |
//! | `upkeep`    | a thread that compacts when that would pay                    |

mod block_on;
mod clock;
mod compact;
mod directory;
mod lock;
#[cfg(feature = "mmap")]
mod mmap;
mod process;
mod shared;
mod upkeep;

pub use block_on::block_on;
pub use clock::SystemClock;
pub use directory::DirectoryStore;
pub use shared::SharedIndex;
pub use upkeep::{Upkeep, UpkeepOptions};
