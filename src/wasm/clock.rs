//! `performance.now`.

use crate::driver::Clock;
use js_sys::{Function, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// The platform's monotonic clock; the date where there is none.
#[derive(Debug)]
pub(super) struct JsClock {
    performance: JsValue,
    now: Option<Function>,
}

impl Default for JsClock {
    fn default() -> Self {
        let performance = Reflect::get(&js_sys::global(), &"performance".into()).unwrap_or_default();
        let now = Reflect::get(&performance, &"now".into()).ok().and_then(|now| now.dyn_into().ok());
        Self { performance, now }
    }
}

impl Clock for JsClock {
    fn now_ms(&self) -> f64 {
        let now = self.now.as_ref().and_then(|now| now.call0(&self.performance).ok());
        now.and_then(|now| now.as_f64()).unwrap_or_else(js_sys::Date::now)
    }
}
