//! The exported class: inserting many records or searching for many queries in one call, on all threads.

use super::raw_index::{Inner, RawIndex};
use super::raw_search::{add_hits, parse_options};
use super::values;
use crate::index::{Error, NewRecord, batch_len};
use crate::types::{Candidate, Id};
use core::ops::Range;
use js_sys::{Array, Float32Array, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// The longest payload buffer that is kept for the next call.
const KEPT_BYTES: usize = 1 << 24;

/// The records gathered for such a call, and the hits found by one.
#[derive(Debug, Default)]
pub(super) struct Many {
    rows: Vec<Row>,
    vectors: Vec<f32>,
    payloads: Vec<u8>,
    found: Vec<Vec<Candidate>>,
}

/// A record to be inserted, and where its vector and payload are.
#[derive(Debug)]
struct Row {
    id: Option<Id>,
    vector: Range<usize>,
    payload: Option<(u8, Range<usize>)>,
    expires_ms: Option<f64>,
}

/// Makes a buffer longer by `len` and returns the range of the new part.
fn room<T: Copy + Default>(buffer: &mut Vec<T>, len: u32) -> Result<Range<usize>, Error> {
    let start = buffer.len();
    buffer.try_reserve(len as usize).map_err(|_| Error::OutOfMemory)?;
    buffer.resize(start + len as usize, T::default());
    Ok(start..buffer.len())
}

impl Many {
    fn records(&self) -> Result<Vec<NewRecord<'_>>, Error> {
        let mut records = Vec::new();
        records.try_reserve_exact(self.rows.len()).map_err(|_| Error::OutOfMemory)?;
        for Row { id, vector, payload, expires_ms } in &self.rows {
            let id = id.as_ref().map(Id::try_clone).transpose()?;
            let payload =
                payload.as_ref().map(|(kind, place)| values::payload_of(*kind, &self.payloads[place.clone()]));
            let (vector, payload) = (&self.vectors[vector.clone()], payload.transpose()?);
            records.push(NewRecord { id, vector, payload, expires_ms: *expires_ms });
        }
        Ok(records)
    }

    /// Frees large buffers: memory kept here is of no use to anything else.
    fn forget_rows(&mut self) {
        self.rows.clear();
        self.vectors.clear();
        self.payloads.clear();
        if self.payloads.capacity() > KEPT_BYTES {
            self.payloads = Vec::new();
        }
    }
}

#[wasm_bindgen]
impl RawIndex {
    /// Returns how many records one call of `insertGathered` should get. It depends only on the index, so that the
    /// resulting graph does too.
    #[wasm_bindgen(getter, js_name = batchLength)]
    pub fn batch_length(&self) -> Result<u32, JsValue> {
        Ok(batch_len(self.borrow()?.index.len()) as u32)
    }

    /// Adds a record for `insertGathered`. Without an id it gets the next number.
    pub fn gather(
        &self,
        id: &JsValue,
        vector: &Float32Array,
        kind: u8,
        bytes: Option<Uint8Array>,
        expires: Option<f64>,
    ) -> Result<(), JsValue> {
        let id = if id.is_undefined() { None } else { Some(values::id(id)?) };
        let Many { rows, vectors, payloads, .. } = &mut self.borrow()?.many;
        rows.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
        let place = room(vectors, vector.length())?;
        vector.copy_to(&mut vectors[place.clone()]);
        let payload = match bytes {
            None => None,
            Some(bytes) => {
                let place = room(payloads, bytes.length())?;
                bytes.copy_to(&mut payloads[place.clone()]);
                Some((kind, place))
            }
        };
        rows.push(Row { id, vector: place, payload, expires_ms: expires });
        Ok(())
    }

    /// Inserts what was gathered, all or none, and returns the ids. Afterwards nothing is gathered.
    #[wasm_bindgen(js_name = insertGathered)]
    pub fn insert_gathered(&self) -> Result<Array, JsValue> {
        let mut inner = self.borrow()?;
        let Inner { index, many, .. } = &mut *inner;
        let ids = many.records().and_then(|records| index.insert_many(&records));
        many.forget_rows();
        Ok(ids?.iter().map(values::id_to_js).collect())
    }

    /// Discards what was gathered, after one of the records was refused.
    #[wasm_bindgen(js_name = forgetGathered)]
    pub fn forget_gathered(&self) -> Result<(), JsValue> {
        self.borrow()?.many.forget_rows();
        Ok(())
    }

    /// Returns the address at which to write `count` queries for the next `searchMany`, one after the other, like
    /// `queryAt` does for one.
    #[wasm_bindgen(js_name = queriesAt)]
    pub fn queries_at(&self, count: usize) -> Result<u32, JsValue> {
        let mut inner = self.borrow()?;
        let Inner { index, vector, .. } = &mut *inner;
        values::resize(vector, count.saturating_mul(index.config().dimensions))?;
        Ok(vector.as_ptr().addr() as u32)
    }

    /// Returns the address of the hits of each query, one after the other, each in the form that `search` uses.
    #[wasm_bindgen(js_name = searchMany)]
    pub fn search_many(&self, k: Option<f64>, ef: Option<f64>, rerank: Option<bool>) -> Result<u32, JsValue> {
        let options = parse_options(k, ef, rerank)?;
        let mut inner = self.borrow()?;
        let Inner { index, vector, hits, many: Many { found, .. }, .. } = &mut *inner;
        let count = vector.len() / index.config().dimensions;
        found.try_reserve(count.saturating_sub(found.len())).map_err(|_| Error::OutOfMemory)?;
        found.resize_with(count, Vec::new);
        index.search_slots_of_many(vector, &options, found)?;
        hits.clear();
        found.iter().try_for_each(|found| add_hits(index, found, hits))?;
        Ok(hits.as_ptr().addr() as u32)
    }
}
