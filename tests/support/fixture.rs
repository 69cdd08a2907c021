//! The frozen index of format 1: how it is built, and what it must hold.
//!
//! Shared by the native tests and those inside WebAssembly: both build it and must get the bytes of
//! `tests/fixtures/v1/index.thermo`. Vectors are integers divided by a power of two, so they are bitwise the same
//! everywhere, without a mathematical library.

use thermocline::{Config, Error, Id, Index, Payload, Quantization};

/// Components of a vector.
pub(crate) const DIMENSIONS: usize = 20;
/// Number of records inserted in total.
const ROWS: u32 = 43;
/// Records deleted and compacted away before the rest are inserted.
const GONE: core::ops::Range<u32> = 4..9;

/// The vector of a row: multiples of 1/512 between -1 and 1, with a few rows close together.
pub(crate) fn vector(row: u32) -> Vec<f32> {
    let mix = |at: u32| {
        let mut x = at.wrapping_mul(0x9e37_79b1) ^ 0x85eb_ca77;
        x = (x ^ (x >> 15)).wrapping_mul(0x2c1b_3c6d);
        x ^ (x >> 13)
    };
    let group = row / 6;
    let component = |i: u32| {
        let centre = (mix(group * 97 + i) % 801) as i32 - 400;
        let offset = (mix(row * 131 + i + 7919) % 201) as i32 - 100;
        (centre + offset) as f32 / 512.0
    };
    (0..DIMENSIONS as u32).map(component).collect()
}

/// The id of a row: a number, or every third time a string.
pub(crate) fn id(row: u32) -> Id {
    match row % 6 {
        2 => Id::from(format!("row {row}").as_str()),
        5 => Id::from(format!("строка {row} ☃").as_str()),
        4 => Id::from(Id::MAX_NUMBER / 2 - u64::from(row)),
        _ => Id::from(u64::from(row) * 3),
    }
}

/// The JSON or the bytes of a row, or neither.
pub(crate) fn payload(row: u32) -> (Option<String>, Option<Vec<u8>>) {
    match row % 4 {
        0 => (Some(format!("{{\"row\":{row},\"name\":\"глосса\"}}")), None),
        1 => (None, Some((0..row as u8).map(|i| i.wrapping_mul(37)).collect())),
        2 => (Some(String::new()), None),
        _ => (None, None),
    }
}

/// Returns whether a row is live at the end.
pub(crate) fn is_live(row: u32) -> bool {
    !GONE.contains(&row) && row % 7 != 3
}

/// Every row ever inserted.
pub(crate) fn rows() -> core::ops::Range<u32> {
    0..ROWS
}

/// Returns how many tombstones remain.
pub(crate) fn deleted() -> usize {
    rows().filter(|row| !GONE.contains(row) && !is_live(*row)).count()
}

/// The rows that expire, in addition to those of [`build`].
pub(crate) fn expiring_rows() -> core::ops::Range<u32> {
    60..66
}

/// Returns when a row expires: every other one expired long ago, and the rest will in a hundred years.
pub(crate) fn expires_ms(row: u32) -> Option<f64> {
    let at_ms = if row.is_multiple_of(2) { 1e12 } else { 5e12 };
    expiring_rows().contains(&row).then_some(at_ms + f64::from(row) + 0.5)
}

/// The same, with records that expire.
pub(crate) fn build_expiring() -> Result<Index, Error> {
    let mut index = build()?;
    for row in expiring_rows() {
        insert(&mut index, row)?;
    }
    Ok(index)
}

fn insert(index: &mut Index, row: u32) -> Result<(), Error> {
    let (json, bytes) = payload(row);
    let payload = json.as_deref().map(Payload::Json).or(bytes.as_deref().map(Payload::Bytes));
    index.insert_with_id_expiring(id(row), &vector(row), payload, expires_ms(row))
}

/// Builds the index: records, a compaction cut off while slots are free, more records, and tombstones.
pub(crate) fn build() -> Result<Index, Error> {
    build_of(Quantization::Int8)
}

/// How many records training needs.
const TRAINING: u32 = 1024;

/// Product codes, trained on rows most of which are deleted and compacted away afterwards.
pub(crate) fn build_product() -> Result<Index, Error> {
    let config = Config { quantization: Quantization::Product, m: 4, ef_construction: 16, ..Config::new(DIMENSIONS) };
    let mut index = Index::new(config)?;
    for row in 0..TRAINING {
        insert(&mut index, row)?;
    }
    while index.link_step()? {}
    for row in (0..TRAINING).filter(|&row| !rows().contains(&row)) {
        index.delete(&id(row))?;
    }
    index.compact_start()?;
    while index.compact_step(1 << 20)? {}
    index.compact_finish();
    index.insert_with_id("after training", &vector(TRAINING), None)?;
    Ok(index)
}

/// The same with another kind of codes.
pub(crate) fn build_of(quantization: Quantization) -> Result<Index, Error> {
    let sizes = Config { m: 4, ef_construction: 32, ef: 24, ..Config::new(DIMENSIONS) };
    let config = Config { quantization, seed: 2026, compaction_threshold: 0.25, ..sizes };
    let mut index = Index::new(config)?;
    for row in 0..40 {
        insert(&mut index, row)?;
    }
    for row in GONE {
        index.delete(&id(row))?;
    }
    index.compact_start()?;
    while index.compact_progress().is_some_and(|progress| progress.phase == "graph") && index.compact_step(1)? {}
    index.compact_abort();
    // Two of the five free slots stay free.
    for row in 40..43 {
        insert(&mut index, row)?;
    }
    for row in (0..43).filter(|row| row % 7 == 3 && !GONE.contains(row)) {
        index.delete(&id(row))?;
    }
    Ok(index)
}
