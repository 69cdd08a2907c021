//! What a compaction did.

/// Bytes given back, by part.
///
/// `graph`, `codes` and `warm` count memory returned to the allocator, less the memory that the compaction took for the
/// records and nodes that it moved. `cold` counts space in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReclaimedBytes {
    /// Nodes and their links.
    pub graph: usize,
    /// Quantized vectors.
    pub codes: usize,
    /// Full vectors and payloads in memory.
    pub warm: usize,
    /// Full vectors and payloads in the store: the bytes of blocks that were dropped or rewritten, less those of the
    /// blocks written in their place. 0 when the compaction was not completed in a store.
    pub cold: usize,
}

impl ReclaimedBytes {
    /// The sum of all parts.
    pub const fn total(&self) -> usize {
        self.graph + self.codes + self.warm + self.cold
    }
}

/// What a compaction did. When there was nothing to do, the tombstones and all bytes are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CompactionReport {
    /// Deleted records whose slots became free.
    pub tombstones_removed: usize,
    /// Live records when the compaction ended.
    pub new_size: usize,
    /// Bytes given back.
    pub reclaimed_bytes: ReclaimedBytes,
    /// Number of slices that it took.
    pub slices: usize,
    /// The longest slice, in milliseconds.
    pub longest_slice_ms: f64,
    /// Time from the start of the first slice to the end of the last, in milliseconds. It includes the time between
    /// slices.
    pub duration_ms: f64,
}
