//! Records: a full-precision vector and a payload, by slot.
//!
//! | file | holds |
//! |---|---|
//! | `record.rs` | the words of one record: header, vector, payload |
//! | `slab.rs` | fixed-size pieces of memory, with counts of their live and stale words |
//! | `locator.rs` | slot -> position of its record |
//! | `warm.rs` | the warm arena: append, read, remove |
//! | `evacuation.rs` | giving stale bytes back, slab by slab, in bounded steps |
//! | `place.rs` | slot -> where in the store its record is |
//! | `block.rs` | records stored together, as bytes and in memory |
//! | `codec/` | how blocks are compressed, and how that is chosen |
//! | `cold.rs` | the cold arena: places, the table of blocks, those that have been read |
//! | `mapped.rs` | records in a mapped file |
//! | `used.rs` | which warm records were read lately |
//! | `records.rs` | all records of an index: warm, cold, mapped |
//!
//! A position is one `u32`: the slab's index in the high bits, the word within the slab in the low ones. A record is
//! appended to the open slab and never changed; removing it leaves stale bytes, which an [`Evacuation`] reclaims by
//! copying what is live elsewhere.

mod block;
mod codec;
mod cold;
pub(crate) mod evacuation;
mod locator;
mod mapped;
mod place;
pub(crate) mod record;
mod records;
mod slab;
mod used;
pub(crate) mod warm;

pub(crate) use block::{put_record, stored_record_bytes};
pub(crate) use codec::{Compression, Compressor, Measured, Sample, decompresses_to};
pub use cold::ReadPlan;
pub(crate) use evacuation::{Evacuation, MoveError};
#[cfg(feature = "mmap")]
pub(crate) use mapped::MappedRecords;
pub(crate) use place::{MOST_BLOCKS, MOST_RECORDS, Place};
pub(crate) use record::{AppendError, MAX_PAYLOAD_BYTES, PayloadKind};
pub(crate) use records::Records;
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) use warm::WarmArena;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
