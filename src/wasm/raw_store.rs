//! The exported class: its store.
//!
//! A call that waits holds no borrow meanwhile. The facade makes those that write one after the other.

use super::any_store::AnyStore;
use super::options;
use super::raw_index::RawIndex;
use crate::driver::{self, Host};
use crate::index::{Error, Index};
use crate::store::{Durability, Mode, Store};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

impl Host for RawIndex {
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        work(&mut self.borrow()?.index)
    }
}

fn mode(read_only: bool) -> Mode {
    if read_only { Mode::ReadOnly } else { Mode::ReadWrite }
}

fn durability(strict: bool) -> Durability {
    if strict { Durability::Strict } else { Durability::Relaxed }
}

fn not_found() -> Error {
    Error::NotFound { what: "there is no index of this name".to_owned() }
}

impl RawIndex {
    /// What is in the store, or a new index in it.
    async fn open(store: &AnyStore, options: &JsValue, mode: Mode) -> Result<Self, JsValue> {
        let found = driver::open(store, mode).await?;
        let raw = match found {
            Some(index) => {
                let config = options::merged(*index.config(), options)?;
                Self::around(index.reopened_with(config)?)?
            }
            None if mode == Mode::ReadWrite && options::has_dimensions(options)? => {
                let raw = Self::create(options)?;
                driver::create(store, &raw).await?;
                raw
            }
            None => return Err(not_found().into()),
        };
        Ok(raw)
    }

    /// Opens the index in a store and keeps that, or closes it and says why not.
    async fn open_in(store: AnyStore, options: JsValue, mode: Mode) -> Result<Self, JsValue> {
        let opened = Self::open(&store, &options, mode).await;
        match opened {
            Ok(raw) => {
                raw.store.replace(Some(Rc::new(store)));
                Ok(raw)
            }
            Err(error) => {
                // The first failure is the one to tell.
                let _ = store.close().await;
                Err(error)
            }
        }
    }

    /// Stores an index that was in memory only.
    async fn attach_to(&self, store: AnyStore) -> Result<(), JsValue> {
        match driver::create(&store, self).await {
            Ok(()) => {
                self.store.replace(Some(Rc::new(store)));
                Ok(())
            }
            Err(error) => {
                let _ = store.close().await;
                Err(error.into())
            }
        }
    }

    fn store(&self) -> Result<Rc<AnyStore>, Error> {
        self.store.borrow().clone().ok_or_else(not_found)
    }
}

// The futures of js-sys are those of the separate crate, which would be one more version to pin.
#[wasm_bindgen(wasm_bindgen_futures = js_sys::futures)]
impl RawIndex {
    /// Opens or makes the index `name` in the browser's database. Of what is there `options` may lack the dimensions.
    #[wasm_bindgen(js_name = openIndexedDb)]
    pub async fn open_indexed_db(
        name: String,
        options: JsValue,
        strict: bool,
        read_only: bool,
    ) -> Result<RawIndex, JsValue> {
        let store = AnyStore::indexed_db(&name, mode(read_only), durability(strict)).await.map_err(Error::from)?;
        Self::open_in(store.ok_or_else(not_found)?, options, mode(read_only)).await
    }

    /// Opens or makes the index in a store of JavaScript's.
    #[wasm_bindgen(js_name = openStore)]
    pub async fn open_store(store: JsValue, options: JsValue, read_only: bool) -> Result<RawIndex, JsValue> {
        let store = AnyStore::js(store).await.map_err(Error::from)?;
        Self::open_in(store, options, mode(read_only)).await
    }

    #[wasm_bindgen(js_name = destroyIndexedDb)]
    pub async fn destroy_indexed_db(name: String) -> Result<(), JsValue> {
        Ok(AnyStore::destroy_indexed_db(&name).await.map_err(Error::from)?)
    }

    /// Stores an index that was imported, in a place that must be empty.
    #[wasm_bindgen(js_name = attachIndexedDb)]
    pub async fn attach_indexed_db(&self, name: String, strict: bool) -> Result<(), JsValue> {
        let store = AnyStore::indexed_db(&name, Mode::ReadWrite, durability(strict)).await.map_err(Error::from)?;
        self.attach_to(store.ok_or_else(not_found)?).await
    }

    #[wasm_bindgen(js_name = attachStore)]
    pub async fn attach_store(&self, store: JsValue) -> Result<(), JsValue> {
        self.attach_to(AnyStore::js(store).await.map_err(Error::from)?).await
    }

    #[wasm_bindgen(getter, js_name = isStored)]
    pub fn is_stored(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.is_stored())
    }

    #[wasm_bindgen(getter, js_name = readOnly)]
    pub fn read_only(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.is_read_only())
    }

    /// Whether there are changes that are not in the log yet.
    #[wasm_bindgen(getter, js_name = hasUncommitted)]
    pub fn has_uncommitted(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.journal().is_some_and(|journal| journal.has_uncommitted()))
    }

    #[wasm_bindgen(getter, js_name = checkpointDue)]
    pub fn checkpoint_due(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.journal().is_some_and(|journal| journal.checkpoint_due()))
    }

    pub async fn commit(&self) -> Result<(), JsValue> {
        Ok(driver::commit(&*self.store()?, self).await?)
    }

    pub async fn checkpoint(&self) -> Result<(), JsValue> {
        Ok(driver::checkpoint(&*self.store()?, self).await?)
    }

    #[wasm_bindgen(js_name = closeStore)]
    pub async fn close_store(&self) -> Result<(), JsValue> {
        let store = self.store.take();
        match store {
            Some(store) => Ok(store.close().await.map_err(Error::from)?),
            None => Ok(()),
        }
    }
}
