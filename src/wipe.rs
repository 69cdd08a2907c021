//! Overwriting what is about to be given back to the allocator, so that nothing of a deleted record stays there.
//!
//! In WebAssembly there is no need: the memory of an instance is overwritten as a whole (`overwrite` in
//! `pkg/src/turn.ts`).

use crate::types::OutOfMemory;

/// Overwrites values that are no longer needed with zeros, natively.
#[inline]
pub(crate) fn wipe<T: bytemuck::Zeroable + Copy>(values: &mut [T]) {
    if cfg!(not(target_arch = "wasm32")) {
        values.fill(T::zeroed());
        // Without this, a compiler that sees that the values are not read again could drop the writes.
        core::hint::black_box(values);
    }
}

/// Values that are overwritten before their memory is given back, however the scope that holds them is left.
#[derive(Debug, Default)]
pub(crate) struct Wiped<T: bytemuck::Zeroable + Copy = u8>(pub(crate) Vec<T>);

impl<T: bytemuck::Zeroable + Copy> Wiped<T> {
    /// The values, which are then the caller's to overwrite.
    pub(crate) fn take(&mut self) -> Vec<T> {
        core::mem::take(&mut self.0)
    }
}

impl<T: bytemuck::Zeroable + Copy> Drop for Wiped<T> {
    #[inline]
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Makes room for `additional` more values, as `try_reserve` does, leaving no copy of the present values where they
/// were.
#[inline(always)]
pub(crate) fn reserve<T: bytemuck::Zeroable + Copy>(values: &mut Vec<T>, additional: usize) -> Result<(), OutOfMemory> {
    let needed = values.len().saturating_add(additional);
    if cfg!(target_arch = "wasm32") || needed <= values.capacity() {
        return Ok(values.try_reserve(additional)?);
    }
    reserve_exact(values, needed.max(2 * values.len()) - values.len())
}

/// Makes room for `additional` more values, as `try_reserve_exact` does, leaving no copy of the present values where
/// they were.
#[inline(always)]
pub(crate) fn reserve_exact<T: bytemuck::Zeroable + Copy>(
    values: &mut Vec<T>,
    additional: usize,
) -> Result<(), OutOfMemory> {
    let needed = values.len().saturating_add(additional);
    if cfg!(target_arch = "wasm32") || needed <= values.capacity() {
        return Ok(values.try_reserve_exact(additional)?);
    }
    let mut grown = Vec::new();
    grown.try_reserve_exact(needed)?;
    grown.extend_from_slice(values);
    wipe(values);
    *values = grown;
    Ok(())
}
