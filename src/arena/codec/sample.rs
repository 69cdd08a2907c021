//! Tries compressions on real blocks.

use super::compression::{Compression, Measured};
use super::parts::{Compressor, decompress};
use crate::format::FormatError;
use crate::wipe::Wiped;

/// Number of times each block is compressed and decompressed. The shortest time counts, because an engine runs code
/// slowly before it has optimized it.
const PASSES: usize = 2;
const NS_PER_MS: f64 = 1e6;

/// Some blocks as they would be written.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Each with the number of its records.
    pub(crate) blocks: Vec<(u32, Wiped)>,
    pub(crate) dimensions: usize,
}

impl Sample {
    /// Measures one compression on the sample. `now_ms` is a clock; without one, typical times are assumed.
    pub(crate) fn measure(
        &self,
        compression: Compression,
        compressor: &mut Compressor,
        now_ms: &mut dyn FnMut() -> Option<f64>,
    ) -> Result<Measured, FormatError> {
        let (mut raw_bytes, mut compressed_bytes) = (0, 0);
        let (mut compress_ms, mut decompress_ms) = (0.0, 0.0);
        let mut has_clock = false;
        for (records, Wiped(block)) in &self.blocks {
            let mut least = [f64::INFINITY; 2];
            let mut len = block.len();
            for _ in 0..PASSES {
                let start = now_ms();
                let compressed = compressor.compress(compression, block, self.dimensions)?;
                let middle = now_ms();
                let mut words = Wiped(Vec::new());
                if let Some(compressed) = compressed {
                    words.0 =
                        decompress(compression.codec(), compressed, block.len() as u64, *records, self.dimensions)?;
                    len = compressed.len();
                }
                if let (Some(start), Some(middle), Some(end)) = (start, middle, now_ms()) {
                    has_clock = true;
                    least = [least[0].min(middle - start), least[1].min(end - middle)];
                }
            }
            raw_bytes += block.len();
            compressed_bytes += len;
            compress_ms += least[0];
            decompress_ms += least[1];
        }
        let all = raw_bytes.max(1) as f64;
        let (compress_ns, decompress_ns) = if has_clock {
            (compress_ms * NS_PER_MS / all, decompress_ms * NS_PER_MS / all)
        } else {
            compression.typical_ns()
        };
        Ok(Measured { compression, ratio: compressed_bytes as f64 / all, compress_ns, decompress_ns })
    }
}
