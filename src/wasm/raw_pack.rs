//! The exported class: graph order.

use super::raw_index::RawIndex;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl RawIndex {
    /// Begins a compaction that also puts the index in graph order.
    #[wasm_bindgen(js_name = packStart)]
    pub fn pack_start(&self) -> Result<(), JsValue> {
        Ok(self.borrow()?.index.pack_start()?)
    }
}
