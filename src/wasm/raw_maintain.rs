//! The exported class: compaction, statistics, check and bytes.

use super::bytes::new_bytes;
use super::raw_index::{Inner, RawIndex};
use super::reports::{CheckObject, ProgressObject, ReportObject, StatsObject, to_object};
use super::{options, values};
use crate::index::{Error, Index};
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl RawIndex {
    #[wasm_bindgen(getter, js_name = needsCompaction)]
    pub fn needs_compaction(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.needs_compaction())
    }

    #[wasm_bindgen(getter, js_name = compactionThreshold)]
    pub fn compaction_threshold(&self) -> Result<f64, JsValue> {
        Ok(self.borrow()?.index.compaction_threshold())
    }

    #[wasm_bindgen(setter, js_name = compactionThreshold)]
    pub fn set_compaction_threshold(&self, value: &JsValue) -> Result<(), JsValue> {
        Ok(self.borrow()?.index.set_compaction_threshold(options::threshold(value)?)?)
    }

    #[wasm_bindgen(getter)]
    pub fn compacting(&self) -> Result<bool, JsValue> {
        Ok(self.borrow()?.index.compact_progress().is_some())
    }

    /// Begins a compaction.
    #[wasm_bindgen(js_name = compactStart)]
    pub fn compact_start(&self) -> Result<(), JsValue> {
        Ok(self.borrow()?.index.compact_start()?)
    }

    /// Works for one slice. Returns true while work remains; when it ends, the report is ready.
    #[wasm_bindgen(js_name = compactStep)]
    pub fn compact_step(&self, budget_ms: f64) -> Result<bool, JsValue> {
        let mut inner = self.borrow()?;
        let Inner { index, clock, .. } = &mut *inner;
        let more = index.compact_slice(clock, budget_ms)?;
        if !more {
            index.compact_finish();
        }
        Ok(more)
    }

    /// Links pending records into the graph for about `budget_ms`: those read from logs, those inserted while product
    /// codes were being trained, and those of a bulk build. Finishes any training under way first. Returns true while
    /// work remains.
    #[wasm_bindgen(js_name = linkSlice)]
    pub fn link_slice(&self, budget_ms: f64) -> Result<bool, JsValue> {
        let mut inner = self.borrow()?;
        let Inner { index, clock, .. } = &mut *inner;
        Ok(index.link_slice(clock, budget_ms)?)
    }

    #[wasm_bindgen(js_name = compactAbort)]
    pub fn compact_abort(&self) -> Result<(), JsValue> {
        self.borrow()?.index.compact_abort();
        Ok(())
    }

    #[wasm_bindgen(js_name = compactProgress)]
    pub fn compact_progress(&self) -> Result<JsValue, JsValue> {
        let progress = self.borrow()?.index.compact_progress();
        progress.map_or(Ok(JsValue::UNDEFINED), |progress| to_object(&ProgressObject::from(progress)))
    }

    #[wasm_bindgen(js_name = compactReport)]
    pub fn compact_report(&self) -> Result<JsValue, JsValue> {
        let report = self.borrow()?.index.last_compaction().copied();
        report.map_or(Ok(JsValue::UNDEFINED), |report| to_object(&ReportObject::from(&report)))
    }

    pub fn stats(&self) -> Result<JsValue, JsValue> {
        let inner = self.borrow()?;
        to_object(&StatsObject::new(&inner.index.stats(), inner.index.last_compaction()))
    }

    /// Returns undefined while many records are being linked together.
    pub fn check(&self) -> Result<JsValue, JsValue> {
        match self.borrow()?.index.check() {
            Err(Error::Unlinked) => Ok(JsValue::UNDEFINED),
            checked => to_object(&CheckObject::from(&checked?)),
        }
    }

    /// Returns the index as bytes, in an array outside the WebAssembly heap. Links pending records first, blocking the
    /// thread.
    pub fn export(&self) -> Result<Uint8Array, JsValue> {
        let mut inner = self.borrow()?;
        inner.index.link_all()?;
        let layout = inner.index.layout()?;
        let total = usize::try_from(layout.total_bytes()).map_err(|_| Error::OutOfMemory)?;
        let mut array = new_bytes(total)?;
        inner.index.export_to(layout, &mut array)?;
        Ok(array)
    }

    /// Makes an index from these bytes. Given options that are fixed for an index's life must agree with it.
    pub fn import(bytes: &JsValue, options: &JsValue) -> Result<RawIndex, JsValue> {
        use wasm_bindgen::JsCast;
        let Some(array) = bytes.dyn_ref::<Uint8Array>() else {
            return Err(Error::Corrupt {
                what: format!("expected a Uint8Array, received {}", values::describe(bytes)),
            }
            .into());
        };
        let mut index = Index::import_from(array)?;
        let config = options::merged(*index.config(), options)?;
        index.set_options(config)?;
        Self::around(index)
    }
}
