//! The frozen log and manifest of version 1, which `tests/fixtures/v1/stored.py` wrote from docs/FORMAT.md: they are
//! read correctly, and writing the same contents gives the same bytes.

use super::super::manifest::{AS_IT_IS, StoredBlock};
use super::super::{Kind, Manifest, StoredSegment};
use super::{Reading, Said, meta, read, written};
use crate::types::Id;

pub(super) const LOG: &[u8] = include_bytes!("../../../tests/fixtures/v1/log.thermo");
pub(super) const MANIFEST: &[u8] = include_bytes!("../../../tests/fixtures/v1/manifest.thermo");
pub(super) const DIMENSIONS: usize = 3;

pub(super) fn log() -> Vec<Vec<Said>> {
    let two = || Id::from("zwei ☃");
    let put = |id, expires_ms, vector: [f32; DIMENSIONS], kind, payload: &[u8]| Said::Put {
        id,
        expires_ms,
        vector: vector.to_vec(),
        kind,
        payload: payload.to_vec(),
    };
    vec![
        vec![put(Id::Number(7), None, [1.0, -2.0, 0.5], 1, br#"{"a":1}"#), Said::Delete(two())],
        vec![
            put(two(), Some(1.75e12), [0.0, 0.25, -0.0], 0, b""),
            put(Id::Number((1 << 53) - 1), None, [3.0; DIMENSIONS], 2, &[0, 255]),
        ],
        vec![Said::Clear],
    ]
}

pub(super) fn manifest() -> Manifest {
    let segment = |kind, index, generation, bytes, checksum| StoredSegment { kind, index, generation, bytes, checksum };
    let block = StoredBlock {
        number: 2,
        codec: AS_IT_IS,
        stored_bytes: 100,
        raw_bytes: 100,
        checksum: 0x4444,
        records: 5,
        dead: 1,
        earliest_expiry_ms: f64::INFINITY,
    };
    let compressed = StoredBlock {
        number: 8,
        codec: 3,
        stored_bytes: 70_000,
        raw_bytes: 200_000,
        checksum: 0x5555,
        records: 40,
        dead: 0,
        earliest_expiry_ms: 1.75e12,
    };
    Manifest {
        generation: 3,
        log: 2,
        next_sequence: 4,
        piece_bytes: 61_440,
        next_block: 9,
        compression: 0,
        meta: meta(),
        segments: vec![
            segment(Kind::Codes, 0, 2, 65_536, 0x1111),
            segment(Kind::Codes, 1, 3, 64, 0x2222),
            segment(Kind::BaseLinks, 1, 3, 128, 0x3333),
        ],
        blocks: vec![block, compressed],
    }
}

#[test]
fn the_frozen_log_is_what_it_was() {
    let frames = (1..).zip(log()).collect();
    assert_eq!(read(LOG, DIMENSIONS, 1), Ok(Reading { frames, at: LOG.len(), torn: false }));
    assert_eq!(written(DIMENSIONS, 1, &log()), LOG);
}

#[test]
fn the_frozen_manifest_is_what_it_was() {
    assert_eq!(Manifest::decode(MANIFEST), Ok(manifest()));
    assert_eq!(manifest().encode().unwrap(), MANIFEST);
}
