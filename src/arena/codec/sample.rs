//! Trying the ways to pack on real blocks.

use super::packing::{Measured, Packing};
use super::parts::{Packer, unpack};
use crate::format::FormatError;

/// Each block is packed and unpacked so many times, and the shortest time counts: an engine runs code slowly that it has not
/// optimized yet.
const PASSES: usize = 2;
const NS_PER_MS: f64 = 1e6;

/// Some blocks as they would be written.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Each with the number of its records.
    pub(crate) blocks: Vec<(u32, Vec<u8>)>,
    pub(crate) dimensions: usize,
}

impl Sample {
    /// What packing the sample in one way comes to. `now_ms` is a clock; where there is none, what it typically takes is
    /// believed.
    pub(crate) fn measure(
        &self,
        packing: Packing,
        packer: &mut Packer,
        now_ms: &mut dyn FnMut() -> Option<f64>,
    ) -> Result<Measured, FormatError> {
        let (mut raw_bytes, mut packed_bytes) = (0, 0);
        let (mut pack_ms, mut unpack_ms) = (0.0, 0.0);
        let mut has_clock = false;
        for (records, block) in &self.blocks {
            let mut least = [f64::INFINITY; 2];
            let mut len = block.len();
            for _ in 0..PASSES {
                let start = now_ms();
                let packed = packer.pack(packing, block, self.dimensions)?;
                let middle = now_ms();
                if let Some(packed) = packed {
                    unpack(packing.codec(), packed, block.len() as u64, *records, self.dimensions)?;
                    len = packed.len();
                }
                if let (Some(start), Some(middle), Some(end)) = (start, middle, now_ms()) {
                    has_clock = true;
                    least = [least[0].min(middle - start), least[1].min(end - middle)];
                }
            }
            raw_bytes += block.len();
            packed_bytes += len;
            pack_ms += least[0];
            unpack_ms += least[1];
        }
        let all = raw_bytes.max(1) as f64;
        let (pack_ns, unpack_ns) =
            if has_clock { (pack_ms * NS_PER_MS / all, unpack_ms * NS_PER_MS / all) } else { packing.typical_ns() };
        Ok(Measured { packing, ratio: packed_bytes as f64 / all, pack_ns, unpack_ns })
    }
}
