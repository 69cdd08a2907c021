//! The exported class: carrying an index into another instance.

use super::bytes::new_bytes;
use super::raw_index::RawIndex;
use crate::index::{Carrying, Config, Error, Index};
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl RawIndex {
    /// Returns the part of this index that begins at a slot: 0, or the one that `take` has returned for the part
    /// before. No record may wait.
    pub fn carry(&self, from: u32) -> Result<Uint8Array, JsValue> {
        let part = self.borrow()?.index.carry(from as usize)?;
        let array = new_bytes(part.len())?;
        array.copy_from(&part);
        Ok(array)
    }

    /// Makes an index of the parts of one in another instance, of which this is the first. It is empty until all of
    /// them have been taken.
    pub fn carried(first: &Uint8Array) -> Result<RawIndex, JsValue> {
        let carrying = Box::new(Carrying::begin(first)?);
        let raw = Self::around(Index::new(Config::new(1))?)?;
        raw.borrow()?.carrying = Some(carrying);
        Ok(raw)
    }

    /// Takes the next part, the first included. Returns the slot at which the part after it begins; undefined once all
    /// have been taken. After an error the rest cannot be taken.
    pub fn take(&self, part: &Uint8Array) -> Result<Option<u32>, JsValue> {
        let inner = &mut *self.borrow()?;
        let carrying = inner.carrying.take().and_then(|carrying| carrying.downcast::<Carrying>().ok());
        let mut carrying = carrying.ok_or(Error::Busy)?;
        let next = carrying.take(part)?;
        if next.is_some() {
            inner.carrying = Some(carrying);
        } else {
            inner.index = carrying.finish()?;
        }
        Ok(next.map(|next| next as u32))
    }
}
