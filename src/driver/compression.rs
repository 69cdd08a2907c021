//! Chooses how blocks are compressed, by timing each way with the host's clock.

use super::Host;
use crate::arena::{Compression, Compressor, Measured};
use crate::index::Error;

/// Chooses how blocks are compressed, if the choice is due: by measured times or, without a clock, by typical times, so
/// that equal calls choose alike.
///
/// # Errors
/// [`Error::OutOfMemory`]; the choice then stays due.
#[inline(never)]
pub(super) fn choose_compression(host: &impl Host) -> Result<(), Error> {
    let Some(sample) = host.with(|index| index.compression_sample())? else { return Ok(()) };
    let mut compressor = Compressor::default();
    let mut measured = [Measured::UNCOMPRESSED; Compression::ALL.len()];
    for (place, compression) in measured.iter_mut().zip(Compression::ALL) {
        *place = sample.measure(compression, &mut compressor, &mut || host.clock_ms())?;
    }
    host.with(|index| {
        index.set_compression(&measured);
        Ok(())
    })
}
