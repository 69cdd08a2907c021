//! Counting bits, in plain code: every processor that has SIMD counts 64 of them in one instruction.

/// How many bits a row has in common with each of four planes: [`super::Kernels::count_planes`].
#[inline(always)]
pub(super) fn count_planes(planes: &[[u64; 4]], row: &[u64]) -> u32 {
    let mut counts = [0; 4];
    for (planes, word) in planes.iter().zip(row) {
        for (count, plane) in counts.iter_mut().zip(planes) {
            // SAFETY: a reference is valid to read. Volatile, because compilers would vectorize the words, split them
            // to count their bits, and combine the counts again, which takes three times as long.
            let plane = unsafe { core::ptr::read_volatile(plane) };
            *count = u32::wrapping_add(*count, (word & plane).count_ones());
        }
    }
    counts.into_iter().rev().fold(0, |sum: u32, count| sum.wrapping_mul(2).wrapping_add(count))
}
