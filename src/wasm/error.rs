//! Converts `Error` to a JavaScript error with a code, and what JavaScript throws to `StoreError`.

use super::object::failed;
use super::values::describe;
use crate::index::Error;
use crate::store::StoreError;
use core::cell::Cell;
use js_sys::{Reflect, Uint32Array};
use wasm_bindgen::JsValue;

thread_local! {
    /// What the store threw to end the current call: see [`caused`].
    static THROWN: Cell<Option<JsValue>> = const { Cell::new(None) };
}

/// Returns the error of a call that waits, with what the store threw as its cause.
///
/// A store's failure ends the call in the same turn in which it arrives: nothing else runs between the conversion below
/// and this function, so the cause belongs to this call, whatever else fails. A call that waits once more on its way
/// out calls this first.
#[inline(never)]
pub(super) fn caused(error: JsValue) -> JsValue {
    if let Some(thrown) = THROWN.take() {
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&error, &"cause".into(), &thrown);
    }
    error
}

/// Forgets what the store threw: it has answered since, or its failure ends no call.
pub(super) fn forget_thrown() {
    THROWN.take();
}

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let thrown: Self = match &error {
            // Only the facade sees this error: it reads the blocks and calls again.
            Error::Cold(plan) => {
                let thrown = js_sys::Object::new().into();
                let _ = Reflect::set(&thrown, &"blocks".into(), &Uint32Array::from(plan.blocks()).into());
                return thrown;
            }
            // There may be no memory for a copy of the message.
            Error::OutOfMemory => js_sys::Error::new(crate::index::OUT_OF_MEMORY),
            _ => js_sys::Error::new(&error.to_string()),
        }
        .into();
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&thrown, &"code".into(), &error.code().into());
        thrown
    }
}

/// Converts what the platform or a caller's store threw or rejected with: an error of the package by its code, a full
/// medium by the platform's name for it, and anything else by its message. For an event, uses its target's error.
impl From<JsValue> for StoreError {
    #[cold]
    #[inline(never)]
    fn from(thrown: JsValue) -> Self {
        let target = property(&thrown, "target");
        let is_event = target.is_object();
        let error = if is_event { property(&target, "error") } else { thrown };
        let words = property(&error, "message")
            .as_string()
            .unwrap_or_else(|| if is_event { "the browser gave no reason".to_owned() } else { describe(&error) });
        let name = property(&error, "name").as_string().unwrap_or_default();
        let code = property(&error, "code").as_string().unwrap_or_default();
        THROWN.set(Some(error));
        match if code.is_empty() { name.as_str() } else { code.as_str() } {
            "QUOTA_EXCEEDED" | "QuotaExceededError" => Self::QuotaExceeded,
            "LOCKED" => Self::Locked { by: words },
            "READ_ONLY" => Self::ReadOnly,
            "OUT_OF_MEMORY" => Self::OutOfMemory,
            _ if name.is_empty() || name == "Error" => Self::Failed { why: words },
            _ => failed(&[&name, ": ", &words]),
        }
    }
}

/// Returns undefined if the value is not an object.
#[inline(never)]
fn property(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap_or_default()
}
