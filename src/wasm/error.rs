//! `Error` -> a JavaScript error with a code; what JavaScript throws -> `StoreError`.

use super::values::describe;
use crate::index::Error;
use crate::store::StoreError;
use js_sys::Reflect;
use wasm_bindgen::JsValue;

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let thrown: Self = match error {
            // There may be no memory for a copy of its words.
            Error::OutOfMemory => js_sys::Error::new(crate::index::OUT_OF_MEMORY),
            _ => js_sys::Error::new(&error.to_string()),
        }
        .into();
        // Setting a property of an object just made does not fail.
        let _ = Reflect::set(&thrown, &"code".into(), &error.code().into());
        thrown
    }
}

/// What the platform or a caller's store threw, or rejected a promise with: an error of the package's by its code, a full
/// medium by the name that the platform has for it, and anything else by its words. Of an event, its target's error.
impl From<JsValue> for StoreError {
    fn from(thrown: JsValue) -> Self {
        // There is nothing to get from what is no object.
        let get = |from: &JsValue, name: &str| Reflect::get(from, &name.into()).unwrap_or_default();
        let target = get(&thrown, "target");
        let error = if target.is_object() { get(&target, "error") } else { thrown };
        let text = |name| get(&error, name).as_string();
        let (name, message) = (text("name"), text("message"));
        let words = message.unwrap_or_else(|| {
            if target.is_object() { "the browser gave no reason".to_owned() } else { describe(&error) }
        });
        match text("code").as_ref().or(name.as_ref()).map(String::as_str) {
            Some("QUOTA_EXCEEDED" | "QuotaExceededError") => Self::QuotaExceeded,
            Some("LOCKED") => Self::Locked { by: words },
            Some("READ_ONLY") => Self::ReadOnly,
            Some("OUT_OF_MEMORY") => Self::OutOfMemory,
            _ => match name.as_deref() {
                None | Some("Error") => Self::Failed { why: words },
                Some(name) => Self::Failed { why: [name, ": ", &words].concat() },
            },
        }
    }
}
