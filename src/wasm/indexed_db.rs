//! A store in IndexedDB: a database for each index, and in it one object store.
//!
//! | entry      | is                                                                           |
//! |------------|------------------------------------------------------------------------------|
//! | `key`      | the value that was put                                                       |
//! | `[key, n]` | a piece that was appended after it; IndexedDB has no way to make one longer  |
//!
//! A call is one transaction. It gets all its requests at once and only its end is awaited, because a transaction that
//! has nothing to do while the program waits for something else ends by itself.

mod request;

use super::bytes::{copy_out, items, join};
use super::pieces::Pieces;
use crate::store::{Batch, Store, StoreError};
use js_sys::{Array, Function, Reflect};
use request::{begin, completed, error_of, factory, first_of};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest, IdbRequest, IdbTransaction};

const VALUES: &str = "values";

/// The layout in the table above.
const LAYOUT_VERSION: u32 = 1;

/// Above 60 KB Chromium keeps a value in a file of its own, at thrice the cost.
const VALUE_BYTES: usize = 57_344;

const OPENED: [&str; 3] = ["onsuccess", "onerror", "onupgradeneeded"];

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading and writing. It is made if it is not there.
    ReadWrite,
    /// Reading only. Somebody else may write meanwhile.
    ReadOnly,
}

/// What a commit or an append waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The bytes are on the medium.
    Strict,
    /// The operating system has the bytes.
    Relaxed,
}

/// A database of the browser's.
#[derive(Debug)]
pub struct IndexedDb {
    database: IdbDatabase,
    mode: Mode,
    durability: Durability,
    pieces: Pieces,
}

impl IndexedDb {
    /// Opens the database of the index `name`. None if it is to be read only and is not there.
    pub async fn open(name: &str, mode: Mode, durability: Durability) -> Result<Option<Self>, StoreError> {
        let request = factory()?.open_with_u32(&database_name(name), LAYOUT_VERSION)?;
        let mut event = first_of(&request, &OPENED).await?;
        let is_new = event == "upgradeneeded";
        if is_new {
            // The transaction of this event lasts until everything that its promise set off has run, which is now.
            let is_made = mode == Mode::ReadWrite && opened(&request)?.create_object_store(VALUES).is_ok();
            if !is_made {
                // Or an empty database would stay.
                request.transaction().map_or(Ok(()), |transaction| transaction.abort())?;
            }
            event = first_of(&request, &OPENED).await?;
        }
        if event != "success" {
            return if is_new && mode == Mode::ReadOnly { Ok(None) } else { Err(error_of(&request)) };
        }
        let store = Self { database: opened(&request)?, mode, durability, pieces: Pieces::default() };
        // Whoever deletes the index waits for all connections to close, so this one does when it is told.
        let close: Function = Reflect::get(&store.database, &"close".into())?.unchecked_into();
        store.database.set_onversionchange(Some(&close.bind0(&store.database)));
        store.list("").await?;
        Ok(Some(store))
    }

    /// Deletes the database of the index `name`, if there is one. Connections of ours close when they hear of it. If
    /// something else holds the database open, it is deleted as soon as that is closed, and the answer is `Locked`.
    pub async fn destroy(name: &str) -> Result<(), StoreError> {
        let request = factory()?.delete_database(&database_name(name))?;
        match first_of(&request, &["onsuccess", "onerror", "onblocked"]).await?.as_str() {
            "success" => Ok(()),
            "blocked" => Err(StoreError::Locked { by: "another connection to the database".to_owned() }),
            _ => Err(error_of(&request)),
        }
    }

    /// Begins a transaction and makes all its requests, or none.
    fn transact(
        &self,
        mode: Mode,
        ask: &mut dyn FnMut(&IdbObjectStore) -> Result<(), StoreError>,
    ) -> Result<IdbTransaction, StoreError> {
        let name = match mode {
            Mode::ReadOnly => "readonly",
            Mode::ReadWrite if self.mode == Mode::ReadOnly => return Err(StoreError::ReadOnly),
            Mode::ReadWrite => "readwrite",
        };
        let durability = match self.durability {
            Durability::Strict => "strict",
            Durability::Relaxed => "relaxed",
        };
        let transaction = begin(&self.database, VALUES, name, durability)?;
        let asked = transaction.object_store(VALUES).map_err(StoreError::from).and_then(|values| ask(&values));
        if asked.is_err() {
            // It may have been aborted already, by what made the request fail.
            let _ = transaction.abort();
        }
        asked.map(|()| transaction)
    }
}

impl Store for IndexedDb {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut requests: Vec<(IdbRequest, Option<IdbRequest>)> = Vec::new();
        let transaction = self.transact(Mode::ReadOnly, &mut |values| {
            for key in keys {
                let value = values.get(&key.as_str().into())?;
                // A second request doubles the cost, so it is made only where there are pieces, as far as this
                // connection knows. Of what another one appends it does not.
                let may_have_pieces = self.mode == Mode::ReadOnly || self.pieces.count(key) > 0;
                let pieces = may_have_pieces.then(|| values.get_all_with_key(&pieces_of(key)?)).transpose()?;
                requests.push((value, pieces));
            }
            Ok(())
        })?;
        completed(&transaction).await?;
        requests
            .into_iter()
            .map(|(value, pieces)| {
                let mut joined = None;
                join(&value.result()?, &mut joined)?;
                for piece in pieces.map_or_else(|| Ok(Vec::new()), |pieces| items(&pieces.result()?))? {
                    join(&piece, &mut joined)?;
                }
                Ok(joined)
            })
            .collect()
    }

    async fn commit(&self, mut batch: Batch) -> Result<(), StoreError> {
        let replaced = self.pieces.replaced_by(&batch);
        let transaction = self.transact(Mode::ReadWrite, &mut |values| {
            for key in &replaced {
                values.delete(&pieces_of(key)?)?;
            }
            // Each value is given back as soon as it is copied.
            for (key, value) in batch.puts.drain(..) {
                values.put_with_key(&copy_out(&value)?, &key.into())?;
            }
            for key in &batch.deletes {
                values.delete(&key.into())?;
            }
            Ok(())
        })?;
        completed(&transaction).await?;
        self.pieces.forget(&replaced);
        Ok(())
    }

    async fn append(&self, key: &str, mut bytes: &[u8]) -> Result<(), StoreError> {
        let transaction = self.transact(Mode::ReadWrite, &mut |values| {
            loop {
                let (piece, rest) = bytes.split_at(bytes.len().min(VALUE_BYTES));
                let entry = Array::of2(&key.into(), &self.pieces.next(key).into());
                values.put_with_key(&copy_out(piece)?, &entry)?;
                bytes = rest;
                if bytes.is_empty() {
                    return Ok(());
                }
            }
        })?;
        completed(&transaction).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let (from, to) = (JsValue::from_str(prefix), JsValue::from_str(&[prefix, "\u{ffff}"].concat()));
        let mut requests = Vec::new();
        let transaction = self.transact(Mode::ReadOnly, &mut |values| {
            requests.push(values.get_all_keys_with_key(&IdbKeyRange::bound(&from, &to)?.into())?);
            let pieces = IdbKeyRange::bound(&Array::of1(&from), &Array::of1(&to))?;
            requests.push(values.get_all_keys_with_key(&pieces.into())?);
            Ok(())
        })?;
        completed(&transaction).await?;
        let mut entries = Vec::new();
        for request in requests {
            for entry in items(&request.result()?)? {
                entries.push(match entry.as_string() {
                    Some(key) => (key, None),
                    None => {
                        let key = Reflect::get(&entry, &0.into())?.as_string().unwrap_or_default();
                        (key, Reflect::get(&entry, &1.into())?.as_f64().map(|number| number as u32))
                    }
                });
            }
        }
        Ok(self.pieces.keys_of(entries))
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.database.close();
        Ok(())
    }

    fn value_bytes(&self) -> usize {
        VALUE_BYTES
    }
}

/// A store that is merely dropped, as when opening an index fails, does not hold its database.
impl Drop for IndexedDb {
    fn drop(&mut self) {
        self.database.close();
    }
}

fn database_name(name: &str) -> String {
    ["thermocline:", name].concat()
}

fn opened(request: &IdbOpenDbRequest) -> Result<IdbDatabase, StoreError> {
    Ok(request.result()?.unchecked_into())
}

/// All pieces of a key: arrays that begin with it, up to any number.
fn pieces_of(key: &str) -> Result<JsValue, JsValue> {
    let key = JsValue::from_str(key);
    Ok(IdbKeyRange::bound(&Array::of1(&key), &Array::of2(&key, &f64::INFINITY.into()))?.into())
}
