//! A caller's JavaScript object as a place for named bytes. It has the methods `read`, `commit`, `list` and `close` of
//! the package's interface `Store`, and possibly `append`. An exception counts as a rejected promise.

use super::asked::Asked;
use super::bytes::own_memory;
use super::object::{get, set, unexpected};
use super::values::whole;
use crate::store::StoreError;
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// The longest value, in bytes, that an object without the property `valueBytes` is assumed to handle well.
const VALUE_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct JsStore {
    pub(super) object: JsValue,
}

impl JsStore {
    pub(super) fn value_bytes(&self) -> Result<usize, StoreError> {
        let limit = get(&self.object, "valueBytes")?;
        match whole(&limit) {
            Some(bytes) if bytes > 0 => Ok(usize::try_from(bytes).unwrap_or(usize::MAX)),
            None if limit.is_undefined() => Ok(VALUE_BYTES),
            _ => Err(unexpected("a whole number above 0 as valueBytes", &limit)),
        }
    }

    pub(super) fn can_append(&self) -> bool {
        get(&self.object, "append").is_ok_and(|method| !method.is_undefined())
    }

    /// Returns whether the object reads into memory lent to it.
    pub(super) fn takes_room(&self) -> bool {
        get(&self.object, "takesRoom").is_ok_and(|takes| takes.is_truthy())
    }

    /// Asks for values. The package's own stores put them into `memory` as far as there is room. Other code runs before
    /// the read ends and may grow the memory; the values put into it are then lost.
    pub(super) fn read(&self, queries: &Array, memory: &mut [u8]) -> Result<Asked, StoreError> {
        let arguments = Array::of1(queries);
        if !memory.is_empty() {
            arguments.push(&own_memory(memory)?);
        }
        self.call("read", &arguments)
    }

    pub(super) fn write(&self, puts: &Array, deletes: &Array) -> Result<Asked, StoreError> {
        let batch = Object::new();
        set(&batch, "puts", puts)?;
        set(&batch, "deletes", deletes)?;
        self.call("commit", &Array::of1(&batch))
    }

    pub(super) fn call(&self, method: &str, arguments: &Array) -> Result<Asked, StoreError> {
        let found = get(&self.object, method)?;
        if !found.is_function() {
            return Err(unexpected(&["a method ", method].concat(), &found));
        }
        let function: &Function = found.unchecked_ref();
        let answer: JsValue = Reflect::apply(function, &self.object, arguments)?;
        Ok(Asked::for_value(Promise::resolve(&answer)))
    }
}
