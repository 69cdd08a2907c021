//! The exported class: the bulk build of its graph.

use super::raw_index::RawIndex;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl RawIndex {
    /// Makes records that are inserted from here on wait until `endBulk`. Returns false if the index is not empty, if
    /// its codes or options do not suit, or if records wait already; these can then be linked together, too.
    #[wasm_bindgen(js_name = beginBulk)]
    pub fn begin_bulk(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.begin_bulk())
    }

    /// Ends the wait. `linkSlice` links the records.
    #[wasm_bindgen(js_name = endBulk)]
    pub fn end_bulk(&self) -> Result<(), JsValue> {
        self.borrow()?.index.end_bulk();
        Ok(())
    }
}
