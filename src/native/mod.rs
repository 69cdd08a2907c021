//! What only a native program has.
//!
//! | file      | what                     |
//! |-----------|--------------------------|
//! | `clock`   | the operating system's   |
//! | `compact` | compaction in one go     |

mod clock;
mod compact;

pub use clock::SystemClock;
