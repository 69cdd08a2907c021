//! IndexedDB as a place for named bytes: one database per index, with one object store.
//!
//! A call is one transaction. All its requests are made at once and only its end is awaited, because a transaction that
//! has no pending request while the program waits for something else ends by itself.

use super::asked::Asked;
use super::object::{failed, get, says, set};
use super::pieces::MARK;
use crate::store::{Durability, Mode, StoreError};
use js_sys::futures::JsFuture;
use js_sys::{Array, Function, Object, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbFactory, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest, IdbTransaction};

const VALUES: &str = "values";

/// The mode of transactions that write.
const WRITING: &str = "readwrite";

/// The version of the layout: a value or a piece of one under each name, in the one object store.
const LAYOUT_VERSION: u32 = 1;

/// Above 60 KB Chromium keeps a value in a file of its own, at three times the cost.
pub(super) const VALUE_BYTES: usize = 57_344;

#[wasm_bindgen]
extern "C" {
    /// A database whose transactions take options, which web-sys's stable declarations lack.
    type WithOptions;

    #[wasm_bindgen(method, catch, js_name = transaction)]
    fn begin(this: &WithOptions, values: &str, mode: &str, options: &JsValue) -> Result<IdbTransaction, JsValue>;

    /// A transaction that can be told that no more requests come. Older browsers lack this.
    type Complete;

    #[wasm_bindgen(method, catch)]
    fn commit(this: &Complete) -> Result<(), JsValue>;
}

#[derive(Debug)]
pub(super) struct IndexedDb {
    database: IdbDatabase,
    pub(super) mode: Mode,
    /// The options of each transaction.
    options: Object,
}

impl IndexedDb {
    /// Opens the database of the index `name`. Returns `None` if it is opened for reading only and does not exist.
    pub(super) async fn open(name: &str, mode: Mode, durability: Durability) -> Result<Option<Self>, StoreError> {
        let request = factory()?.open_with_u32(&database_name(name), LAYOUT_VERSION)?;
        let event = JsFuture::from(outcome(&request)).await?;
        let is_new = says(&event, "type", "upgradeneeded");
        if is_new {
            // The transaction of this event lasts until all callbacks of its promise have run, including this code.
            let is_made = mode == Mode::ReadWrite && opened(&request)?.create_object_store(VALUES).is_ok();
            if !is_made {
                // Otherwise an empty database would remain.
                request.transaction().map_or(Ok(()), |transaction| transaction.abort())?;
            }
            if let Err(error) = JsFuture::from(outcome(&request)).await {
                return if mode == Mode::ReadOnly { Ok(None) } else { Err(error.into()) };
            }
        }
        let database = opened(&request)?;
        // Deleting the database waits for all connections to close, so this one closes on request.
        let close: Function = get(&database, "close")?.unchecked_into();
        database.set_onversionchange(Some(&close.bind0(&database)));
        let options = Object::new();
        let durability = match durability {
            Durability::Strict => "strict",
            Durability::Relaxed => "relaxed",
        };
        set(&options, "durability", &durability.into())?;
        Ok(Some(Self { database, mode, options }))
    }

    /// Deletes the database of the index `name`, if it exists. This package's own connections close on request. If
    /// another connection stays open, the answer is `Locked`, and the database is deleted as soon as that connection
    /// closes.
    pub(super) async fn destroy(name: &str) -> Result<(), StoreError> {
        let request = factory()?.delete_database(&database_name(name))?;
        JsFuture::from(outcome(&request)).await.map(drop).map_err(|event| {
            if says(&event, "type", "blocked") {
                return StoreError::Locked { by: "another connection to the database".to_owned() };
            }
            event.into()
        })
    }

    /// Returns the range of all pieces of a key, as a query for [`IndexedDb::read`] or something to delete.
    pub(super) fn pieces(key: &str) -> Result<JsValue, JsValue> {
        // The mark sorts after every digit.
        let (from, to) = ([key, MARK].concat(), [key, MARK, MARK].concat());
        Ok(IdbKeyRange::bound(&from.into(), &to.into())?.into())
    }

    /// Asks for the results of each query: a value for a name, an array of values for a range.
    pub(super) fn read(&self, queries: &Array) -> Result<Asked, StoreError> {
        self.transact("readonly", &mut |values, requests| {
            for query in queries.iter() {
                let is_name = query.is_string();
                let request = if is_name { values.get(&query) } else { values.get_all_with_key(&query) };
                requests.push(&request?.into());
            }
            Ok(())
        })
    }

    /// Asks for the names that begin with `prefix`.
    pub(super) fn list(&self, prefix: &str) -> Result<Asked, StoreError> {
        self.transact("readonly", &mut |values, requests| {
            let to = [prefix, "\u{ffff}"].concat();
            let range = IdbKeyRange::bound(&prefix.into(), &to.into())?;
            requests.push(&values.get_all_keys_with_key(&range.into())?.into());
            Ok(())
        })
    }

    /// Deletes names and ranges, and puts values under names.
    pub(super) fn write(&self, puts: &Array, deletes: &Array) -> Result<Asked, StoreError> {
        if self.mode == Mode::ReadOnly {
            return Err(StoreError::ReadOnly);
        }
        self.transact(WRITING, &mut |values, _| {
            for query in deletes.iter() {
                values.delete(&query)?;
            }
            for put in puts.iter() {
                let put: Array = put.unchecked_into();
                values.put_with_key(&put.get(1), &put.get(0))?;
            }
            Ok(())
        })
    }

    /// Begins a transaction and makes all its requests, or none.
    fn transact(
        &self,
        mode: &str,
        ask: &mut dyn FnMut(&IdbObjectStore, &Array) -> Result<(), JsValue>,
    ) -> Result<Asked, StoreError> {
        let begun = self.database.unchecked_ref::<WithOptions>().begin(VALUES, mode, &self.options);
        let transaction = begun.map_err(|error| {
            // Only in this state does a database refuse to begin a transaction.
            if says(&error, "name", "InvalidStateError") {
                return failed(&[
                    "the database is closed: it was deleted elsewhere, or the browser cleared or closed it",
                ]);
            }
            error.into()
        })?;
        let requests = Array::new();
        if let Err(error) = transaction.object_store(VALUES).and_then(|values| ask(&values, &requests)) {
            // It may already have been aborted by whatever made the request fail.
            let _ = transaction.abort();
            return Err(error.into());
        }
        if mode == WRITING {
            // Otherwise it would end in a turn of the page after its last request. A page that the browser has frozen
            // has no turns, and other readers of this database would wait for it.
            let _ = transaction.unchecked_ref::<Complete>().commit();
        }
        Ok(Asked::for_results(outcome(&transaction), requests))
    }

    pub(super) fn close(&self) {
        self.database.close();
    }
}

/// A store that is merely dropped, for example when opening an index fails, must not hold its database.
impl Drop for IndexedDb {
    fn drop(&mut self) {
        self.close();
    }
}

/// Returns a promise for the first event of a request or transaction: fulfilled on success, rejected on failure.
///
/// The handlers are the functions that settle the promise and belong to JavaScript: no Rust closure has to be kept
/// alive until the event or dropped after it.
fn outcome(target: &JsValue) -> Promise {
    Promise::new(&mut |resolve, reject| {
        let handlers = [
            ("onsuccess", &resolve),
            ("onupgradeneeded", &resolve),
            ("oncomplete", &resolve),
            ("onerror", &reject),
            ("onblocked", &reject),
            ("onabort", &reject),
        ];
        for (name, handler) in handlers {
            // These objects are the platform's own and accept any property.
            let _ = set(target, name, handler);
        }
    })
}

/// Returns the platform's IndexedDB. Pages and workers both have it on the global object; Node has none.
fn factory() -> Result<IdbFactory, StoreError> {
    let found = get(&js_sys::global(), "indexedDB")?;
    if !found.is_object() {
        return Err(failed(&["there is no IndexedDB here"]));
    }
    Ok(found.unchecked_into())
}

fn database_name(name: &str) -> String {
    ["thermocline:", name].concat()
}

fn opened(request: &IdbOpenDbRequest) -> Result<IdbDatabase, StoreError> {
    Ok(request.result()?.unchecked_into())
}
