//! The frozen block, uncompressed and in both formats, as `tests/fixtures/v1/compressed.py` wrote it from
//! docs/FORMAT.md.

use super::super::compression::Compression;
use super::super::parts::{Compressor, decompress};

const BLOCK: &[u8] = include_bytes!("../../../../tests/fixtures/v1/block.thermo");
const LZ4: &[u8] = include_bytes!("../../../../tests/fixtures/v1/block.lz4.thermo");
const DEFLATE: &[u8] = include_bytes!("../../../../tests/fixtures/v1/block.deflate.thermo");
const RECORDS: u32 = 24;
const DIMENSIONS: usize = 6;

#[test]
fn the_frozen_blocks_are_what_they_were() {
    for (compression, compressed) in
        [(Compression::Lz4, LZ4), (Compression::Deflate, DEFLATE), (Compression::DeflateMore, DEFLATE)]
    {
        let words = decompress(compression.codec(), compressed, BLOCK.len() as u64, RECORDS, DIMENSIONS).unwrap();
        assert_eq!(bytemuck::cast_slice::<u32, u8>(&words), BLOCK, "{compression:?}");
        // What is written today may be shorter, and decompresses to the same.
        let mut compressor = Compressor::default();
        let today = compressor.compress(compression, BLOCK, DIMENSIONS).unwrap().unwrap();
        assert_eq!(decompress(compression.codec(), today, BLOCK.len() as u64, RECORDS, DIMENSIONS).unwrap(), words);
    }
}
