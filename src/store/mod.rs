//! Where bytes live. A store knows keys and bytes, and nothing about an index.
//!
//! | file       | what                                                                  |
//! |------------|-----------------------------------------------------------------------|
//! | `key`      | which strings are keys                                                |
//! | `batch`    | what a commit changes, as one value                                   |
//! | `options`  | how a place is opened: its mode and durability                        |
//! | `room`     | the memory that values are read into                                  |
//! | `error`    | the errors of a store                                                 |
//! | `contract` | the tests that every implementation passes                            |
//! | `memory`   | a map, for tests and as the smallest example                          |
//! | `fault`    | a store that fails, tears or stops at a chosen call (tests)           |
//!
//! The implementations that touch a platform are leaves: `native/directory` and `wasm/any_store`.

mod batch;
mod contract;
mod error;
mod fault;
mod key;
mod memory;
mod options;
mod room;

pub use batch::Batch;
pub use contract::prove_store;
pub use error::StoreError;
pub use fault::{Call, Fault, FaultPlan, FaultStore};
pub(crate) use key::is_key;
pub use memory::MemoryStore;
pub use options::{Durability, Mode, StoreOptions};
pub use room::Room;

/// A place that keeps values under keys, in which an index is stored.
///
/// A **key** is 1 to 64 characters of `a-z`, `0-9`, `-`, `.` and `/`, where `/` separates parts that are not empty and
/// do not begin with a dot: safe as a path, as a key of a database, and as a part of either. Two kinds of names are not
/// keys, because a directory uses them otherwise: `commit`, and names that begin with `lock.`. A caller must pass only
/// keys; a store may refuse anything else.
///
/// A **value** is replaced as a whole by [`Store::commit`], or grows at its end by [`Store::append`]. A value of no
/// bytes is a value: its key is read and listed like any other.
///
/// Every implementation must do the following, which one suite tests:
///
/// - The caller makes the calls of one store one after the other. Only reads may overlap: with each other, and with any
///   other call except `close`, provided that call does not change what they read.
/// - What a successful call wrote is seen by every later read and every later opening of the same place, even after the
///   process was killed and, with strict durability, even after a power failure.
/// - A commit that failed or was cut off by a kill has changed everything or nothing.
/// - An append that failed or was cut off has added some prefix of its bytes, possibly an empty one. The caller must be
///   able to tell where the last whole append ends, and must not append to that value again.
pub trait Store {
    /// Reads the values of `keys` in the same order, `None` for a key without a value. A key may occur twice.
    fn read(&self, keys: &[String]) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, StoreError>>;

    /// Reads values like [`Store::read`] into `room`, replacing its contents. The caller passes only keys to which
    /// nothing was ever appended, so a store that keeps appended bytes separately need not look for them.
    fn read_into(&self, keys: &[String], room: &mut Room) -> impl Future<Output = Result<(), StoreError>> {
        async {
            room.own(self.read(keys).await?);
            Ok(())
        }
    }

    /// Announces keys that will probably be passed to [`Store::read_into`], so that the store can begin to fetch them.
    fn expect(&self, _keys: &[String]) {}

    /// Makes all changes of the batch, or none.
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), StoreError>>;

    /// Adds `bytes` to the end of the value of `key`. A missing value counts as empty.
    fn append(&self, key: &str, bytes: &[u8]) -> impl Future<Output = Result<(), StoreError>>;

    /// Returns the keys that begin with `prefix`, each once, in no particular order. The prefix may be empty, or any
    /// beginning of a key.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, StoreError>>;

    /// Closes the place and releases its resources. This is the last call.
    fn close(&self) -> impl Future<Output = Result<(), StoreError>>;

    /// Returns what the place was opened for. A place for reading only refuses each commit and append with
    /// [`StoreError::ReadOnly`], and an index opened in it is for reading only, whatever its options. A store that
    /// accepts changes need not implement this.
    fn mode(&self) -> Mode {
        Mode::ReadWrite
    }

    /// Returns the longest value that this place handles well, in bytes. Longer values are accepted too.
    fn value_bytes(&self) -> usize;
}
