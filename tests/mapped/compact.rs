//! A compaction of a mapped index copies the records that it moves, one by one, and no others.

use crate::support::{DIMENSIONS, Rng, mapped};
use thermocline::{Config, Error, Index, Metric, Payload};

const RECORDS: u64 = 3000;
const PAYLOAD_BYTES: usize = 4096;

fn export() -> Vec<u8> {
    let config = Config { metric: Metric::L2, m: 6, ef_construction: 40, ..Config::new(DIMENSIONS) };
    let mut index = Index::new(config).unwrap();
    let mut rng = Rng(3);
    for number in 0..RECORDS {
        let payload = vec![number as u8; PAYLOAD_BYTES];
        index.insert_with_id(number, &rng.vector(), Some(Payload::Bytes(&payload))).unwrap();
    }
    index.export().unwrap()
}

fn warm_bytes(index: &Index) -> usize {
    index.stats().bytes.warm
}

#[test]
fn only_records_that_move_are_copied_and_no_step_copies_many() {
    let bytes = export();
    let mut index = mapped(&bytes);
    for number in 0..1500 {
        index.delete(&number.into()).unwrap();
    }
    index.compact_start().unwrap();
    let mut longest = 0;
    loop {
        let before = warm_bytes(&index);
        let more = index.compact_step(100).unwrap();
        longest = longest.max(warm_bytes(&index).saturating_sub(before));
        if !more {
            break;
        }
    }
    assert_eq!(index.compact_finish().unwrap().tombstones_removed, 1500);
    // As a step of 100 us moves some 30 records, it takes one slab more at most.
    assert!(longest <= 2 << 20, "{longest} bytes in one step");
    let (least, most) = (1500 * PAYLOAD_BYTES, 1500 * PAYLOAD_BYTES * 5 / 4);
    assert!((least..most).contains(&warm_bytes(&index)), "{} bytes are warm", warm_bytes(&index));
    for number in 1500..RECORDS {
        let record = index.get(&number.into()).unwrap().unwrap();
        assert_eq!(record.payload, Some(Payload::Bytes(&[number as u8; PAYLOAD_BYTES])), "{number}");
    }
    assert!(index.check().unwrap().ok);
}

#[test]
fn without_anything_to_remove_nothing_is_copied() {
    let mut index = mapped(&export());
    let before = warm_bytes(&index);
    index.compact_start().unwrap();
    while index.compact_step(1000).unwrap() {}
    assert_eq!(index.compact_finish().unwrap().tombstones_removed, 0);
    assert_eq!(warm_bytes(&index), before);
}

#[test]
fn a_malformed_record_that_would_move_ends_the_compaction_and_all_others_are_as_before() {
    let mut bytes = export();
    // The header of the last record, which a compaction moves to the first free slot.
    let payload = [(RECORDS - 1) as u8; PAYLOAD_BYTES];
    let at = bytes.windows(PAYLOAD_BYTES).rposition(|found| found == payload).unwrap();
    bytes[at - DIMENSIONS * size_of::<f32>() - 1] ^= 0x40;
    let mut index = mapped(&bytes);
    assert!(matches!(index.get(&(RECORDS - 1).into()), Err(Error::Corrupt { .. })));
    index.delete(&0.into()).unwrap();
    index.compact_start().unwrap();
    let ended = loop {
        match index.compact_step(1000) {
            Ok(true) => {}
            ended => break ended,
        }
    };
    assert!(matches!(&ended, Err(Error::Corrupt { what }) if what.contains("slot 2999")), "{ended:?}");
    assert!(index.compact_finish().is_none());
    assert!(index.check().unwrap().ok);
    for number in 1..RECORDS - 1 {
        assert!(index.get(&number.into()).unwrap().is_some(), "{number}");
    }
}
