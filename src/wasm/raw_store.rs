//! The exported class: its store.
//!
//! A call that waits holds no borrow meanwhile. The facade runs calls that write one after the other.

use super::any_store::AnyStore;
use super::clock::JsClock;
use super::error::{caused, forget_thrown};
use super::options;
use super::raw_index::RawIndex;
use crate::arena::ReadPlan;
use crate::driver::{self, Clock, Host, Rewrite};
use crate::index::{Error, Index};
use crate::store::{Durability, Mode, Store};
use core::pin::Pin;
use js_sys::futures::future_to_promise;
use js_sys::{Function, Promise, Uint8Array, Uint32Array};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

impl Host for RawIndex {
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        work(&mut self.borrow()?.index)
    }

    fn tell_completed(&self, share: f64) {
        // The function is the facade's own and does not throw.
        let told = self.borrow().ok().and_then(|inner| inner.told.clone());
        told.map(|told| told.call1(&JsValue::UNDEFINED, &share.into()));
    }

    fn clock_ms(&self) -> Option<f64> {
        Some(JsClock::default().now_ms())
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

/// Where an index is stored.
enum StorePlace {
    /// The browser database with this name.
    IndexedDb(String, Durability),
    /// A store object of the caller.
    Object(JsValue),
}

impl StorePlace {
    async fn open(self, mode: Mode) -> Result<AnyStore, Error> {
        match self {
            Self::Object(object) => Ok(AnyStore::js(object)?),
            Self::IndexedDb(name, durability) => {
                AnyStore::indexed_db(&name, mode, durability).await?.ok_or_else(not_found)
            }
        }
    }
}

/// Makes the promise of a call that waits. Its future is boxed here, so that all calls share the code that awaits them:
/// the glue would generate kilobytes for each async function (size).
fn promise(call: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let call: Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>> = Box::pin(call);
    future_to_promise(async move { call.await.map_err(caused) })
}

/// Closes a store whose use failed, and returns the first failure, which is the one to report.
async fn give_up(store: &AnyStore, error: JsValue) -> JsValue {
    let error = caused(error);
    let _ = store.close().await;
    forget_thrown();
    error
}

impl RawIndex {
    /// Opens the index in the store, or creates one there.
    async fn open(store: &AnyStore, options: &JsValue, mode: Mode) -> Result<Self, JsValue> {
        let found = driver::open(store, mode).await?;
        match found {
            Some(index) => {
                let config = options::merged(*index.config(), options)?;
                Self::around(index.reopened_with(config)?)
            }
            None if mode == Mode::ReadWrite && options::has_dimensions(options)? => {
                let raw = Self::create(options)?;
                driver::create(store, &raw).await?;
                Ok(raw)
            }
            None => Err(not_found().into()),
        }
    }

    fn open_at(place: StorePlace, options: JsValue, mode: Mode) -> Promise {
        promise(async move {
            let store = place.open(mode).await?;
            let opened = Self::open(&store, &options, mode).await;
            match opened {
                Ok(raw) => {
                    raw.keep(store)?;
                    Ok(raw.into())
                }
                Err(error) => Err(give_up(&store, error).await),
            }
        })
    }

    /// Stores an index that was only in memory.
    fn attach_to(&self, place: StorePlace) -> Promise {
        let raw = self.clone();
        promise(async move {
            let store = place.open(Mode::ReadWrite).await?;
            match driver::create(&store, &raw).await {
                Ok(()) => raw.keep(store),
                Err(error) => Err(give_up(&store, error.into()).await),
            }
        })
    }

    fn keep(&self, store: AnyStore) -> Result<JsValue, JsValue> {
        self.borrow()?.store = Some(Rc::new(store));
        Ok(JsValue::UNDEFINED)
    }

    fn store(&self) -> Result<Rc<AnyStore>, Error> {
        self.borrow()?.store.clone().ok_or_else(not_found)
    }
}

#[wasm_bindgen]
impl RawIndex {
    /// Opens or creates the index `name` in the browser's database. For an existing index, `options` may lack the
    /// dimensions.
    #[wasm_bindgen(js_name = openIndexedDb)]
    pub fn open_indexed_db(name: String, options: JsValue, strict: bool, read_only: bool) -> Promise {
        Self::open_at(StorePlace::IndexedDb(name, durability(strict)), options, mode(read_only))
    }

    /// Opens or creates the index in a store object of the caller.
    #[wasm_bindgen(js_name = openStore)]
    pub fn open_store(store: JsValue, options: JsValue, read_only: bool) -> Promise {
        Self::open_at(StorePlace::Object(store), options, mode(read_only))
    }

    /// Deletes the database of the index `name`, or does so only if it has no values.
    #[wasm_bindgen(js_name = destroyIndexedDb)]
    pub fn destroy_indexed_db(name: String, only_if_empty: bool) -> Promise {
        promise(async move {
            if only_if_empty {
                let store = StorePlace::IndexedDb(name.clone(), Durability::Relaxed).open(Mode::ReadOnly).await?;
                let names = store.list("").await;
                let _ = store.close().await;
                if !names.map_err(Error::from)?.is_empty() {
                    return Ok(JsValue::UNDEFINED);
                }
            }
            AnyStore::destroy_indexed_db(&name).await.map_err(Error::from)?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Stores an imported index in a place that must be empty.
    #[wasm_bindgen(js_name = attachIndexedDb)]
    pub fn attach_indexed_db(&self, name: String, strict: bool) -> Promise {
        self.attach_to(StorePlace::IndexedDb(name, durability(strict)))
    }

    #[wasm_bindgen(js_name = attachStore)]
    pub fn attach_store(&self, store: JsValue) -> Promise {
        self.attach_to(StorePlace::Object(store))
    }

    /// Returns whether product codes are being trained, which `linkSlice` does.
    #[wasm_bindgen(getter, js_name = isTraining)]
    pub fn is_training(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.is_training())
    }

    #[wasm_bindgen(getter, js_name = readOnly)]
    pub fn read_only(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.is_read_only())
    }

    /// Returns whether there are changes that are not in the log yet.
    #[wasm_bindgen(getter, js_name = hasUncommitted)]
    pub fn has_uncommitted(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.journal().is_some_and(|journal| journal.has_uncommitted()))
    }

    #[wasm_bindgen(getter, js_name = checkpointDue)]
    pub fn checkpoint_due(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.checkpoint_due())
    }

    /// Returns whether more records are in memory than the budget allows, so that a checkpoint should not wait.
    #[wasm_bindgen(getter, js_name = overBudget)]
    pub fn over_budget(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.is_over_budget())
    }

    /// Returns whether records wait to be linked together, or are being linked so. A checkpoint need not wait for that.
    #[wasm_bindgen(getter, js_name = linksTogether)]
    pub fn links_together(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.links_together())
    }

    /// Reads blocks that a call needs. `again` then repeats the call before others can evict the blocks, and returns
    /// whether it needs still more.
    pub fn fetch(&self, blocks: &Uint32Array, again: Function) -> Promise {
        let raw = self.clone();
        let plan = ReadPlan::of(blocks.to_vec().into_iter());
        promise(async move {
            let mut thrown = Ok(JsValue::UNDEFINED);
            let call = || {
                thrown = again.call0(&JsValue::UNDEFINED);
                thrown.as_ref().is_ok_and(JsValue::is_truthy)
            };
            driver::carry_out(&*raw.store()?, &raw, plan.map_err(Error::from)?, call).await?;
            thrown
        })
    }

    /// Reads some of the records that no call has asked for. Resolves to whether there may be more.
    #[wasm_bindgen(js_name = readAhead)]
    pub fn read_ahead(&self) -> Promise {
        let raw = self.clone();
        promise(async move { Ok(driver::read_some(&*raw.store()?, &raw).await?.into()) })
    }

    /// Returns the index as bytes, in an array outside the WebAssembly heap. Records that are only in the store are
    /// read in parts and released again. `check` is called after each part and ends the call by throwing. Fails with
    /// LOCKED if the index changed during every attempt.
    #[wasm_bindgen(js_name = exportStored)]
    pub fn export_stored(&self, check: Function) -> Promise {
        let raw = self.clone();
        promise(async move {
            let mut thrown = Ok(JsValue::UNDEFINED);
            let goes_on = || {
                thrown = check.call0(&JsValue::UNDEFINED);
                thrown.is_ok()
            };
            let exported = driver::export::<_, Uint8Array>(&*raw.store()?, &raw, goes_on).await;
            thrown?;
            Ok(exported?.into())
        })
    }

    /// Makes all changes from `hold(true)` to `hold(false)` one change to the store. In between, later changes must not
    /// be committed, and no checkpoint may be made.
    pub fn hold(&self, holds: bool) -> Result<(), JsValue> {
        if let Some(journal) = self.borrow()?.index.journal_mut() {
            journal.hold(holds);
        }
        Ok(())
    }

    pub fn commit(&self) -> Promise {
        let raw = self.clone();
        promise(async move {
            driver::commit(&*raw.store()?, &raw).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    pub fn checkpoint(&self) -> Promise {
        let raw = self.clone();
        promise(async move {
            driver::checkpoint(&*raw.store()?, &raw).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Completes a compaction in the store, and resolves to the number of bytes freed there. If `erases` is true, every
    /// block that holds a deleted record is rewritten. `told` gets the share of this that is done, from 0 to 1.
    #[wasm_bindgen(js_name = compactStore)]
    pub fn compact_store(&self, erases: bool, told: Function) -> Promise {
        let raw = self.clone();
        let rewrite = if erases { Rewrite::AnyDead } else { Rewrite::Worn };
        promise(async move {
            let store = raw.store()?;
            raw.borrow()?.told = Some(told);
            let completed = driver::complete_in_store(&*store, &raw, rewrite).await;
            raw.borrow()?.told = None;
            Ok((completed? as f64).into())
        })
    }

    #[wasm_bindgen(js_name = closeStore)]
    pub fn close_store(&self) -> Promise {
        let raw = self.clone();
        promise(async move {
            let store = raw.borrow()?.store.take();
            if let Some(store) = store {
                store.close().await.map_err(Error::from)?;
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}
