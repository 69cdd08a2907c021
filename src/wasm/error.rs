//! `Error` -> a JavaScript error with a code.

use crate::index::Error;
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
