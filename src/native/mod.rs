//! What only a native program has.
//!
//! | file        | what                                                          |
//! |-------------|---------------------------------------------------------------|
//! | `clock`     | the operating system's                                        |
//! | `compact`   | compaction in one go                                          |
//! | `directory` | a store in a directory                                        |
//! | `lock`      | one writer at a time, by files that outlive no process        |
//! | `mmap`      | an index in a mapped file                                     |
//! | `process`   | who this process is, and whether another one is still there   |
//! | `shared`    | one index for many threads                                    |
//! | `ready`     | the end of a future that waits for nothing                    |
//! | `upkeep`    | a thread that compacts when that would pay                    |

mod clock;
mod compact;
mod directory;
mod lock;
#[cfg(feature = "mmap")]
mod mmap;
mod process;
mod ready;
mod shared;
mod upkeep;

pub use clock::SystemClock;
pub use directory::DirectoryStore;
pub use ready::block_on;
pub use shared::SharedIndex;
pub use upkeep::{Upkeep, UpkeepOptions};
