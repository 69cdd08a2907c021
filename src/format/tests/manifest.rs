//! Manifests: there and back, cut, flipped, and with impossible contents under a correct checksum.

use super::super::manifest::{MANIFEST_VERSION, StoredBlock};
use super::super::{FormatError, Kind, Manifest, Meta, StoredSegment};
use super::frozen::{MANIFEST, manifest};
use super::meta;
use proptest::prelude::*;
use xxhash_rust::xxh64::xxh64;

/// Where the fixed part, the segments and the blocks of the frozen manifest begin.
const FIXED: usize = 32;
const SEGMENTS: usize = 160;
const BLOCKS: usize = 256;

/// Puts a correct checksum on changed bytes.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = xxh64(&[&bytes[..24], &bytes[32..]].concat(), 0);
    bytes[24..32].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The frozen manifest with other bytes at one position.
fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut changed = MANIFEST.to_vec();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    sealed(changed)
}

fn corrupt<T>(result: &Result<T, FormatError>) -> bool {
    matches!(result, Err(FormatError::Corrupt { .. }))
}

#[test]
fn cut_anywhere_it_is_corrupt() {
    for len in 0..MANIFEST.len() {
        assert!(corrupt(&Manifest::decode(&MANIFEST[..len])), "{len} bytes");
        if len >= 32 {
            let mut cut = MANIFEST[..len].to_vec();
            cut[16..24].copy_from_slice(&(len as u64).to_le_bytes());
            assert!(corrupt(&Manifest::decode(&sealed(cut))), "{len} bytes that say so");
        }
    }
    assert!(corrupt(&Manifest::decode(&[MANIFEST, &[0]].concat())));
}

#[test]
fn every_flipped_bit_is_corrupt() {
    for bit in 0..MANIFEST.len() * 8 {
        let mut bytes = MANIFEST.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(corrupt(&Manifest::decode(&bytes)), "bit {bit}");
    }
}

#[test]
fn a_later_version_is_named() {
    let later = with(8, &(MANIFEST_VERSION + 1).to_le_bytes());
    assert_eq!(Manifest::decode(&later), Err(FormatError::UnsupportedVersion { found: 2 }));
    assert!(corrupt(&Manifest::decode(&with(8, &0_u32.to_le_bytes()))));
}

#[test]
fn reserved_bytes_mean_nothing() {
    for at in [12, SEGMENTS - 1, SEGMENTS + 2] {
        assert_eq!(Manifest::decode(&with(at, &[1])), Ok(manifest()), "at {at}");
    }
}

#[test]
fn impossible_contents_are_corrupt_under_a_right_checksum() {
    let beyond = ((1_u64 << 63) + 1).to_le_bytes();
    let bad: [(&str, usize, &[u8]); 27] = [
        ("another magic", 0, b"\x93thermo\n"),
        ("a generation beyond the last", FIXED, &beyond),
        ("a log beyond the last", FIXED + 8, &beyond),
        ("a frame beyond the last", FIXED + 16, &beyond),
        ("frame 0", FIXED + 16, &[0; 8]),
        ("pieces of no length", FIXED + 24, &[0; 4]),
        ("a next block that there is", FIXED + 28, &8_u32.to_le_bytes()),
        ("a shorter meta", FIXED + 32, &73_u32.to_le_bytes()),
        ("a longer meta", FIXED + 32, &75_u32.to_le_bytes()),
        ("a meta without end", FIXED + 32, &[0xff; 4]),
        ("a segment more", FIXED + 40, &4_u32.to_le_bytes()),
        ("segments without end", FIXED + 40, &[0xff; 4]),
        ("a block fewer", FIXED + 44, &1_u32.to_le_bytes()),
        ("three segments for two blocks", FIXED + 40, &[6, 0, 0, 0, 0, 0, 0, 0]),
        ("segments and blocks without end", FIXED + 40, &[0xff; 8]),
        ("more slots than there can be", FIXED + 48 + 50, &(1_u32 << 30 | 1).to_le_bytes()),
        ("segment 1 of one segment of slots", FIXED + 48 + 50, &1024_u32.to_le_bytes()),
        ("a segment of kind 11", SEGMENTS + 64, &[11]),
        ("a segment of no kind", SEGMENTS, &[0]),
        ("a segment of meta", SEGMENTS, &[1]),
        ("segment 2 of two segments of slots", SEGMENTS + 36, &[2]),
        ("a segment twice", SEGMENTS + 36, &[0]),
        ("a later generation", SEGMENTS + 8, &[4]),
        ("a segment of more pieces than can be counted", SEGMENTS + 16, &[0xff; 8]),
        ("a block twice", BLOCKS + 48, &[2]),
        ("more dead than there are", BLOCKS + 36, &[6]),
        ("a block that is stored as it is, but longer", BLOCKS + 16, &[99]),
    ];
    for (name, at, bytes) in bad {
        let result = Manifest::decode(&with(at, bytes));
        assert!(corrupt(&result), "{name}: {result:?}");
    }
    for expiry in [f64::NAN, f64::NEG_INFINITY] {
        assert!(corrupt(&Manifest::decode(&with(BLOCKS + 40, &expiry.to_le_bytes()))), "{expiry}");
    }
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let bad: [fn(&mut Manifest); 5] = [
        |manifest| manifest.segments.swap(0, 1),
        |manifest| manifest.blocks.swap(0, 1),
        |manifest| manifest.segments.push(StoredSegment { kind: Kind::Meta, ..manifest.segments[0] }),
        |manifest| manifest.meta.slots = 1024,
        |manifest| manifest.generation = 2,
    ];
    for spoil in bad {
        let mut manifest = manifest();
        spoil(&mut manifest);
        assert!(corrupt(&manifest.encode()), "{manifest:?}");
    }
}

/// A stored number of any size, a length, a checksum.
type Lengths = (u64, u64, u64);
/// A codec, two counts of records, an expiry.
type Counts = (u32, u32, u32, f64);

fn manifests() -> impl Strategy<Value = Manifest> {
    let numbers = (0_u64..=1 << 63, 0_u64..=1 << 63, 1_u64..=1 << 63, 1024..u32::MAX, 0..=1_u32 << 30, any::<u32>());
    let places = prop::collection::btree_set((0..Kind::STORED.len(), any::<u32>()), 0..20);
    let lengths = (any::<u64>(), 0_u64..1 << 40, any::<u64>());
    let rows = prop::collection::vec(lengths, 20);
    let blocks = prop::collection::btree_set(0..u32::MAX, 0..20);
    let counts = prop::collection::vec((any::<u32>(), any::<u32>(), any::<u32>(), -1e15..1e15), 20);
    (numbers, places, blocks, rows, counts).prop_map(|(numbers, places, blocks, rows, counts)| {
        let (generation, log, next_sequence, piece_bytes, slots, compression) = numbers;
        let segments = u32::div_ceil(slots, 1024);
        let mut places: Vec<_> =
            places.iter().map(|(kind, at)| (Kind::STORED[*kind], at.checked_rem(segments))).collect();
        places.sort_unstable();
        places.dedup();
        let segment = |((kind, index), row): ((Kind, Option<u32>), &Lengths)| {
            let generation = row.0.min(generation);
            Some(StoredSegment { kind, index: index?, generation, bytes: row.1, checksum: row.2 })
        };
        let block = |((&number, row), count): ((&u32, &Lengths), &Counts)| StoredBlock {
            number,
            codec: count.0,
            stored_bytes: row.1,
            raw_bytes: if count.0 == 0 { row.1 } else { row.0 },
            checksum: row.2,
            records: count.1.max(count.2),
            dead: count.1.min(count.2),
            earliest_expiry_ms: count.3,
        };
        Manifest {
            generation,
            log,
            next_sequence,
            piece_bytes,
            next_block: blocks.last().map_or(0, |last| last + 1),
            compression,
            meta: Meta { slots, ..meta() },
            segments: places.into_iter().zip(&rows).filter_map(segment).collect(),
            blocks: blocks.iter().zip(&rows).zip(&counts).map(block).collect(),
        }
    })
}

proptest! {
    #[test]
    fn manifests_go_there_and_back(manifest in manifests()) {
        let bytes = manifest.encode().unwrap();
        prop_assert_eq!(Manifest::decode(&bytes), Ok(manifest));
    }

    #[test]
    fn arbitrary_bytes_are_corrupt(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(corrupt(&Manifest::decode(&bytes)));
    }

    /// Replaces bytes of the frozen manifest, under a correct checksum. Whatever is read can be written and read again.
    #[test]
    fn arbitrary_contents_are_read_or_refused(
        changes in prop::collection::vec((32..MANIFEST.len(), prop_oneof![0_u8..4, any::<u8>()]), 1..6),
    ) {
        let mut bytes = MANIFEST.to_vec();
        changes.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        match Manifest::decode(&sealed(bytes)) {
            // Compared as text, because a meta may hold NaN.
            Ok(manifest) => {
                let again = Manifest::decode(&manifest.encode().unwrap()).unwrap();
                prop_assert_eq!(format!("{again:?}"), format!("{manifest:?}"));
            }
            Err(error) => prop_assert!(corrupt::<()>(&Err(error))),
        }
    }
}
