//! LZ4: each of this and another implementation reads what the other writes.

use super::super::lz4;
use super::super::matches::Matches;
use super::sample;
use lz4_flex::block::{compress, decompress};
use proptest::prelude::*;

fn compressed(data: &[u8]) -> Vec<u8> {
    let mut to = vec![3; data.len() + data.len() / 200 + 20];
    let len = lz4::compress(&mut Matches::default(), data, &mut to).unwrap().unwrap();
    to.truncate(len);
    to
}

fn decompressed(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut to = vec![0; len];
    lz4::decompress(bytes, &mut to).map(|()| to)
}

#[test]
fn both_readers_read_what_is_written() {
    for kind in 0..5 {
        for len in [0, 1, 4, 5, 11, 12, 13, 14, 15, 16, 17, 31, 270, 271, 1000, 16_385, 100_000] {
            let data = sample(kind, len, len as u64);
            let bytes = compressed(&data);
            assert_eq!(decompress(&bytes, len).unwrap(), data, "kind {kind}, {len} bytes");
            assert_eq!(decompressed(&bytes, len).unwrap(), data, "kind {kind}, {len} bytes");
            assert_eq!(decompressed(&bytes, len + 1), None);
            assert_eq!(len.checked_sub(1).and_then(|len| decompressed(&bytes, len)), None);
        }
    }
}

#[test]
fn it_compresses_about_as_well_as_the_other() {
    for kind in 0..5 {
        let data = sample(kind, 60_000, 5);
        let (ours, others) = (compressed(&data).len(), compress(&data).len());
        // Matches are limited to deflate's 258 bytes.
        assert!(ours <= others + others / 8 + 60_000 / 258 * 4, "kind {kind}: {ours} bytes, not {others}");
    }
}

#[test]
fn what_there_is_no_room_for_is_given_up() {
    let text = sample(1, 50_000, 1);
    let len = compressed(&text).len();
    for (room, expected) in [(0, None), (1, None), (len / 2, None), (len - 1, None), (len, Some(len))] {
        let mut matches = Matches::default();
        assert_eq!(lz4::compress(&mut matches, &text, &mut vec![0; room]), Ok(expected), "{room} bytes");
    }
}

proptest! {
    #[test]
    fn any_bytes_go_there_and_back(data in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..5000)) {
        let bytes = compressed(&data);
        prop_assert_eq!(decompressed(&bytes, data.len()), Some(data.clone()));
        prop_assert_eq!(&decompress(&bytes, data.len()).unwrap(), &data);
        prop_assert_eq!(decompressed(&compress(&data), data.len()), Some(data));
    }

    #[test]
    fn what_is_damaged_is_refused_or_read_alike(
        kind in 0_usize..5, len in 0_usize..3000, seed: u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = compressed(&sample(kind, len, seed));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let (Some(found), Ok(expected)) = (decompressed(&bytes, len), decompress(&bytes, len)) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_fill_the_room(bytes in prop::collection::vec(any::<u8>(), 0..200), len in 0_usize..300) {
        if let Some(found) = decompressed(&bytes, len) {
            prop_assert_eq!(found.len(), len);
        }
    }
}

#[test]
fn texts_of_any_length_compress() {
    for count in 1..40 {
        let text = |n: usize| {
            format!("{{\"title\":\"the record of number {n}\",\"text\":\"{}\"}}", "some words, ".repeat(n * 7 % 30))
        };
        let mut data: Vec<u8> = (0..count).flat_map(|n| (text(n).len() as u32 | 1 << 30).to_le_bytes()).collect();
        (0..count).for_each(|n| {
            data.extend_from_slice(text(n).as_bytes());
            data.resize(data.len().next_multiple_of(4), 0);
        });
        let (ours, others) = (compressed(&data).len(), compress(&data).len());
        assert!(ours <= others + others / 4 + 40, "{count}: {ours} bytes, not {others} of {}", data.len());
    }
}
