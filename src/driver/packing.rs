//! Trying the ways to pack blocks, by the host's clock.

use super::Host;
use crate::arena::{Measured, Packer, Packing};
use crate::index::Error;

/// Chooses how blocks are packed, when that is due: by measured times, or, without a clock, by the times that packing
/// typically takes, so that equal calls choose alike.
///
/// # Errors
/// [`Error::OutOfMemory`]: the choice stays due.
#[inline(never)]
pub(super) fn choose_packing(host: &impl Host) -> Result<(), Error> {
    let Some(sample) = host.with(|index| index.packing_sample())? else { return Ok(()) };
    let mut packer = Packer::default();
    let mut measured = [Measured::UNPACKED; Packing::ALL.len()];
    for (place, packing) in measured.iter_mut().zip(Packing::ALL) {
        *place = sample.measure(packing, &mut packer, &mut || host.stopwatch_ms())?;
    }
    host.with(|index| {
        index.settle_packing(&measured);
        Ok(())
    })
}
