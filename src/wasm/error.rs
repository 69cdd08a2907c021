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
/// medium by the name that the platform has for it, and anything else by its words.
impl From<JsValue> for StoreError {
    fn from(thrown: JsValue) -> Self {
        // There is nothing to get from what is no object.
        let text = |name: &str| Reflect::get(&thrown, &name.into()).ok()?.as_string();
        let (name, message) = (text("name"), text("message"));
        match text("code").as_deref().or(name.as_deref()) {
            Some("QUOTA_EXCEEDED" | "QuotaExceededError") => Self::QuotaExceeded,
            Some("LOCKED") => Self::Locked { by: message.unwrap_or_default() },
            Some("READ_ONLY") => Self::ReadOnly,
            Some("OUT_OF_MEMORY") => Self::OutOfMemory,
            _ => {
                let words = message.unwrap_or_else(|| describe(&thrown));
                let why = match name.as_deref() {
                    None | Some("Error") => words,
                    Some(name) => [name, ": ", &words].concat(),
                };
                Self::Failed { why }
            }
        }
    }
}
