//! What a compaction did.

/// Bytes given back, by part. What is counted was really freed: the allocator has it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReclaimedBytes {
    /// Levels and neighbour lists.
    pub graph: usize,
    /// Quantized vectors.
    pub codes: usize,
    /// Full vectors and payloads in memory.
    pub warm: usize,
    /// Full vectors and payloads in the store.
    pub cold: usize,
}

impl ReclaimedBytes {
    /// All of it.
    pub const fn total(&self) -> usize {
        self.graph + self.codes + self.warm + self.cold
    }
}

/// What a compaction did. When there was nothing to do, everything but `new_size` is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CompactionReport {
    /// Deleted records whose slots became free.
    pub tombstones_removed: usize,
    /// Live records when it ended.
    pub new_size: usize,
    /// Bytes given back.
    pub reclaimed_bytes: ReclaimedBytes,
    /// In how many slices it ran.
    pub slices: usize,
    /// The longest of them, in milliseconds.
    pub longest_slice_ms: f64,
    /// From the first slice to the end of the last, in milliseconds; the caller's own work between them included.
    pub duration_ms: f64,
}
