//! Deflate: each of this and another implementation reads what the other writes.

use super::super::deflate::{Deflate, SPARE_BYTES};
use super::super::huffman::{code_lengths, first_codes};
use super::super::inflate::{self, HuffmanCodes};
use super::super::matches::Effort;
use super::sample;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec;
use proptest::prelude::*;

const EFFORTS: [Effort; 2] = [Effort::Little, Effort::Much];

fn compressed(data: &[u8], effort: Effort) -> Vec<u8> {
    let mut to = vec![3; 2 * data.len() + 400];
    let len = Deflate::default().compress(data, effort, &mut to).unwrap().unwrap();
    to.truncate(len);
    to
}

fn decompressed(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut to = vec![0; len];
    inflate::decompress(bytes, &mut to).map(|()| to)
}

#[test]
fn both_readers_read_what_is_written() {
    for kind in 0..5 {
        for len in [0, 1, 2, 3, 4, 5, 31, 258, 259, 1000, 16_384, 16_385, 40_000, 100_000] {
            let data = sample(kind, len, len as u64);
            for effort in EFFORTS {
                let bytes = compressed(&data, effort);
                assert_eq!(decompress_to_vec(&bytes).unwrap(), data, "kind {kind}, {len} bytes, {effort:?}");
                assert_eq!(decompressed(&bytes, len).unwrap(), data, "kind {kind}, {len} bytes, {effort:?}");
            }
        }
    }
}

#[test]
fn it_compresses_about_as_well_as_the_other() {
    for kind in 0..5 {
        let data = sample(kind, 60_000, 5);
        let (little, much) = (compressed(&data, Effort::Little).len(), compressed(&data, Effort::Much).len());
        let (fast, best) = (compress_to_vec(&data, 1).len(), compress_to_vec(&data, 6).len());
        assert!(little <= fast + fast / 8 + 300, "kind {kind}: {little} bytes, not {fast}");
        assert!(much <= best + best / 8 + 300 && much <= little + little / 16, "kind {kind}: {much} bytes, not {best}");
    }
}

#[test]
fn what_is_not_shorter_is_given_up() {
    for effort in EFFORTS {
        let (noise, text) = (sample(0, 50_000, 1), sample(1, 50_000, 1));
        let mut deflate = Deflate::default();
        assert_eq!(deflate.compress(&noise, effort, &mut vec![0; noise.len()]), Ok(None));
        // The memory is reused, without anything left over from the last call.
        let len = compressed(&text, effort).len();
        for short in [0, 1, 7, 8, 9, 100, len + SPARE_BYTES - 1] {
            assert_eq!(deflate.compress(&text, effort, &mut vec![0; short]), Ok(None), "{short} bytes");
        }
        let mut to = vec![0; len + SPARE_BYTES];
        assert_eq!(deflate.compress(&text, effort, &mut to), Ok(Some(len)));
        assert_eq!(decompressed(&to[..len], text.len()).unwrap(), text);
    }
}

#[test]
fn every_kind_of_block_is_read() {
    // An uncompressed block, then one with fixed codes, which the other writer uses for short data.
    let stored = [0, 3, 0, 0xFC, 0xFF, 1, 2, 3];
    let short = compress_to_vec(b"ab", 9);
    assert_eq!(short[0] >> 1 & 3, 1);
    let both = [&stored[..], &short].concat();
    assert_eq!(decompressed(&both, 5).unwrap(), [1, 2, 3, b'a', b'b']);
    assert_eq!(decompressed(&[&stored[..5], &[9, 9, 9], &short].concat(), 5).unwrap()[..3], [9, 9, 9]);
    for bad in [&both[..both.len() - 1], &[&both[..], &[0]].concat(), &[7], &[0, 3, 0, 0xFC, 0xFE, 1, 2, 3], &[]] {
        assert_eq!(decompressed(bad, 5), None);
    }
    assert_eq!((decompressed(&both, 4), decompressed(&both, 6)), (None, None));
}

/// Damaged code lengths of unused symbols must not leave a readable block whose codes do not fill their space.
#[test]
fn codes_that_leave_space_are_refused() {
    let bytes = compressed(&sample(0, 548, 675_300_437_945_605_380), Effort::Little);
    let mut damaged = bytes.clone();
    damaged[76] = 249;
    assert_eq!((decompressed(&bytes, 548).is_some(), decompressed(&damaged, 548)), (true, None));
    assert!(decompress_to_vec(&damaged).is_err());
    // Other writers give a block's only distance a code of one bit.
    assert!(
        HuffmanCodes::new(&[0, 0, 1]).is_some()
            && HuffmanCodes::new(&[0; 5]).is_some()
            && HuffmanCodes::new(&[1, 2, 2]).is_some()
    );
    assert!(
        HuffmanCodes::new(&[2]).is_none()
            && HuffmanCodes::new(&[1, 2]).is_none()
            && HuffmanCodes::new(&[1, 1, 1]).is_none()
    );
}

/// 32 KiB of noise twice: the match is as far back as possible.
#[test]
fn the_farthest_match_is_found() {
    let noise = sample(0, 1 << 15, 3);
    let data = [&noise[..], &noise].concat();
    for effort in EFFORTS {
        let bytes = compressed(&data, effort);
        assert!(effort == Effort::Little || bytes.len() < noise.len() + 3000, "{} bytes", bytes.len());
        assert_eq!(decompress_to_vec(&bytes).unwrap(), data);
    }
}

#[test]
fn code_lengths_fill_their_space() {
    let fibonacci: Vec<u32> =
        (0..30).scan((1, 1), |(a, b), _| Some(core::mem::replace(a, core::mem::replace(b, *a + *b)))).collect();
    let tables: [&[u32]; 7] = [&fibonacci, &[0; 30], &[5; 30], &[0, 0, 7], &[9, 0, 0], &[1, 0, 0, 1], &[1; 19]];
    for frequencies in tables {
        for most in [7, 15] {
            let mut lengths = vec![0; frequencies.len()];
            code_lengths(frequencies, most, &mut lengths);
            assert!(lengths.iter().all(|&bits| usize::from(bits) <= most));
            let space: u32 = lengths.iter().filter(|&&bits| bits > 0).map(|&bits| 1 << (15 - bits)).sum();
            assert_eq!(space, 1 << 15, "{lengths:?}");
            assert!(frequencies.iter().zip(&lengths).all(|(&frequency, &bits)| frequency == 0 || bits > 0));
            for (a, b) in
                frequencies.iter().zip(&lengths).flat_map(|a| frequencies.iter().zip(&lengths).map(move |b| (a, b)))
            {
                assert!(a.0 <= b.0 || *b.0 == 0 || a.1 <= b.1, "the more frequent has no longer code");
            }
            let (firsts, counts) = first_codes(&lengths);
            assert!((1..=15).all(|bits| firsts[bits] + counts[bits] <= 1 << bits));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_go_there_and_back(data in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..5000)) {
        for effort in EFFORTS {
            let bytes = compressed(&data, effort);
            prop_assert_eq!(decompressed(&bytes, data.len()), Some(data.clone()));
            prop_assert_eq!(&decompress_to_vec(&bytes).unwrap(), &data);
        }
        for level in [0, 1, 6, 9] {
            prop_assert_eq!(decompressed(&compress_to_vec(&data, level), data.len()), Some(data.clone()));
        }
    }

    /// The two readers differ only in that this one requires the data to end.
    #[test]
    fn what_is_damaged_is_refused_or_read_alike(
        kind in 0_usize..5, len in 0_usize..3000, seed: u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = compressed(&sample(kind, len, seed), EFFORTS[kind % 2]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(found) = decompressed(&bytes, len) {
            prop_assert_eq!(decompress_to_vec(&bytes).ok(), Some(found));
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read_alike(bytes in prop::collection::vec(any::<u8>(), 0..200), len in 0_usize..300) {
        if let Some(found) = decompressed(&bytes, len) {
            prop_assert_eq!(decompress_to_vec(&bytes).ok(), Some(found));
        }
    }
}
