//! Blocks compressed and decompressed, and compressed blocks that do not match their entry.

use super::super::compression::{Compression, Measured};
use super::super::parts::{Compressor, decompress, decompresses_to};
use super::super::sample::Sample;
use super::sample;
use crate::format::FormatError;
use crate::wipe::Wiped;
use proptest::prelude::*;

/// A block of `records` records, with vectors that resemble embeddings.
fn block(records: usize, dimensions: usize, payload: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let noise = sample(0, 4 * records * dimensions, 77);
    let mut numbers = noise.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
    for record in 0..records {
        let payload = payload(record);
        bytes.extend_from_slice(&(payload.len() as u32 | 1 << 30).to_le_bytes());
        for number in numbers.by_ref().take(dimensions) {
            bytes.extend_from_slice(&((number as f32 / 4e9 - 0.5) * 0.2).to_le_bytes());
        }
        bytes.extend_from_slice(&payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn blocks() -> Vec<(usize, usize, Vec<u8>)> {
    let json = |at: usize| format!("{{\"text\":\"number {at} of a list of numbers\",\"n\":{}}}", at * at).into_bytes();
    vec![
        (37, 384, block(37, 384, json)),
        (256, 16, block(256, 16, json)),
        (200, 0, block(200, 0, json)),
        (40, 100, block(40, 100, |_| Vec::new())),
        (1, 8, block(1, 8, |_| sample(1, 300_001, 3))),
        (30, 64, block(30, 64, |at| sample(0, 900 + at, at as u64))),
        (1, 3, block(1, 3, |_| vec![1])),
        (0, 3, Vec::new()),
    ]
}

fn bytes_of(words: &[u32]) -> &[u8] {
    bytemuck::cast_slice(words)
}

#[test]
fn blocks_go_there_and_back() {
    let mut compressor = Compressor::default();
    let mut shorter = 0;
    for (records, dimensions, block) in blocks() {
        for compression in Compression::ALL {
            let Some(compressed) = compressor.compress(compression, &block, dimensions).unwrap() else { continue };
            shorter += 1;
            assert!(compressed.len() < block.len());
            let words =
                decompress(compression.codec(), compressed, block.len() as u64, records as u32, dimensions).unwrap();
            assert!(bytes_of(&words) == block, "{records} of {dimensions}, {compression:?}");
            assert!(decompresses_to(&block, compression, compressed, records as u32, dimensions));
        }
        assert_eq!(compressor.compress(Compression::AsItIs, &block, dimensions), Ok(None));
        assert_eq!(
            compressor.compress(Compression::Lz4, &[&block[..], &[0]].concat(), dimensions),
            Ok(None),
            "no block"
        );
    }
    assert!(shorter > 15, "{shorter}");
}

#[test]
fn embeddings_lose_a_seventh_and_texts_most() {
    let mut compressor = Compressor::default();
    let mut ratio = |block: &[u8], dimensions, compression| {
        let compressed = compressor.compress(compression, block, dimensions).unwrap();
        compressed.map_or(1.0, |compressed| compressed.len() as f64 / block.len() as f64)
    };
    let vectors = block(40, 384, |_| Vec::new());
    let texts = block(60, 4, |at| sample(1, 1000, at as u64 % 7));
    for compression in [Compression::Deflate, Compression::DeflateMore] {
        let found = ratio(&vectors, 384, compression);
        assert!((0.7..0.9).contains(&found), "{compression:?}: {found}");
        assert!(ratio(&texts, 4, compression) < 0.3);
    }
    assert!(ratio(&texts, 4, Compression::Lz4) < 0.4);
}

#[test]
fn a_sample_is_measured() {
    let blocks: Vec<_> = (0..3).map(|at| (20, Wiped(block(20, 32, |_| sample(1, 500, at))))).collect();
    let all: usize = blocks.iter().map(|(_, block)| block.0.len()).sum();
    let sample = Sample { blocks, dimensions: 32 };
    let mut compressor = Compressor::default();
    let mut measure = |compression, clock: &mut dyn FnMut() -> Option<f64>| {
        sample.measure(compression, &mut compressor, clock).unwrap()
    };
    // The clock is read before compression, after it, and after decompression, which take one and three milliseconds.
    let mut times = [0.0, 1.0, 4.0].into_iter().cycle();
    let measured = measure(Compression::Deflate, &mut || times.next());
    let a_block = all as f64 / 3.0;
    assert_eq!(measured.compression, Compression::Deflate);
    assert!((measured.compress_ns * a_block - 1e6).abs() < 1.0 && (measured.decompress_ns * a_block - 3e6).abs() < 1.0);
    assert!((0.1..0.7).contains(&measured.ratio), "{measured:?}");
    let believed = measure(Compression::Deflate, &mut || None);
    assert_eq!((believed.compress_ns, believed.decompress_ns), Compression::Deflate.typical_ns());
    assert_eq!(believed.ratio, measured.ratio);
    assert_eq!(measure(Compression::AsItIs, &mut || None), Measured::UNCOMPRESSED);
}

/// A block's entry is not trusted: with other bytes, counts or lengths the block is refused, or read consistently.
#[test]
fn what_does_not_fit_is_refused() {
    let mut compressor = Compressor::default();
    let (records, dimensions, block) = blocks().swap_remove(1);
    for compression in [Compression::Lz4, Compression::Deflate] {
        let compressed = compressor.compress(compression, &block, dimensions).unwrap().unwrap().to_vec();
        let raw = block.len() as u64;
        let read = |compressed: &[u8], raw, records, dimensions| {
            decompress(compression.codec(), compressed, raw, records, dimensions)
        };
        let refused = |result: Result<Vec<u32>, FormatError>| matches!(result, Err(FormatError::Corrupt { .. }));
        let count = records as u32;
        for raw in [0, 3, raw - 4, raw - 1, raw + 1, raw + 4, 2 * raw, 1 << 40, u64::MAX, u64::MAX - 3] {
            assert!(refused(read(&compressed, raw, count, dimensions)), "{raw} bytes");
        }
        for count in [0, 1, count - 1, count + 1, 1 << 20, u32::MAX] {
            assert!(refused(read(&compressed, raw, count, dimensions)), "{count} records");
        }
        for dimensions in [0, dimensions - 1, dimensions + 1, 8192] {
            assert!(refused(read(&compressed, raw, count, dimensions)), "{dimensions} dimensions");
        }
        for codec in [0, 3, u32::MAX] {
            assert!(refused(decompress(codec, &compressed, raw, count, dimensions)), "codec {codec}");
        }
        for len in 0..compressed.len() {
            assert!(refused(read(&compressed[..len], raw, count, dimensions)), "cut to {len}");
        }
        assert!(refused(read(&[&compressed[..], &[0]].concat(), raw, count, dimensions)));
        for bit in (0..compressed.len() * 8).step_by(7) {
            let mut flipped = compressed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Without the checksum the contents may differ, but never their length.
            let words = read(&flipped, raw, count, dimensions);
            assert!(words.as_ref().is_ok_and(|words| words.len() as u64 * 4 == raw) || refused(words.clone()));
            let is_same = words.is_ok_and(|words| bytes_of(&words) == block);
            assert_eq!(decompresses_to(&block, compression, &flipped, count, dimensions), is_same, "bit {bit}");
        }
    }
}

/// Decompressing a few bytes allocates no more than they can expand to.
#[test]
fn what_a_little_can_stand_for_is_little() {
    let compressed = [0; 100];
    assert!(decompress(2, &compressed, 100 * 1032 + 1036, 1, 0).is_err());
    let zeros = vec![0; 1 << 20];
    let record = [&((zeros.len() as u32) | 2 << 30).to_le_bytes()[..], &zeros].concat();
    let mut compressor = Compressor::default();
    for compression in [Compression::Lz4, Compression::Deflate] {
        let compressed = compressor.compress(compression, &record, 0).unwrap().unwrap().to_vec();
        let words = decompress(compression.codec(), &compressed, record.len() as u64, 1, 0).unwrap();
        assert!(bytes_of(&words) == record, "{} bytes for a megabyte", compressed.len());
    }
}

/// Even if all lengths are consistent, there may be more bytes than the records take.
#[test]
fn what_is_longer_than_its_records_is_refused() {
    let rest = [&(4u32 | 2 << 30).to_le_bytes()[..], b"four"].concat();
    let compressed = |rest: &[u8], plane: &[u8]| {
        let len = |part: &[u8]| (part.len() as u32).to_le_bytes();
        // Parts with their uncompressed length are stored uncompressed.
        [&[len(plane); 4].concat()[..], &len(rest), &plane.repeat(4), rest].concat()
    };
    for codec in [Compression::Lz4.codec(), Compression::Deflate.codec()] {
        let read = |rest: &[u8], plane: &[u8], raw| decompress(codec, &compressed(rest, plane), raw, 1, 2);
        assert_eq!(read(&rest, b"ab", 16).unwrap().len(), 4);
        for more in [4, 8, 400] {
            let longer = [&rest[..], &vec![0; more]].concat();
            let raw = 16 + more as u64;
            assert!(matches!(read(&longer, b"ab", raw), Err(FormatError::Corrupt { .. })), "{more} bytes more");
        }
        assert!(read(&rest, b"abc", 16).is_err() && read(&rest, b"abc", 20).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// A part that deflate turns into the same number of bytes must not be taken for an uncompressed one. Numbers of a
    /// few short vectors beside long payloads are such parts.
    #[test]
    fn the_shortest_parts_go_there_and_back(
        records in prop::collection::vec((prop_oneof![0_usize..40, 0_usize..3000], prop::collection::vec(0_u8..6, 8)), 1..8),
        dimensions in 0_usize..=8,
        letters in 1_u8..5,
    ) {
        let mut block = Vec::new();
        for (len, numbers) in &records {
            block.extend_from_slice(&(*len as u32 | 1 << 30).to_le_bytes());
            for number in &numbers[..dimensions] {
                block.extend_from_slice(&(f32::from(*number) * 33.0).to_le_bytes());
            }
            block.extend((0..*len).map(|at| b'a' + (at % 7) as u8 % letters));
            block.resize(block.len().next_multiple_of(4), 0);
        }
        let mut compressor = Compressor::default();
        for compression in Compression::ALL {
            if let Some(compressed) = compressor.compress(compression, &block, dimensions).unwrap() {
                let words = decompress(compression.codec(), compressed, block.len() as u64, records.len() as u32, dimensions).unwrap();
                prop_assert!(bytes_of(&words) == block, "{compression:?}");
            }
        }
    }
}
