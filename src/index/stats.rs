//! Counts and bytes of an index.

use super::Index;
use super::stored::backing::Backing;
use crate::arena::Compression;
use crate::format::Manifest;
use crate::quantize::Quantization;

/// Bytes resident in memory, spare capacity included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResidentBytes {
    /// Quantized vectors, with the scales and codebooks that go with them.
    pub codes: usize,
    /// Links, the states of slots, the queue of records that wait to be linked, and what a bulk build or a compaction
    /// under way holds.
    pub graph: usize,
    /// Ids, the tables that find them, and when records expire.
    pub ids: usize,
    /// Full vectors and payloads.
    pub warm: usize,
    /// Full vectors and payloads in blocks that were read from the store.
    pub cold_cache: usize,
    /// Buffers of searches and inserts, and changes that are in no log yet.
    pub scratch: usize,
}

impl ResidentBytes {
    /// The sum of all parts.
    pub const fn total(&self) -> usize {
        self.codes + self.graph + self.ids + self.warm + self.cold_cache + self.scratch
    }
}

/// Bytes in the store that opening the index would read, besides its manifest. Values that wait to be deleted are not
/// counted. Of an index that is open for reading only, as they were when it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredBytes {
    /// The segments of the last checkpoint: codes, links, ids, and where the records are.
    pub segments: u64,
    /// The blocks of records that the last checkpoint names, compressed.
    pub cold: u64,
    /// Uncompressed bytes of these blocks. The store does not hold them, so they are not part of the total.
    pub cold_raw: u64,
    /// The logs since the last checkpoint.
    pub log: u64,
}

impl StoredBytes {
    /// The bytes of what this manifest names, and of the logs that follow.
    pub(super) fn of(Manifest { segments, blocks, .. }: &Manifest, log: u64) -> Self {
        let mut bytes = Self { log, ..Self::default() };
        for segment in segments {
            bytes.segments = bytes.segments.saturating_add(segment.bytes);
        }
        for block in blocks {
            bytes.cold = bytes.cold.saturating_add(block.stored_bytes);
            bytes.cold_raw = bytes.cold_raw.saturating_add(block.raw_bytes);
        }
        bytes
    }

    /// The sum of `segments`, `cold` and `log`.
    pub const fn total(&self) -> u64 {
        self.segments.saturating_add(self.cold).saturating_add(self.log)
    }
}

/// The blocks that searches and lookups by id needed for records that are only in the store. A call counts a block
/// once, however many of its records it looks at. Beside other threads the counts are approximate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// How often a block was in memory.
    pub hits: u64,
    /// How often one had to be read from the store.
    pub misses: u64,
}

impl CacheCounts {
    /// The share of hits among both; 0 before the first hit.
    pub fn hit_rate(&self) -> f64 {
        if self.hits == 0 { 0.0 } else { self.hits as f64 / (self.hits + self.misses) as f64 }
    }
}

/// Counts and bytes of an index.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Live records.
    pub size: usize,
    /// Tombstones: records deleted and not yet compacted away.
    pub deleted: usize,
    /// Records that are not linked into the graph yet: [`Index::pending`].
    pub pending: usize,
    /// Share of tombstones among all records, live and deleted; 0 when there are none.
    pub tombstone_ratio: f64,
    /// Resident memory.
    pub bytes: ResidentBytes,
    /// Bytes in the store; zeros for an index that is not stored, or open for reading only.
    pub stored: StoredBytes,
    /// Hits and misses of reads of cold records.
    pub cache: CacheCounts,
    /// Bytes that a compaction would free at least: the rows and lists of tombstones and of free slots, and stale
    /// bytes. Spare capacity freed with them comes on top.
    pub reclaimable_bytes: usize,
    /// Bytes of codes, graph and ids for each live record, which searches always need. Full vectors and payloads are in
    /// `bytes.warm`. 0 when there are no records.
    pub bytes_per_vector: f64,
    /// How new blocks of records are compressed: "none", "lz4", "deflate" or "deflate-more". The index chooses by
    /// trying all of them on real blocks, before blocks are first written and after each compaction.
    pub codec: &'static str,
    /// The instruction set that distances are computed with: "scalar", "simd128", "avx2" or "avx512".
    pub simd: &'static str,
}

impl Index {
    /// Returns counts and bytes. Linear in the number of segments.
    pub fn stats(&self) -> Stats {
        let super::Parts { graph, codes, ids, tombstones, records, expiries } = &self.parts;
        let (size, deleted) = (self.len(), self.deleted());
        let bytes = ResidentBytes {
            codes: codes.resident_bytes(),
            graph: graph.resident_bytes() + tombstones.resident_bytes() + self.bytes_of_work(),
            ids: ids.resident_bytes() + expiries.resident_bytes(),
            warm: records.resident_bytes(),
            cold_cache: records.cached_bytes(),
            scratch: self.scratch.resident_bytes() + self.unlogged_bytes(),
        };
        let hot = bytes.codes + bytes.graph + bytes.ids;
        let slots = size + deleted;
        let (stored, compression) = match &self.backing {
            Backing::Memory => (StoredBytes::default(), None),
            Backing::ReadOnly { stored, compression, .. } => (*stored, *compression),
            Backing::Journal(journal) => (journal.stored_bytes(), journal.compression),
        };
        Stats {
            size,
            deleted,
            pending: self.pending(),
            tombstone_ratio: if slots == 0 { 0.0 } else { deleted as f64 / slots as f64 },
            bytes,
            stored,
            cache: {
                let (hits, misses) = records.cache_counts();
                CacheCounts { hits, misses }
            },
            reclaimable_bytes: (self.parts.slots() - size) * (codes.slot_bytes() + graph.row_bytes())
                + records.stale_bytes(),
            bytes_per_vector: if size == 0 { 0.0 } else { hot as f64 / size as f64 },
            codec: compression.unwrap_or(Compression::AsItIs).name(),
            simd: codes.simd(),
        }
    }

    /// How the codes are stored.
    pub const fn quantization(&self) -> Quantization {
        self.parts.codes.quantization()
    }
}
