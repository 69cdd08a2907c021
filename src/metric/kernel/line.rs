//! A cache line of stored bytes.

/// How many bytes one line holds.
pub(crate) const LINE_BYTES: usize = 64;

/// 64 bytes that begin where a cache line begins, so that a code of whole lines never touches one line more than it
/// fills. In memory and in a file the words are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Line([u64; LINE_BYTES / 8]);

impl Line {
    /// All zeros.
    pub(crate) const ZERO: Self = Self([0; LINE_BYTES / 8]);
}

const _: () = assert!(size_of::<Line>() == LINE_BYTES && align_of::<Line>() == LINE_BYTES);

// SAFETY: zero is a value of every u64.
unsafe impl bytemuck::Zeroable for Line {}
// SAFETY: `repr(C)` around one array of u64, which is as long as the alignment (asserted above), so that there is no
// padding; any bits are a value, there is no interior mutability, no pointer, and the type is `Copy` and `'static`.
unsafe impl bytemuck::Pod for Line {}
