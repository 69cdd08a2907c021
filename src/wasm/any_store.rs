//! The stores of this platform as one type. They differ in how they are called; what is asked of them and how their
//! answers are read is the same, and is here.
//!
//! Each call builds its question, awaits one promise, and reads the answer. Everything before and after is in ordinary
//! functions, because code that lives across an await is large (size).

use super::asked::Asked;
use super::bytes::{buffer, join, lay};
use super::indexed_db::{self, IndexedDb};
use super::js_store::JsStore;
use super::object::{get, items, pair, unexpected};
use super::outgoing::{Kept, Outgoing};
use super::pieces::{self, Pieces};
use crate::store::{Batch, Durability, Mode, Room, Store, StoreError};
use core::cell::RefCell;
use js_sys::{Array, Promise};
use wasm_bindgen::{JsCast, JsValue};

#[derive(Debug)]
enum Medium {
    IndexedDb(IndexedDb),
    Js(JsStore),
}

/// One of the stores of this platform: the browser's IndexedDB, or an object of the caller.
///
/// IndexedDB cannot append; an object can if it has a method for it. Without one, what is appended is written as a
/// value under a name of its own (`pieces.rs`). Which keys have such pieces is learned by listing: before a key is
/// read, written or appended to, the names with its prefix must have been listed, which `driver` does anyway. Pieces
/// are found even if the object has gained the method since: a value that has pieces keeps growing by pieces.
#[derive(Debug)]
pub struct AnyStore {
    medium: Medium,
    pieces: Pieces,
    value_bytes: usize,
    kept: Kept,
    /// A question asked ahead of the call that will await it, and its first key, which identifies it: no other question
    /// at that time begins with the same key.
    expected: RefCell<Option<(String, Asked)>>,
}

impl AnyStore {
    /// Opens the database of the index `name`. Returns `None` if it is opened for reading only and does not exist.
    pub async fn indexed_db(name: &str, mode: Mode, durability: Durability) -> Result<Option<Self>, StoreError> {
        match IndexedDb::open(name, mode, durability).await? {
            None => Ok(None),
            Some(database) => Ok(Some(Self::around(Medium::IndexedDb(database), indexed_db::VALUE_BYTES))),
        }
    }

    /// Deletes the database of the index `name`, if it exists. This package's own connections close on request. If
    /// another connection stays open, the answer is `Locked`, and the database is deleted as soon as that connection
    /// closes.
    pub async fn destroy_indexed_db(name: &str) -> Result<(), StoreError> {
        IndexedDb::destroy(name).await
    }

    /// Wraps an object with the methods of the package's interface `Store`.
    pub fn js(object: JsValue) -> Result<Self, StoreError> {
        let store = JsStore { object };
        let value_bytes = store.value_bytes()?;
        Ok(Self::around(Medium::Js(store), value_bytes))
    }

    fn around(medium: Medium, value_bytes: usize) -> Self {
        Self { medium, pieces: Pieces::default(), value_bytes, kept: Kept::default(), expected: RefCell::default() }
    }

    /// Adds the queries that find the pieces of a key.
    fn find_pieces(&self, key: &str, queries: &Array) -> Result<(), StoreError> {
        let count = self.pieces.count(key)?;
        match &self.medium {
            // A second query doubles the cost, so it is made only for keys that have pieces as far as this connection
            // knows. It does not see what another connection appends.
            Medium::IndexedDb(database) => {
                if count > 0 || database.mode == Mode::ReadOnly {
                    queries.push(&IndexedDb::pieces(key)?);
                }
            }
            Medium::Js(_) => {
                for number in 0..count {
                    queries.push(&pieces::name(key, number).into());
                }
            }
        }
        Ok(())
    }

    /// Asks for values and, if `ends` is given, for their pieces too: `ends` receives the end of each key's answer. An
    /// object that offers to do so reads into `memory`.
    fn ask_values(&self, keys: &[String], ends: Option<&mut Vec<u32>>, memory: &mut [u8]) -> Result<Asked, StoreError> {
        let queries = Array::new();
        let mut ends = ends;
        for key in keys {
            queries.push(&key.as_str().into());
            if let Some(ends) = &mut ends {
                self.find_pieces(key, &queries)?;
                ends.push(queries.length());
            }
        }
        match &self.medium {
            Medium::IndexedDb(database) => database.read(&queries),
            Medium::Js(store) => store.read(&queries, memory),
        }
    }

    /// Returns whether values are copied into the kept memory of a [`Room`].
    const fn copies(&self) -> bool {
        matches!(self.medium, Medium::IndexedDb(_))
    }

    /// Returns whether memory is lent to the store: that of a [`Room`] for the values that it reads, and for those that
    /// it writes an array that is used again.
    fn lends(&self) -> bool {
        if let Medium::Js(store) = &self.medium { store.takes_room() } else { false }
    }

    /// Asks for whole values, or takes the question that was asked ahead for them.
    fn ask_whole(&self, keys: &[String], memory: &mut [u8]) -> Result<Asked, StoreError> {
        // A mismatch means that the call that expected it was abandoned.
        if let Some((first, asked)) = self.expected.take()
            && keys.first() == Some(&first)
        {
            return Ok(asked);
        }
        self.ask_values(keys, None, memory)
    }

    /// Returns the parts of an answer, of which there must be `count`.
    fn parts(&self, answer: &JsValue, count: usize) -> Result<Array, StoreError> {
        let found = items(answer)?;
        if found.length() as usize == count {
            Ok(found)
        } else {
            Err(unexpected("an array with a value for each key", answer))
        }
    }

    /// Returns the answer to the query at this position.
    #[inline(never)]
    fn found(&self, parts: &Array, at: u32) -> Result<JsValue, StoreError> {
        let part = parts.get(at);
        if let Medium::Js(_) = self.medium { Ok(part) } else { get(&part, "result") }
    }

    /// Reads values from an answer, with their pieces.
    fn values(&self, answer: &JsValue, ends: &[u32]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let parts = self.parts(answer, ends.last().map_or(0, |&end| end as usize))?;
        let mut at = 0;
        let mut values = Vec::new();
        for &end in ends {
            let mut value = None;
            while at < end {
                let found = self.found(&parts, at)?;
                at += 1;
                if Array::is_array(&found) {
                    let pieces: Array = found.unchecked_into();
                    pieces.iter().try_for_each(|piece| join(&piece, &mut value))?;
                } else {
                    join(&found, &mut value)?;
                }
            }
            values.push(value);
        }
        Ok(values)
    }

    /// Reads whole values from an answer. Returns false if the memory `lent` for them has moved, so that the values
    /// read into it are lost.
    fn lay(&self, answer: &JsValue, count: usize, room: &mut Room, lent: Option<&JsValue>) -> Result<bool, StoreError> {
        let parts = self.parts(answer, count)?;
        let mut used = self.copies().then_some(0);
        for at in 0..count as u32 {
            let place = lay(&self.found(&parts, at)?, room.memory(), &mut used)?;
            room.push(place);
        }
        // Code that ran during the wait may have grown the memory. Copies made from here on may grow it too, but have
        // buffers of their own.
        if let Some(lent) = lent
            && *lent != buffer()?
        {
            return Ok(false);
        }
        for at in 0..count {
            if let Some(value) = room.without_place(at) {
                join(&self.found(&parts, at as u32)?, value)?;
            }
        }
        Ok(true)
    }

    /// Returns the place for copies of `total` bytes in all.
    fn outgoing(&self, total: usize) -> Result<Outgoing, StoreError> {
        if self.lends() { Outgoing::again(&self.kept, total) } else { Ok(Outgoing::default()) }
    }

    fn write(&self, puts: &Array, deletes: &Array) -> Result<Asked, StoreError> {
        match &self.medium {
            Medium::IndexedDb(database) => database.write(puts, deletes),
            Medium::Js(store) => store.write(puts, deletes),
        }
    }

    /// Asks the store to commit a batch, and notes the keys whose pieces are deleted with it.
    fn ask_commit(&self, batch: Batch, replaced: &mut Vec<String>) -> Result<Asked, StoreError> {
        let (puts, deletes) = (Array::new(), Array::new());
        for key in &batch.deletes {
            deletes.push(&key.as_str().into());
        }
        for key in batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes) {
            if self.pieces.count(key)? > 0 {
                self.find_pieces(key, &deletes)?;
                replaced.push(key.clone());
            }
        }
        let mut outgoing = self.outgoing(batch.puts.iter().map(|(_, value)| value.len()).sum())?;
        // Free each value as soon as it is copied.
        for (key, value) in batch.puts {
            puts.push(&pair(&key, &outgoing.copy(&value)?));
        }
        Ok(self.write(&puts, &deletes)?.of(outgoing))
    }

    fn ask_append(&self, key: &str, mut bytes: &[u8]) -> Result<Asked, StoreError> {
        let mut outgoing = self.outgoing(bytes.len())?;
        let count = self.pieces.count(key)?;
        if let Medium::Js(store) = &self.medium
            && count == 0
            && store.can_append()
        {
            return Ok(store.call("append", &pair(key, &outgoing.copy(bytes)?))?.of(outgoing));
        }
        let puts = Array::new();
        // At least one, so that a key to which nothing is appended has a value.
        for number in count.. {
            let (piece, rest) = bytes.split_at(bytes.len().min(self.value_bytes));
            puts.push(&pair(&pieces::name(key, number), &outgoing.copy(piece)?));
            self.pieces.found(key, number);
            bytes = rest;
            if bytes.is_empty() {
                break;
            }
        }
        Ok(self.write(&puts, &Array::new())?.of(outgoing))
    }

    fn ask_names(&self, prefix: &str) -> Result<Asked, StoreError> {
        match &self.medium {
            Medium::IndexedDb(database) => database.list(prefix),
            Medium::Js(store) => store.call("list", &Array::of1(&prefix.into())),
        }
    }

    /// Reads keys from an answer.
    fn keys(&self, prefix: &str, answer: &JsValue) -> Result<Vec<String>, StoreError> {
        let answer = match self.medium {
            Medium::IndexedDb(_) => get(&get(answer, "0")?, "result")?,
            Medium::Js(_) => answer.clone(),
        };
        let mut names = Vec::new();
        for name in items(&answer)?.iter() {
            match name.as_string() {
                Some(text) if text.starts_with(prefix) => names.push(text),
                _ => return Err(unexpected("an array of keys that begin as asked", &name)),
            }
        }
        let keys = self.pieces.keys_of(names);
        self.pieces.know(prefix);
        Ok(keys)
    }

    fn ask_close(&self) -> Result<Asked, StoreError> {
        match &self.medium {
            Medium::IndexedDb(database) => {
                database.close();
                Ok(Asked::for_value(Promise::resolve(&JsValue::UNDEFINED)))
            }
            Medium::Js(store) => store.call("close", &Array::new()),
        }
    }
}

impl Store for AnyStore {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut ends = Vec::new();
        let answer = self.ask_values(keys, Some(&mut ends), &mut [])?.answer().await?;
        self.values(&answer, &ends)
    }

    async fn read_into(&self, keys: &[String], room: &mut Room) -> Result<(), StoreError> {
        let mut lends = self.lends();
        loop {
            let memory = room.cleared(keys.len(), lends || self.copies())?;
            let lent = if lends { Some(buffer()?) } else { None };
            let answer = self.ask_whole(keys, memory)?.answer().await?;
            if self.lay(&answer, keys.len(), room, lent.as_ref())? {
                return Ok(());
            }
            // Read once more, into memory of the store's own.
            lends = false;
        }
    }

    fn expect(&self, keys: &[String]) {
        // Objects read as soon as they are asked, so only IndexedDB is asked ahead.
        if let (Medium::IndexedDb(_), Some(first)) = (&self.medium, keys.first())
            && let Ok(asked) = self.ask_values(keys, None, &mut [])
        {
            self.expected.replace(Some((first.clone(), asked)));
        }
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut replaced = Vec::new();
        self.ask_commit(batch, &mut replaced)?.answer().await?;
        self.pieces.forget(&replaced);
        Ok(())
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.ask_append(key, bytes)?.answer().await.map(drop)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let answer = self.ask_names(prefix)?.answer().await?;
        self.keys(prefix, &answer)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.ask_close()?.answer().await.map(drop)
    }

    fn value_bytes(&self) -> usize {
        self.value_bytes
    }
}
