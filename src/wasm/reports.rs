//! Converts reports to plain objects with the field names of the public types.

use crate::compact::{CompactionReport, Progress};
use crate::index::{CheckReport, Stats};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

/// Makes a plain object whose numbers are JavaScript numbers.
pub(super) fn to_object(value: &impl Serialize) -> Result<JsValue, JsValue> {
    Ok(value.serialize(&Serializer::new())?)
}

#[derive(Serialize)]
pub(super) struct ProgressObject {
    done: u32,
    total: u32,
    phase: &'static str,
}

impl From<Progress> for ProgressObject {
    fn from(progress: Progress) -> Self {
        Self { done: progress.done as u32, total: progress.total as u32, phase: progress.phase }
    }
}

#[derive(Serialize)]
struct ReclaimedObject {
    graph: f64,
    codes: f64,
    warm: f64,
    cold: f64,
    total: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReportObject {
    tombstones_removed: u32,
    new_size: u32,
    reclaimed_bytes: ReclaimedObject,
    slices: u32,
    longest_slice_ms: f64,
    duration_ms: f64,
}

impl From<&CompactionReport> for ReportObject {
    fn from(report: &CompactionReport) -> Self {
        let bytes = report.reclaimed_bytes;
        Self {
            tombstones_removed: report.tombstones_removed as u32,
            new_size: report.new_size as u32,
            reclaimed_bytes: ReclaimedObject {
                graph: bytes.graph as f64,
                codes: bytes.codes as f64,
                warm: bytes.warm as f64,
                cold: bytes.cold as f64,
                total: bytes.total() as f64,
            },
            slices: report.slices as u32,
            longest_slice_ms: report.longest_slice_ms,
            duration_ms: report.duration_ms,
        }
    }
}

#[derive(Serialize)]
pub(super) struct CheckObject<'a> {
    ok: bool,
    live: u32,
    reachable: u32,
    problems: &'a [String],
}

impl<'a> From<&'a CheckReport> for CheckObject<'a> {
    fn from(report: &'a CheckReport) -> Self {
        let (live, reachable) = (report.live as u32, report.reachable as u32);
        Self { ok: report.ok, live, reachable, problems: &report.problems }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BytesObject {
    codes: f64,
    graph: f64,
    ids: f64,
    warm: f64,
    cold_cache: f64,
    total: f64,
}

/// The contents of a store. All fields are zero for an index in memory.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredObject {
    segments: f64,
    cold: f64,
    cold_raw: f64,
    log: f64,
    total: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheObject {
    hits: f64,
    misses: f64,
    hit_rate: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatsObject {
    size: u32,
    deleted_count: u32,
    pending: u32,
    tombstone_ratio: f64,
    bytes: BytesObject,
    stored_bytes: StoredObject,
    reclaimable_bytes: f64,
    bytes_per_vector: f64,
    cache: CacheObject,
    codec: &'static str,
    simd: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_compaction: Option<ReportObject>,
}

impl StatsObject {
    pub(super) fn new(stats: &Stats, last: Option<&CompactionReport>) -> Self {
        let bytes = stats.bytes;
        Self {
            size: stats.size as u32,
            deleted_count: stats.deleted as u32,
            pending: stats.pending as u32,
            tombstone_ratio: stats.tombstone_ratio,
            bytes: BytesObject {
                codes: bytes.codes as f64,
                graph: (bytes.graph + bytes.scratch) as f64,
                ids: bytes.ids as f64,
                warm: bytes.warm as f64,
                cold_cache: bytes.cold_cache as f64,
                total: bytes.total() as f64,
            },
            stored_bytes: StoredObject {
                segments: stats.stored.segments as f64,
                cold: stats.stored.cold as f64,
                cold_raw: stats.stored.cold_raw as f64,
                log: stats.stored.log as f64,
                total: stats.stored.total() as f64,
            },
            reclaimable_bytes: stats.reclaimable_bytes as f64,
            bytes_per_vector: stats.bytes_per_vector,
            cache: CacheObject {
                hits: stats.cache.hits as f64,
                misses: stats.cache.misses as f64,
                hit_rate: stats.cache.hit_rate(),
            },
            codec: stats.codec,
            simd: stats.simd,
            last_compaction: last.map(ReportObject::from),
        }
    }
}
