//! IndexedDB's events, awaited.

use crate::store::StoreError;
use js_sys::Reflect;
use js_sys::futures::JsFuture;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbFactory, IdbTransaction};

#[wasm_bindgen]
extern "C" {
    /// A database whose transactions take options: they are not among web-sys's stable declarations.
    type WithOptions;

    #[wasm_bindgen(method, catch, js_name = transaction)]
    fn begin(this: &WithOptions, values: &str, mode: &str, options: &JsValue) -> Result<IdbTransaction, JsValue>;
}

/// Waits for the first of the events whose handlers are named, and gives its type.
///
/// The handlers are the functions that settle a promise, which belong to JavaScript: there is no closure of ours to keep
/// until the event, and none to drop after it.
pub(super) async fn first_of(target: &JsValue, handlers: &[&str]) -> Result<String, StoreError> {
    let event = js_sys::Promise::new(&mut |resolve, _| {
        for handler in handlers {
            // These objects are the platform's own; setting a handler of theirs does not fail.
            let _ = Reflect::set(target, &(*handler).into(), &resolve);
        }
    });
    let kind = Reflect::get(&JsFuture::from(event).await?, &"type".into())?;
    Ok(kind.as_string().unwrap_or_default())
}

/// Why a request or a transaction failed.
pub(super) fn error_of(target: &JsValue) -> StoreError {
    let error = Reflect::get(target, &"error".into()).unwrap_or_default();
    if error.is_object() {
        return error.into();
    }
    StoreError::Failed {
        why: "IndexedDB gave up without a reason; the browser may have closed the database".to_owned(),
    }
}

/// Waits until everything that a transaction was asked for has been done.
pub(super) async fn completed(transaction: &IdbTransaction) -> Result<(), StoreError> {
    match first_of(transaction, &["oncomplete", "onabort"]).await?.as_str() {
        "complete" => Ok(()),
        _ => Err(error_of(transaction)),
    }
}

/// Begins a transaction.
pub(super) fn begin(
    database: &IdbDatabase,
    values: &str,
    mode: &str,
    durability: &str,
) -> Result<IdbTransaction, StoreError> {
    let options = js_sys::Object::new();
    let _ = Reflect::set(&options, &"durability".into(), &durability.into());
    database.unchecked_ref::<WithOptions>().begin(values, mode, &options).map_err(|error| {
        // The one state in which a database begins no transaction.
        if Reflect::get(&error, &"name".into()).is_ok_and(|name| name == "InvalidStateError") {
            let why = "the database is closed: it was deleted elsewhere, or the browser cleared or closed it";
            return StoreError::Failed { why: why.to_owned() };
        }
        error.into()
    })
}

/// The platform's IndexedDB. Pages and workers both have it on the global object; Node has none.
pub(super) fn factory() -> Result<IdbFactory, StoreError> {
    let found = Reflect::get(&js_sys::global(), &"indexedDB".into()).unwrap_or_default();
    if !found.is_object() {
        return Err(StoreError::Failed { why: "there is no IndexedDB here".to_owned() });
    }
    Ok(found.unchecked_into())
}
