//! The frozen block, and the same packed in both ways, which `tests/fixtures/v1/packed.py` wrote from docs/FORMAT.md.

use super::super::packing::Packing;
use super::super::parts::{Packer, unpack};

const BLOCK: &[u8] = include_bytes!("../../../../tests/fixtures/v1/block.thermo");
const LZ4: &[u8] = include_bytes!("../../../../tests/fixtures/v1/block.lz4.thermo");
const DEFLATE: &[u8] = include_bytes!("../../../../tests/fixtures/v1/block.deflate.thermo");
const RECORDS: u32 = 24;
const DIMENSIONS: usize = 6;

#[test]
fn the_frozen_blocks_are_what_they_were() {
    for (packing, packed) in [(Packing::Lz4, LZ4), (Packing::Deflate, DEFLATE), (Packing::DeflateMore, DEFLATE)] {
        let words = unpack(packing.codec(), packed, BLOCK.len() as u64, RECORDS, DIMENSIONS).unwrap();
        assert_eq!(bytemuck::cast_slice::<u32, u8>(&words), BLOCK, "{packing:?}");
        // What is written today may be shorter, and is read as the same.
        let mut packer = Packer::default();
        let today = packer.pack(packing, BLOCK, DIMENSIONS).unwrap().unwrap();
        assert_eq!(unpack(packing.codec(), today, BLOCK.len() as u64, RECORDS, DIMENSIONS).unwrap(), words);
    }
}
