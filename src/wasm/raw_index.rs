//! The exported class: making, inserting, reading, deleting.

#[cfg(not(target_feature = "atomics"))]
use super::any_store::AnyStore;
#[cfg(feature = "rayon")]
use super::raw_many::Many;
use super::{clock::JsClock, options, values};
use crate::index::{Error, Index, lost};
use crate::types::{Candidate, Slot};
use core::any::Any;
use core::cell::{RefCell, RefMut};
use js_sys::{Float32Array, Uint8Array};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// An index, and the buffers through which values are copied to it.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) index: Index,
    pub(super) vector: Vec<f32>,
    pub(super) payload: Vec<u8>,
    pub(super) found: Vec<Candidate>,
    /// Where JavaScript reads the hits of the last search.
    pub(super) hits: Vec<f64>,
    pub(super) clock: JsClock,
    /// What `index` will be once all of it has come from another instance: a `Carrying`. Its type is not named here,
    /// which would bring its code into the first file (size).
    pub(super) carrying: Option<Box<dyn Any>>,
    #[cfg(feature = "rayon")]
    pub(super) many: Many,
    #[cfg(not(target_feature = "atomics"))]
    pub(super) store: Option<Rc<AnyStore>>,
    /// Gets the progress of a compaction in the store.
    #[cfg(not(target_feature = "atomics"))]
    pub(super) told: Option<js_sys::Function>,
}

/// The index as the facade sees it. Methods take `&self` and borrow only for their own duration, so a call from within
/// a call (a filter that searches) is a typed error. A call that waits for a store holds a clone.
#[wasm_bindgen]
#[derive(Clone, Debug)]
pub struct RawIndex {
    inner: Rc<RefCell<Inner>>,
}

impl RawIndex {
    pub(super) fn around(index: Index) -> Result<Self, JsValue> {
        // The value moves to the heap, with counters and the glue's own data beside it.
        values::room(size_of::<Inner>() + 128)?;
        let (vector, payload, found, hits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let inner = Inner {
            index,
            vector,
            payload,
            found,
            hits,
            clock: JsClock::default(),
            carrying: None,
            #[cfg(feature = "rayon")]
            many: Many::default(),
            #[cfg(not(target_feature = "atomics"))]
            store: None,
            #[cfg(not(target_feature = "atomics"))]
            told: None,
        };
        Ok(Self { inner: Rc::new(RefCell::new(inner)) })
    }

    pub(super) fn borrow(&self) -> Result<RefMut<'_, Inner>, Error> {
        self.inner.try_borrow_mut().map_err(|_| Error::Busy)
    }
}

#[wasm_bindgen]
impl RawIndex {
    /// Makes an empty index.
    pub fn create(options: &JsValue) -> Result<RawIndex, JsValue> {
        #[cfg(debug_assertions)]
        console_error_panic_hook::set_once();
        Self::around(Index::new(options::config(options)?)?)
    }

    #[wasm_bindgen(getter)]
    pub fn dimensions(&self) -> Result<u32, JsValue> {
        Ok(self.borrow()?.index.config().dimensions as u32)
    }

    #[wasm_bindgen(getter)]
    pub fn metric(&self) -> Result<String, JsValue> {
        Ok(self.borrow()?.index.config().metric.name().to_owned())
    }

    #[wasm_bindgen(getter)]
    pub fn size(&self) -> Result<u32, JsValue> {
        Ok(self.borrow()?.index.len() as u32)
    }

    #[wasm_bindgen(getter, js_name = deletedCount)]
    pub fn deleted_count(&self) -> Result<u32, JsValue> {
        Ok(self.borrow()?.index.deleted() as u32)
    }

    /// Returns the number that the next `insert` gets.
    #[wasm_bindgen(getter, js_name = nextId)]
    pub fn next_id(&self) -> Result<f64, JsValue> {
        Ok(self.borrow()?.index.parts.ids.numbers_used() as f64)
    }

    #[wasm_bindgen(js_name = checkVector)]
    pub fn check_vector(&self, vector: &Float32Array) -> Result<(), JsValue> {
        let mut inner = self.borrow()?;
        let Inner { index, vector: components, .. } = &mut *inner;
        values::vector(vector, components)?;
        Ok(index.check_vector(components)?)
    }

    #[wasm_bindgen(js_name = checkId)]
    pub fn check_id(&self, id: &JsValue) -> Result<(), JsValue> {
        Ok(Index::check_id(&values::id(id)?)?)
    }

    #[wasm_bindgen(js_name = checkNewId)]
    pub fn check_new_id(&self, id: &JsValue) -> Result<(), JsValue> {
        Ok(self.borrow()?.index.check_new_id(&values::id(id)?)?)
    }

    pub fn reserve(&self, count: f64) -> Result<(), JsValue> {
        Ok(self.borrow()?.index.reserve(count as usize)?)
    }

    /// Inserts a record: under the next number, which it returns (`how` 0), under an id that no record has (1), or
    /// under an id whose record it replaces (2). With `puts_off` it waits for its links. One method for all three
    /// (size).
    #[allow(clippy::too_many_arguments, reason = "what JavaScript passes apart needs no object")]
    pub fn put(
        &self,
        how: u8,
        id: &JsValue,
        vector: &Float32Array,
        kind: u8,
        bytes: Option<Uint8Array>,
        expires: Option<f64>,
        puts_off: bool,
    ) -> Result<Option<f64>, JsValue> {
        let id = if how == 0 { None } else { Some(values::id(id)?) };
        let mut inner = self.borrow()?;
        let Inner { index, vector: components, payload, .. } = &mut *inner;
        values::vector(vector, components)?;
        let payload = values::payload(kind, bytes.as_ref(), payload)?;
        index.put_off_links(puts_off);
        let number = match id {
            None => index.insert_expiring(components, payload, expires).map(|id| id.as_number()),
            Some(id) if how == 1 => index.insert_with_id_expiring(id, components, payload, expires).map(|()| None),
            Some(id) => index.upsert_expiring(id, components, payload, expires).map(|()| None),
        };
        index.put_off_links(false);
        Ok(number?.map(|number| number as f64))
    }

    /// Deletes the records that have expired by `now`. Returns when the next record expires, infinity if none does.
    pub fn expire(&self, now: f64) -> Result<f64, JsValue> {
        let index = &mut self.borrow()?.index;
        index.expire(now);
        Ok(index.next_expiry_ms().unwrap_or(f64::INFINITY))
    }

    /// Returns the slot of a live record, or -1.
    pub fn locate(&self, id: &JsValue) -> Result<f64, JsValue> {
        let inner = self.borrow()?;
        inner.index.parts.records.begin_call();
        let slot = inner.index.parts.ids.slot_of(&values::id(id)?).map_err(Error::from)?;
        Ok(slot.map_or(-1.0, |slot| f64::from(slot.0)))
    }

    #[wasm_bindgen(js_name = idAt)]
    pub fn id_at(&self, slot: u32) -> Result<JsValue, JsValue> {
        Ok(self.borrow()?.index.parts.ids.id_of(Slot(slot)).map_or(JsValue::UNDEFINED, |id| values::id_to_js(&id)))
    }

    #[wasm_bindgen(js_name = vectorAt)]
    pub fn vector_at(&self, slot: u32) -> Result<Float32Array, JsValue> {
        let inner = self.borrow()?;
        inner.index.need([Slot(slot)].into_iter())?;
        let (vector, _) = inner.index.contents(Slot(slot)).ok_or_else(lost)?;
        Ok(Float32Array::from(vector))
    }

    pub fn delete(&self, id: &JsValue) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.delete(&values::id(id)?)?)
    }

    pub fn clear(&self) -> Result<(), JsValue> {
        Ok(self.borrow()?.index.clear()?)
    }
}
