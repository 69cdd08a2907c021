//! Where bytes live. A store knows keys and bytes, and nothing of an index.
//!
//! | file       | what                                                                  |
//! |------------|-----------------------------------------------------------------------|
//! | `key`      | which strings are keys                                                |
//! | `batch`    | what a commit changes, as one value                                   |
//! | `options`  | how a place is opened: for what, and how durable                      |
//! | `room`     | where values are read to that are looked at once                      |
//! | `error`    | what can go wrong with a medium                                       |
//! | `contract` | the tests that every implementation passes                            |
//! | `memory`   | a map, for tests and as the smallest example                          |
//! | `fault`    | any store, made to fail, tear or stop at a chosen call (tests)        |
//!
//! The implementations that touch a platform are leaves: `native/directory`, `wasm/indexed_db`, `wasm/js_store`.

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
pub use fault::{Call, Fault, FaultStore, Plan};
pub(crate) use key::is_key;
pub use memory::MemoryStore;
pub use options::{Durability, Mode, StoreOptions};
pub use room::Room;

/// Any place for bytes.
///
/// A **key** is 1 to 64 characters of `a-z`, `0-9`, `-`, `.` and `/`, where `/` separates parts that are not empty and do
/// not begin with a dot: safe as a path, as a key of a database, and as a part of either. Two kinds of names are no keys,
/// because a directory has another use for them: `commit`, and whatever begins with `lock.`. Whoever calls a store gives
/// it keys only; it may refuse anything else.
///
/// A **value** is replaced as a whole by [`Store::commit`], or grows at its end by [`Store::append`]. A value of no bytes
/// is a value: its key is read and listed like any other.
///
/// What holds of every implementation, and is tested by one suite:
///
/// - Calls of one store are made one after the other. Only reads may be under way together, and beside any other call but the
///   last, as long as that does not change what they read.
/// - What a call that has succeeded wrote is seen by every read after it, and by whoever opens the same place later, also
///   after the process was killed; with strict durability, also after the machine lost its power.
/// - A commit that failed, or was cut off by a kill, has changed everything or nothing.
/// - An append that failed, or was cut off, has added any number of the first of its bytes, down to none. Whoever appends
///   must be able to tell where the last whole one ends, and must not append to that value again.
pub trait Store {
    /// The values of `keys`, in their order; none for a key without a value. A key may be asked for twice.
    fn read(&self, keys: &[String]) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, StoreError>>;

    /// As [`Store::read`], into `room` instead of what it held, for keys to whose values nothing was ever appended: where
    /// appending makes values beside values, it need not look for those.
    fn read_into(&self, keys: &[String], room: &mut Room) -> impl Future<Output = Result<(), StoreError>> {
        async {
            room.own(self.read(keys).await?);
            Ok(())
        }
    }

    /// Says what [`Store::read_into`] will be asked for, so that it may come already. Nobody may ask after all.
    fn expect(&self, _keys: &[String]) {}

    /// Makes all changes of the batch, or none.
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), StoreError>>;

    /// Adds `bytes` to the end of the value of `key`, which begins empty.
    fn append(&self, key: &str, bytes: &[u8]) -> impl Future<Output = Result<(), StoreError>>;

    /// The keys that begin with `prefix`, each once, in no order. The prefix is any beginning of a key, the empty one too.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, StoreError>>;

    /// Ends the use of the place, and gives back what held it. The last call.
    fn close(&self) -> impl Future<Output = Result<(), StoreError>>;

    /// The longest value that this place handles well, in bytes. Longer ones are taken all the same.
    fn value_bytes(&self) -> usize;
}
