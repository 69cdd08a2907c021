//! A store that is a caller's JavaScript object, with the methods of the package's interface `Store`. Nothing that comes
//! back from it is believed before it is checked, and what it throws is as good as a rejected promise.

mod names;

use super::bytes::{copy_out, items, join, unexpected};
use super::pieces::Pieces;
use super::values::whole;
use crate::store::{Batch, Store, StoreError};
use js_sys::futures::JsFuture;
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// What an object is taken to handle well that does not say so by its property `valueBytes`.
const VALUE_BYTES: usize = 1 << 20;

/// An object with the methods `read`, `commit`, `list` and `close`, and perhaps `append`.
///
/// Without `append`, what is appended is committed as small values under keys of their own. Those are also found when the
/// object has got an `append` since: a value that has such pieces goes on to grow by them.
#[derive(Debug)]
pub struct JsStore {
    object: JsValue,
    appends: bool,
    value_bytes: usize,
    pieces: Pieces,
}

impl JsStore {
    /// The object as a store, once it has listed its keys.
    pub async fn open(object: JsValue) -> Result<Self, StoreError> {
        let limit = Reflect::get(&object, &"valueBytes".into())?;
        let value_bytes = match whole(&limit) {
            Some(bytes) if bytes > 0 => usize::try_from(bytes).unwrap_or(usize::MAX),
            None if limit.is_undefined() => VALUE_BYTES,
            _ => return Err(unexpected("a whole number above 0 as valueBytes", &limit)),
        };
        let appends = !Reflect::get(&object, &"append".into())?.is_undefined();
        let store = Self { object, appends, value_bytes, pieces: Pieces::default() };
        store.list("").await?;
        Ok(store)
    }

    async fn call(&self, method: &str, arguments: &Array) -> Result<JsValue, StoreError> {
        let found = Reflect::get(&self.object, &method.into())?;
        if !found.is_function() {
            return Err(unexpected(&["a method ", method].concat(), &found));
        }
        let function: &Function = found.unchecked_ref();
        let answer: JsValue = Reflect::apply(function, &self.object, arguments)?;
        Ok(JsFuture::from(Promise::resolve(&answer)).await?)
    }

    async fn write(&self, puts: &Array, deletes: &Array) -> Result<(), StoreError> {
        let batch = Object::new();
        Reflect::set(&batch, &"puts".into(), puts)?;
        Reflect::set(&batch, &"deletes".into(), deletes)?;
        self.call("commit", &Array::of1(&batch)).await.map(drop)
    }
}

impl Store for JsStore {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let asked = Array::new();
        let counts: Vec<u32> = keys.iter().map(|key| self.pieces.count(key)).collect();
        for (key, &count) in keys.iter().zip(&counts) {
            asked.push(&names::of_value(key).into());
            for number in 0..count {
                asked.push(&names::of_piece(key, number).into());
            }
        }
        let answer = self.call("read", &Array::of1(&asked)).await?;
        let found = items(&answer)?;
        if found.len() != asked.length() as usize {
            return Err(unexpected("an array with a value for each key", &answer));
        }
        let mut found = found.iter();
        counts
            .into_iter()
            .map(|count| {
                let mut value = None;
                found.by_ref().take(count as usize + 1).try_for_each(|part| join(part, &mut value))?;
                Ok(value)
            })
            .collect()
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let replaced = self.pieces.replaced_by(&batch);
        let (puts, deletes) = (Array::new(), Array::new());
        // Each value is given back as soon as it is copied.
        for (key, value) in batch.puts {
            puts.push(&entry(&names::of_value(&key), &copy_out(&value)?));
        }
        for key in &batch.deletes {
            deletes.push(&names::of_value(key).into());
        }
        for key in &replaced {
            for number in 0..self.pieces.count(key) {
                deletes.push(&names::of_piece(key, number).into());
            }
        }
        self.write(&puts, &deletes).await?;
        self.pieces.forget(&replaced);
        Ok(())
    }

    async fn append(&self, key: &str, mut bytes: &[u8]) -> Result<(), StoreError> {
        if self.appends && self.pieces.count(key) == 0 {
            let arguments = Array::of2(&names::of_value(key).into(), &copy_out(bytes)?);
            return self.call("append", &arguments).await.map(drop);
        }
        let puts = Array::new();
        loop {
            let (piece, rest) = bytes.split_at(bytes.len().min(self.value_bytes));
            puts.push(&entry(&names::of_piece(key, self.pieces.next(key)), &copy_out(piece)?));
            bytes = rest;
            if bytes.is_empty() {
                break;
            }
        }
        self.write(&puts, &Array::new()).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let answer = self.call("list", &Array::of1(&prefix.into())).await?;
        let mut entries = Vec::new();
        for name in items(&answer)? {
            match name.as_string() {
                Some(text) if text.starts_with(prefix) => entries.push(names::parse(&text)),
                _ => return Err(unexpected("an array of keys that begin as asked", &name)),
            }
        }
        Ok(self.pieces.keys_of(entries))
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.call("close", &Array::new()).await.map(drop)
    }

    fn value_bytes(&self) -> usize {
        self.value_bytes
    }
}

fn entry(name: &str, bytes: &JsValue) -> Array {
    Array::of2(&name.into(), bytes)
}
