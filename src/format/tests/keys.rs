//! Keys: one for each value, in order, and nothing else is parsed.

use super::super::keys::{BLOCKS, LOGS, MANIFESTS, MOST_NUMBER, SEGMENTS};
use super::super::{Key, Kind, piece_count};
use proptest::prelude::*;

fn text(key: Key) -> String {
    key.to_text().unwrap()
}

fn manifest_key(generation: u64) -> String {
    text(Key::Manifest { generation })
}

fn log_key(number: u64) -> String {
    text(Key::Log { number })
}

fn segment_key(kind: Kind, index: u32, generation: u64, piece: u32) -> String {
    text(Key::Segment { kind, index, generation, piece })
}

fn block_key(number: u32, piece: u32) -> String {
    text(Key::Block { number, piece })
}

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        (0..=MOST_NUMBER).prop_map(|generation| Key::Manifest { generation }),
        (0..=MOST_NUMBER).prop_map(|number| Key::Log { number }),
        (0..Kind::STORED.len(), any::<u32>(), 0..=MOST_NUMBER, any::<u32>()).prop_map(
            |(kind, index, generation, piece)| { Key::Segment { kind: Kind::STORED[kind], index, generation, piece } }
        ),
        any::<(u32, u32)>().prop_map(|(number, piece)| Key::Block { number, piece }),
    ]
}

#[test]
fn keys_are_these() {
    assert_eq!(manifest_key(3), "m/00000000000000000003");
    assert_eq!(log_key(MOST_NUMBER), "log/09223372036854775808");
    assert_eq!(segment_key(Kind::BaseLinks, 1, 3, 0), "s/l/0000000001.00000000000000000003.0000000000");
    assert_eq!(block_key(8, 1), "b/0000000008.0000000001");
}

#[test]
fn other_keys_are_not_read() {
    let strange = [
        "",
        "m/",
        "m/3",
        "m/+0000000000000000003",
        "m/0000000000000000003",
        "m/99999999999999999999",
        "m/09223372036854775809",
        "log/18446744073709551615",
        "s/l/0000000001.18446744073709551615.0000000000",
        "m/00000000000000000003/",
        "log/0000000000000000000x",
        "logs/00000000000000000003",
        "s/m/0000000001.00000000000000000003.0000000000",
        "s/z/0000000001.00000000000000000003.0000000000",
        "s/l/0000000001.00000000000000000003",
        "s/l/0000000001.00000000000000000003.0000000000.0000000000",
        "b/0000000008",
        "b/9999999999.0000000001",
        "b/٠000000008.0000000001",
    ];
    for key in strange {
        assert_eq!(Key::parse(key), None, "{key}");
    }
}

#[test]
fn a_value_is_as_many_pieces_as_hold_it() {
    assert_eq!([0, 1, 10, 11, 20].map(|bytes| piece_count(bytes, 10)), [0, 1, 1, 2, 2].map(Some));
    assert_eq!(piece_count(1, 0), None);
    assert_eq!(piece_count(u64::from(u32::MAX), 1), Some(u32::MAX));
    assert_eq!(piece_count(u64::from(u32::MAX) + 1, 1), None);
    assert_eq!(piece_count(u64::MAX, u32::MAX), None);
}

proptest! {
    #[test]
    fn keys_go_there_and_back_and_are_keys_of_a_store(key in keys()) {
        let text = text(key);
        prop_assert_eq!(Key::parse(&text), Some(key));
        prop_assert!((1..=64).contains(&text.len()));
        prop_assert_eq!(&text, &key.to_string());
        prop_assert!(text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'/')));
        prop_assert!(text.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
        let prefixes = [MANIFESTS, LOGS, SEGMENTS, BLOCKS];
        prop_assert_eq!(prefixes.iter().filter(|prefix| text.starts_with(**prefix)).count(), 1);
    }

    #[test]
    fn keys_sort_as_their_numbers(a in any::<u64>(), b in any::<u64>(), c in any::<u32>(), d in any::<u32>()) {
        prop_assert_eq!(manifest_key(a).cmp(&manifest_key(b)), a.cmp(&b));
        prop_assert_eq!(log_key(a).cmp(&log_key(b)), a.cmp(&b));
        prop_assert_eq!(block_key(c, d).cmp(&block_key(d, c)), (c, d).cmp(&(d, c)));
        let segment = |index, generation, piece| segment_key(Kind::Codes, index, generation, piece);
        prop_assert_eq!(segment(c, a, d).cmp(&segment(d, b, c)), (c, a, d).cmp(&(d, b, c)));
    }

    #[test]
    fn whatever_is_read_has_that_key(text in "[a-z]{1,3}/[a-z/0-9.]{0,50}|.*") {
        if let Some(key) = Key::parse(&text) {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}
