//! `performance.now`.

use crate::driver::Clock;
use js_sys::Reflect;
use wasm_bindgen::JsCast;
use web_sys::Performance;

/// The platform's monotonic clock, or the date where there is none.
#[derive(Debug)]
pub(super) struct JsClock {
    performance: Option<Performance>,
}

impl Default for JsClock {
    fn default() -> Self {
        // Pages, workers and Node all have it on the global object, whose class differs in each.
        let found = Reflect::get(&js_sys::global(), &"performance".into()).ok();
        Self { performance: found.filter(wasm_bindgen::JsValue::is_object).map(JsCast::unchecked_into) }
    }
}

impl Clock for JsClock {
    fn now_ms(&self) -> f64 {
        self.performance.as_ref().map_or_else(js_sys::Date::now, Performance::now)
    }
}
