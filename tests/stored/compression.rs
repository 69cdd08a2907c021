//! Compressed blocks: chosen by measuring, read back unchanged, and no more vulnerable to damage than others.

use std::cell::Cell;
use std::collections::BTreeMap;

use thermocline::{Config, Error, Id, Index, MemoryStore, Mode, OpenOptions, Payload, StoredIndex};

use crate::damage::seal;
use crate::layout::manifests;
use crate::support::{Rng, content, copied, delete, now, put};

const DIMENSIONS: usize = 24;
const COUNT: usize = 600;

thread_local! {
    static NOW_MS: Cell<f64> = const { Cell::new(0.0) };
    /// The difference between two readings of the clock.
    static TICK_MS: Cell<f64> = const { Cell::new(0.0) };
}

fn clock() -> f64 {
    NOW_MS.set(NOW_MS.get() + TICK_MS.get());
    NOW_MS.get()
}

fn options(clock: Option<fn() -> f64>) -> OpenOptions {
    let config = Config { m: 4, ef_construction: 16, ..Config::new(DIMENSIONS) };
    OpenOptions { config: Some(config), lazy: true, clock, ..Default::default() }
}

fn text(number: usize) -> String {
    format!("{{\"title\":\"the record of number {number}\",\"text\":\"{}\"}}", "some words, ".repeat(number % 30))
}

fn fill(stored: &StoredIndex<MemoryStore>, numbers: std::ops::Range<usize>) -> BTreeMap<usize, Vec<f32>> {
    let mut rng = Rng(numbers.start as u64 + 1);
    let put = |number: usize| {
        let vector = rng.vector(DIMENSIONS);
        stored.change(|index| index.upsert(number as u64, &vector, Some(Payload::Json(&text(number))))).unwrap();
        (number, vector)
    };
    let put = numbers.map(put).collect();
    now(stored.checkpoint()).unwrap();
    put
}

/// Returns the codecs of the blocks that the newest manifest names.
fn codecs(place: &MemoryStore) -> Vec<u32> {
    manifests(&content(place))[0].1.codecs.clone()
}

#[test]
fn blocks_are_compressed_and_the_numbers_are_true() {
    let place = MemoryStore::with_value_bytes(6000);
    let stored = now(StoredIndex::open(place.clone(), options(None))).unwrap();
    assert_eq!(stored.index().unwrap().stats().codec, "none");
    let vectors = fill(&stored, 0..COUNT);
    let stats = stored.index().unwrap().stats();
    assert_ne!(stats.codec, "none");
    assert!(stats.stored.cold < stats.stored.cold_raw / 3 * 2, "{:?}", stats.stored);
    let records: usize = (0..COUNT).map(|number| 4 + 4 * DIMENSIONS + text(number).len().next_multiple_of(4)).sum();
    assert_eq!(stats.stored.cold_raw, records as u64);
    let blocks = content(&place).into_iter().filter(|(key, _)| key.starts_with("b/"));
    assert_eq!(stats.stored.cold, blocks.map(|(_, value)| value.len() as u64).sum::<u64>());
    // A last block of a few records may not get shorter.
    let codecs = codecs(&place);
    let compressed = codecs.iter().filter(|&&codec| codec > 0).count();
    assert!(
        compressed + 1 >= codecs.len() && codecs.len() > 10,
        "{codecs:?} {:?}",
        manifests(&content(&place))[0].1.blocks
    );
    // Blocks are held decompressed once read, and counted as such.
    let again = now(StoredIndex::open(place, options(None))).unwrap();
    assert_eq!(again.index().unwrap().stats().codec, stats.codec);
    for (number, vector) in &vectors {
        let is_whole = |record: thermocline::Record<'_>| {
            record.vector == &vector[..] && matches!(record.payload, Some(Payload::Json(json)) if json == text(*number))
        };
        assert_eq!(now(again.get(&Id::Number(*number as u64), is_whole)), Ok(Some(true)), "{number}");
    }
    let held = again.index().unwrap().stats();
    assert!(held.bytes.cold_cache as u64 >= held.stored.cold_raw, "{held:?}");
}

#[test]
fn very_long_records_are_compressed_where_there_are_no_others() {
    let place = MemoryStore::default();
    let stored = now(StoredIndex::open(place.clone(), options(None))).unwrap();
    let mut rng = Rng(9);
    let payload = |number: usize| text(number).repeat(500).into_bytes();
    for number in 20..30 {
        let (vector, payload) = (rng.vector(DIMENSIONS), payload(number));
        assert!(payload.len() > 128 << 10);
        stored.change(|index| index.upsert(number as u64, &vector, Some(Payload::Bytes(&payload)))).unwrap();
    }
    now(stored.checkpoint()).unwrap();
    let stats = stored.index().unwrap().stats();
    assert_ne!(stats.codec, "none");
    assert!(stats.stored.cold < stats.stored.cold_raw / 20, "{:?}", stats.stored);
    // The choice is stored.
    let again = now(StoredIndex::open(place, options(None))).unwrap();
    assert_eq!(again.index().unwrap().stats().codec, stats.codec);
    for number in 20..30 {
        let is_whole = |record: thermocline::Record<'_>| record.payload == Some(Payload::Bytes(&payload(number)));
        assert_eq!(now(again.get(&Id::Number(number as u64), is_whole)), Ok(Some(true)), "{number}");
    }
}

#[test]
fn a_slow_machine_compresses_nothing_and_a_compaction_has_it_tried_again() {
    let place = MemoryStore::with_value_bytes(6000);
    TICK_MS.set(50.0);
    let stored = now(StoredIndex::open(place.clone(), options(Some(clock)))).unwrap();
    fill(&stored, 0..COUNT);
    assert_eq!(stored.index().unwrap().stats().codec, "none");
    assert!(codecs(&place).iter().all(|&codec| codec == 0));
    // The choice is made: neither a machine that becomes faster nor a new opening changes it.
    TICK_MS.set(0.0);
    fill(&stored, COUNT..COUNT + 300);
    let stored = now(StoredIndex::open(place.clone(), options(Some(clock)))).unwrap();
    fill(&stored, COUNT + 300..COUNT + 600);
    assert!(codecs(&place).iter().all(|&codec| codec == 0));
    assert!(stored.change(|index| index.delete(&0_u64.into())).unwrap());
    stored.change(Index::compact).unwrap();
    fill(&stored, COUNT + 600..COUNT + 900);
    assert!(stored.index().unwrap().stats().codec.starts_with("deflate"));
    assert!(codecs(&place).contains(&0) && codecs(&place).contains(&2), "{:?}", codecs(&place));
    let stats = stored.index().unwrap().stats();
    let reader = OpenOptions { mode: Mode::ReadOnly, ..options(None) };
    let seen = now(StoredIndex::open(place.clone(), reader)).unwrap().index().unwrap().stats();
    assert_eq!((seen.stored, seen.codec), (stats.stored, stats.codec), "a reader knows what is stored, too");
    assert!(seen.stored.segments > 0 && seen.stored.cold < seen.stored.cold_raw && seen.stored.log > 0);
    assert!(now(StoredIndex::open(place, options(None))).unwrap().index().unwrap().check().unwrap().ok);
}

/// Returns how many records have their unchanged text. Each other one must be `Corrupt`.
fn sound(place: &MemoryStore) -> usize {
    let options = OpenOptions { mode: Mode::ReadOnly, ..options(None) };
    let stored = now(StoredIndex::open(place.clone(), options)).unwrap();
    let is_sound = |number: &usize| {
        let id = Id::Number(*number as u64);
        match now(stored.get(&id, |record| record.payload == Some(Payload::Json(&text(*number))))) {
            Ok(found) => found.unwrap(),
            Err(error) => {
                assert!(matches!(error, Error::Corrupt { .. }), "{error}");
                false
            }
        }
    };
    (0..COUNT).filter(is_sound).count()
}

/// Damaged under a valid checksum, or with a wrong codec or length in its entry, a block loses only its own records.
#[test]
fn a_compressed_block_that_is_not_what_it_should_be_is_lost_alone() {
    let place = MemoryStore::with_value_bytes(6000);
    fill(&now(StoredIndex::open(place.clone(), options(None))).unwrap(), 0..COUNT);
    let found = content(&place);
    let (newest, manifest) = manifests(&found).swap_remove(0);
    for (other, _) in &manifests(&found)[1..] {
        delete(&place, other);
    }
    let bytes = &found[&newest];
    let entry = bytes.len() - 48 * manifest.blocks.len();
    let raw = u64::from_le_bytes(bytes[entry + 16..entry + 24].try_into().unwrap());
    let records = u32::from_le_bytes(bytes[entry + 32..entry + 36].try_into().unwrap()) as usize;
    assert_eq!(sound(&place), COUNT);
    let longs = [raw - 4, raw + 4, 0, 1, raw * 500, 1 << 50, u64::MAX].map(|raw| (16, raw.to_le_bytes().to_vec()));
    let others = [1, 2, 3, u32::MAX].into_iter().filter(|codec| *codec != manifest.codecs[0]);
    let codecs = others.map(|codec| (4, codec.to_le_bytes().to_vec()));
    for (at, changed) in longs.into_iter().chain(codecs) {
        let place = copied(&place);
        let mut manifest = bytes.clone();
        manifest[entry + at..entry + at + changed.len()].copy_from_slice(&changed);
        seal(&mut manifest);
        put(&place, &newest, manifest);
        assert_eq!(sound(&place), COUNT - records, "{changed:?} at {at}");
    }
    let key = format!("b/{:010}.0000000000", manifest.blocks[0].0);
    let value = &found[&key];
    let mut refused = 0;
    for at in (0..value.len()).step_by(29) {
        let place = copied(&place);
        let mut damaged = value.clone();
        damaged[at] ^= 0x10;
        let mut manifest = bytes.clone();
        manifest[entry + 24..entry + 32].copy_from_slice(&xxhash_rust::xxh64::xxh64(&damaged, 0).to_le_bytes());
        seal(&mut manifest);
        put(&place, &newest, manifest);
        put(&place, &key, damaged);
        let sound = sound(&place);
        assert!(sound >= COUNT - records);
        refused += usize::from(sound < COUNT);
    }
    assert!(refused > 5, "{refused}");
}
