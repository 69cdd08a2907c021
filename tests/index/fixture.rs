//! The frozen file of format 1: its contents, and that it is still written byte for byte.

use thermocline::{Error, Id, Index, Metric, Payload, Quantization, SearchOptions};

use crate::forge::{Forge, kind};
use crate::frozen;
use crate::support::{distance, sound};

const BYTES: &[u8] = include_bytes!("../fixtures/v1/index.thermo");
const BINARY: &[u8] = include_bytes!("../fixtures/v1/binary.thermo");
const PRODUCT: &[u8] = include_bytes!("../fixtures/v1/product.thermo");
const EXPIRING: &[u8] = include_bytes!("../fixtures/v1/expiring.thermo");

#[test]
#[ignore = "writes the file that all other tests read; only for a new version of the format"]
fn write_the_frozen_index() {
    let write = |name: &str, index: Index| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1/").to_owned() + name;
        std::fs::write(path, index.export().unwrap()).unwrap();
    };
    write("index.thermo", frozen::build().unwrap());
    write("expiring.thermo", frozen::build_expiring().unwrap());
    write("binary.thermo", frozen::build_of(Quantization::Binary).unwrap());
    write("product.thermo", frozen::build_product().unwrap());
}

#[test]
fn the_frozen_index_of_binary_codes_is_what_it_was() {
    let built = frozen::build_of(Quantization::Binary).unwrap();
    assert!(built.export().unwrap() == BINARY, "the same again gives the same bytes");
    let index = Index::import(BINARY).unwrap();
    assert!(index.export().unwrap() == BINARY);
    sound(&index);
    assert_eq!(index.config().quantization, Quantization::Binary);
    let forge = Forge::of(BINARY);
    let slots = forge.section(kind::LEVELS).len();
    assert_eq!(forge.section(kind::CODES).len(), 64 * slots, "a line each");
    for row in frozen::rows().filter(|row| frozen::is_live(*row)) {
        let hits = index.search(&frozen::vector(row), SearchOptions::top(3)).unwrap();
        assert_eq!((&hits[0].id, hits.len()), (&frozen::id(row), 3));
    }
}

#[test]
fn the_frozen_index_of_product_codes_is_what_it_was() {
    assert!(frozen::build_product().unwrap().export().unwrap() == PRODUCT, "the same again gives the same bytes");
    let index = Index::import(PRODUCT).unwrap();
    assert!(index.export().unwrap() == PRODUCT);
    sound(&index);
    assert_eq!((index.config().quantization, index.len()), (Quantization::Product, frozen::rows().len() + 1));
    let forge = Forge::of(PRODUCT);
    assert_eq!(forge.section(kind::CODES).len(), 64 * forge.section(kind::LEVELS).len(), "a line each");
    for row in frozen::rows() {
        let hits = index.search(&frozen::vector(row), SearchOptions::top(3)).unwrap();
        assert_eq!((&hits[0].id, hits.len()), (&frozen::id(row), 3));
    }
}

#[test]
fn the_frozen_index_of_records_that_expire_is_what_it_was() {
    assert!(frozen::build_expiring().unwrap().export().unwrap() == EXPIRING, "the same again gives the same bytes");
    let expiries = Forge::of(EXPIRING).section(kind::EXPIRIES).to_vec();
    let moments: Vec<f64> = expiries.chunks(8).map(|word| f64::from_le_bytes(word.try_into().unwrap())).collect();
    let expected: Vec<f64> = frozen::expiring_rows().filter_map(frozen::expires_ms).collect();
    // In order of slot: the first two are in slots that were free.
    let mut found: Vec<f64> = moments.iter().copied().filter(|moment| moment.is_finite()).collect();
    found.sort_by(f64::total_cmp);
    let mut sorted = expected;
    sorted.sort_by(f64::total_cmp);
    assert_eq!((found, moments.len()), (sorted, Forge::of(EXPIRING).section(kind::LEVELS).len()));

    let mut index = Index::import(EXPIRING).unwrap();
    assert!(index.export().unwrap() == EXPIRING);
    let rows = frozen::expiring_rows();
    assert!(rows.clone().all(|row| index.contains(&frozen::id(row)).unwrap()));
    assert_eq!((index.expire(2e12), index.next_expiry_ms()), (3, frozen::expires_ms(61)));
    sound(&index);
    for row in rows {
        assert_eq!(index.contains(&frozen::id(row)).unwrap(), row % 2 == 1, "row {row}");
    }
}

#[test]
fn the_frozen_index_is_what_it_was() {
    let index = Index::import(BYTES).unwrap();
    sound(&index);
    let config = index.config();
    assert_eq!((config.dimensions, config.metric, config.quantization), (20, Metric::Cosine, Quantization::Int8));
    assert_eq!((config.m, config.ef_construction, config.ef, config.seed), (4, 32, 24, 2026));
    assert_eq!(config.compaction_threshold, 0.25);
    let live: Vec<u32> = frozen::rows().filter(|row| frozen::is_live(*row)).collect();
    assert_eq!((index.len(), index.deleted()), (live.len(), frozen::deleted()));
    assert_eq!((live.len(), frozen::deleted()), (32, 6));
    for row in frozen::rows() {
        let record = index.get(&frozen::id(row)).unwrap();
        if !frozen::is_live(row) {
            assert_eq!(record, None, "row {row} was deleted");
            continue;
        }
        let record = record.unwrap();
        assert_eq!(record.vector, frozen::vector(row));
        let (json, bytes) = frozen::payload(row);
        let expected = json.as_deref().map(Payload::Json).or(bytes.as_deref().map(Payload::Bytes));
        assert_eq!(record.payload, expected, "row {row}");
        // A record is its own nearest, whatever the width.
        let hits = index.search(record.vector, SearchOptions::top(3)).unwrap();
        assert_eq!((&hits[0].id, hits.len()), (&record.id, 3));
        assert!(f64::from(hits[0].distance) < 1e-6);
    }
}

#[test]
fn the_frozen_index_finds_the_exact_neighbours() {
    let index = Index::import(BYTES).unwrap();
    let query = frozen::vector(1000);
    let mut expected: Vec<(f64, Id)> = frozen::rows()
        .filter(|row| frozen::is_live(*row))
        .map(|row| (distance(Metric::Cosine, &query, &frozen::vector(row)), frozen::id(row)))
        .collect();
    expected.sort_by(|a, b| a.0.total_cmp(&b.0));
    let hits = index.search(&query, SearchOptions::top(5)).unwrap();
    assert!(hits.iter().map(|hit| &hit.id).eq(expected.iter().take(5).map(|(_, id)| id)));
}

#[test]
fn the_same_again_gives_the_same_bytes() {
    let bytes = frozen::build().unwrap().export().unwrap();
    assert_eq!(bytes.len(), BYTES.len());
    let differs = bytes.iter().zip(BYTES).position(|(a, b)| a != b);
    assert_eq!(differs, None, "the first byte that differs");
    assert!(Index::import(BYTES).unwrap().export().unwrap() == BYTES, "nor does reading it change it");
}

#[test]
fn the_frozen_index_has_free_slots_and_tombstones_and_upper_levels() {
    let forge = Forge::of(BYTES);
    let levels = forge.section(kind::LEVELS);
    assert_eq!(levels.iter().filter(|level| **level == u8::MAX).count(), 2, "free slots: {levels:?}");
    assert!(levels.iter().any(|level| (1..8).contains(level)), "nodes above level 0: {levels:?}");
    let ids = forge.section(kind::IDS).chunks_exact(8);
    assert_eq!(ids.filter(|id| *id == [0xff; 8]).count(), 2 + frozen::deleted(), "free slots and tombstones");
}

#[test]
fn the_frozen_index_is_refused_when_it_is_damaged() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 7] = [
        ("its first half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("without its last byte", |bytes| bytes.truncate(bytes.len() - 1)),
        ("with a byte more", |bytes| bytes.push(0)),
        ("twice", |bytes| bytes.extend_from_within(..)),
        ("another magic", |bytes| bytes[1] = b'T'),
        ("a byte of a vector", |bytes| *bytes.last_chunk_mut::<100>().unwrap().first_mut().unwrap() ^= 0x40),
        ("two bytes exchanged", |bytes| {
            let at = bytes.len() / 3;
            let other = (at..).find(|i| bytes[*i] != bytes[at]).unwrap();
            bytes.swap(at, other);
        }),
    ];
    for (name, damage) in damages {
        let mut bytes = BYTES.to_vec();
        damage(&mut bytes);
        let result = Index::import(&bytes);
        assert!(matches!(result, Err(Error::Corrupt { .. })), "{name}");
    }
}

#[test]
fn a_later_version_is_named_in_the_error() {
    let mut forge = Forge::of(BYTES);
    forge.version = 2;
    assert_eq!(Index::import(&forge.seal()).err(), Some(Error::UnsupportedVersion { found: 2, supported: 1 }));
}
