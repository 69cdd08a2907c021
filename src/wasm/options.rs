//! Converts options objects to `Config`. Absent and undefined mean the default; anything else is checked.

use super::values::{describe, whole};
use crate::index::{Config, Error};
use crate::metric::Metric;
use crate::quantize::Quantization;
use js_sys::Reflect;
use wasm_bindgen::JsValue;

const DIMENSIONS: &str = "a whole number from 1 to 8192";
/// The range of `k` and `ef`.
pub(super) const WIDTH: &str = "a whole number from 1 to 10000";

fn get(options: &JsValue, name: &'static str) -> Result<Option<JsValue>, Error> {
    let value = Reflect::get(options, &name.into()).map_err(|_| Error::InvalidOption {
        option: "options",
        expected: "an object".to_owned(),
        received: describe(options),
    })?;
    Ok((!value.is_undefined()).then_some(value))
}

pub(super) fn invalid(option: &'static str, expected: &str, received: &JsValue) -> Error {
    Error::InvalidOption { option, expected: expected.to_owned(), received: describe(received) }
}

/// Reads a whole number small enough for any option. `range` is what an error says was expected; the range itself is
/// checked where the option is used.
pub(super) fn count(option: &'static str, range: &str, value: &JsValue) -> Result<usize, Error> {
    whole(value).and_then(|number| usize::try_from(number).ok()).ok_or_else(|| invalid(option, range, value))
}

pub(super) fn threshold(value: &JsValue) -> Result<f64, Error> {
    value.as_f64().ok_or_else(|| invalid("compactionThreshold", "a number, clamped to 0.01 to 0.99", value))
}

fn metric(value: &JsValue) -> Result<Metric, Error> {
    Metric::ALL
        .into_iter()
        .find(|metric| *value == JsValue::from_str(metric.name()))
        .ok_or_else(|| invalid("metric", "\"cosine\", \"l2\" or \"dot\"", value))
}

fn quantization(value: &JsValue) -> Result<Quantization, Error> {
    Quantization::ALL
        .into_iter()
        .find(|codes| *value == JsValue::from_str(codes.name()))
        .ok_or_else(|| invalid("quantization", "\"none\", \"int8\", \"binary\" or \"product\"", value))
}

/// Returns whether the options give the number of dimensions, so that an index can be made from them.
pub(super) fn has_dimensions(options: &JsValue) -> Result<bool, Error> {
    Ok(options.is_object() && get(options, "dimensions")?.is_some())
}

/// Returns the config of a new index.
pub(super) fn config(options: &JsValue) -> Result<Config, Error> {
    if !options.is_object() {
        return Err(invalid("options", "an object", options));
    }
    let dimensions = get(options, "dimensions")?.unwrap_or(JsValue::UNDEFINED);
    let mut config = Config::new(count("dimensions", DIMENSIONS, &dimensions)?);
    fill(&mut config, options)?;
    Ok(config)
}

fn fill(config: &mut Config, options: &JsValue) -> Result<(), Error> {
    if let Some(value) = get(options, "metric")? {
        config.metric = metric(&value)?;
    }
    if let Some(value) = get(options, "quantization")? {
        config.quantization = quantization(&value)?;
    }
    if let Some(value) = get(options, "m")? {
        config.m = count("m", "a whole number from 4 to 64", &value)?;
    }
    if let Some(value) = get(options, "efConstruction")? {
        config.ef_construction = count("efConstruction", "a whole number from 8 to 4096", &value)?;
    }
    if let Some(value) = get(options, "ef")? {
        config.ef = count("ef", WIDTH, &value)?;
    }
    if let Some(value) = get(options, "seed")? {
        config.seed = whole(&value).ok_or_else(|| invalid("seed", "a whole number from 0 to 2^53 - 1", &value))?;
    }
    if let Some(value) = get(options, "maxBytes")? {
        // More bytes than an address can count are no limit.
        let most = whole(&value).ok_or_else(|| invalid("maxBytes", "a whole number of bytes", &value))?;
        config.max_bytes = Some(usize::try_from(most).unwrap_or(usize::MAX));
    }
    if let Some(value) = get(options, "compactionThreshold")? {
        config.compaction_threshold = threshold(&value)?;
    }
    Ok(())
}

/// Returns the config of an index just read, changed by the given options. Options that are fixed for the life of the
/// index are refused later if they differ.
pub(super) fn merged(read: Config, options: &JsValue) -> Result<Config, Error> {
    if options.is_undefined() {
        return Ok(read);
    }
    if !options.is_object() {
        return Err(invalid("options", "an object", options));
    }
    let mut asked = read;
    if let Some(value) = get(options, "dimensions")? {
        asked.dimensions = count("dimensions", DIMENSIONS, &value)?;
    }
    fill(&mut asked, options)?;
    Ok(asked)
}
