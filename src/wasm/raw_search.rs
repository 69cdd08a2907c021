//! The exported class: search, and reading hits.

use super::bytes::new_bytes;
use super::raw_index::{Inner, RawIndex};
use super::{options, values};
use crate::index::{Error, Index, SearchOptions};
use crate::types::{Candidate, Id, Slot};
use js_sys::{Function, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Returns the search options, without a filter.
#[inline(always)]
pub(super) fn parse_options<'f>(
    k: Option<f64>,
    ef: Option<f64>,
    rerank: Option<bool>,
) -> Result<SearchOptions<'f>, Error> {
    let mut parsed = SearchOptions::default();
    if let Some(k) = k {
        parsed.k = options::count("k", options::WIDTH, &k.into())?;
    }
    if let Some(ef) = ef {
        parsed.ef = Some(options::count("ef", options::WIDTH, &ef.into())?);
    }
    parsed.rerank = rerank.unwrap_or(parsed.rerank);
    Ok(parsed)
}

/// Adds the number of hits, and for each hit its slot, its id (NaN for a string) and its distance.
#[inline(always)]
pub(super) fn add_hits(index: &Index, found: &[Candidate], hits: &mut Vec<f64>) -> Result<(), Error> {
    hits.try_reserve(1 + 3 * found.len()).map_err(|_| Error::OutOfMemory)?;
    hits.push(found.len() as f64);
    hits.extend(found.iter().flat_map(|hit| {
        let id = match index.parts.ids.id_of(hit.slot).as_deref() {
            Some(Id::Number(number)) => *number as f64,
            _ => f64::NAN,
        };
        // The sum makes the -0 of a negated product 0.
        [f64::from(hit.slot.0), id, f64::from(hit.distance) + 0.0]
    }));
    Ok(())
}

#[wasm_bindgen]
impl RawIndex {
    /// Returns the address at which to write the query of the next search, one `f32` per dimension. It is valid until
    /// the next call. Queries and hits go through memory, because a typed array for each would make garbage collection
    /// cost more than a tenth of the search.
    #[wasm_bindgen(js_name = queryAt)]
    pub fn query_at(&self) -> Result<u32, JsValue> {
        let mut inner = self.borrow()?;
        let Inner { index, vector, .. } = &mut *inner;
        values::resize(vector, index.config().dimensions)?;
        Ok(vector.as_ptr().addr() as u32)
    }

    /// Returns the address of the hits in `f64`, valid until the next call: their number, and for each hit its slot,
    /// its id (NaN for a string) and its distance. Slots are valid until the index changes.
    pub fn search(
        &self,
        k: Option<f64>,
        ef: Option<f64>,
        rerank: Option<bool>,
        filter: Option<Function>,
    ) -> Result<u32, JsValue> {
        let options = parse_options(k, ef, rerank)?;
        let mut inner = self.borrow()?;
        let Inner { index, vector, found, hits, .. } = &mut *inner;
        let mut thrown = None;
        let mut call = |filter: &Function, id: &Id| match filter.call1(&JsValue::UNDEFINED, &values::id_to_js(id)) {
            Ok(passes) => passes.is_truthy(),
            Err(error) => {
                thrown.get_or_insert(error);
                false
            }
        };
        let searched = match filter {
            None => index.search_slots(vector, options, found),
            Some(filter) => {
                let mut passes = |id: &Id| call(&filter, id);
                index.search_slots(vector, options.with_filter(&mut passes), found)
            }
        };
        // Report the filter's exception first. The search may have failed with `Cold`, and a retry would call the
        // broken filter.
        if let Some(error) = thrown {
            return Err(error);
        }
        searched?;
        hits.clear();
        add_hits(index, found, hits)?;
        Ok(hits.as_ptr().addr() as u32)
    }

    /// Returns the payloads in several slots as one copy: for each a little-endian word with its kind in the top two
    /// bits and its length in the rest, then its bytes.
    #[wasm_bindgen(js_name = payloadsAt)]
    pub fn payloads_at(&self, slots: &js_sys::Uint32Array) -> Result<Uint8Array, JsValue> {
        let mut inner = self.borrow()?;
        let Inner { index, payload: gathered, .. } = &mut *inner;
        gathered.clear();
        let mut asked = Vec::new();
        values::resize(&mut asked, slots.length() as usize)?;
        slots.copy_to(&mut asked);
        index.need(asked.iter().map(|&slot| Slot(slot)))?;
        for slot in asked {
            let payload = index.contents(Slot(slot)).and_then(|(_, payload)| payload);
            let (kind, bytes) = payload.map_or((0, &[][..]), values::payload_parts);
            gathered.try_reserve(4 + bytes.len()).map_err(|_| Error::OutOfMemory)?;
            gathered.extend_from_slice(&(u32::from(kind) << 30 | bytes.len() as u32).to_le_bytes());
            gathered.extend_from_slice(bytes);
        }
        let array = new_bytes(gathered.len())?;
        array.copy_from(gathered);
        Ok(array)
    }
}
