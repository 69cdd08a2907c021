// The numbers of an index as OpenMetrics text. A separate script, loaded when first needed; see build.mjs.
import type { Compactions } from "./compactions.js";
import type { Stats } from "./types.js";

/** A sample: the suffix that its name adds to the family's, its labels, and its value. */
type Sample = readonly [suffix: string, labels: string, value: number];

/** All families with their types, units and help texts, and the end mark that the format requires. */
export function openMetrics(stats: Stats, compactions: Compactions): string {
  const { bytes, storedBytes, cache } = stats;
  const { codes, graph, ids, warm, coldCache, total } = bytes;
  const other = total - codes - graph - ids - warm - coldCache;
  const resident = parts({ codes, graph, ids, warm, cold_cache: coldCache, other });
  const stored = parts({ segments: storedBytes.segments, cold: storedBytes.cold });
  const last: Sample[] = compactions.lastMs === undefined ? [] : [["", "", compactions.lastMs / 1000]];
  return [
    gauge("records", "", "Live records.", stats.size),
    gauge("tombstones", "", "Deleted records that the graph still holds.", stats.deletedCount),
    gauge("pending", "", "Records that are not linked into the graph yet.", stats.pending),
    gauge("tombstone_ratio", "ratio", "Tombstones among all records, live and deleted.", stats.tombstoneRatio),
    gauge(
      "fragmentation_ratio", "ratio", "Of the resident bytes, the share that a compaction would give back at least.",
      total && stats.reclaimableBytes / total,
    ),
    gauge("reclaimable_bytes", "bytes", "What a compaction would give back at least.", stats.reclaimableBytes),
    family(
      "resident_bytes", "gauge", "bytes", "Bytes in memory, spare room included. The part warm is the slabs of the arena.",
      resident,
    ),
    gauge("wasm_memory_bytes", "bytes", "WebAssembly memory of the index, which never shrinks.", stats.wasmMemoryBytes),
    family("stored_bytes", "gauge", "bytes", "Bytes in the store without the log.", stored),
    gauge("stored_cold_raw_bytes", "bytes", "What the cold part of the stored bytes unpacks to.", storedBytes.coldRaw),
    gauge("log_bytes", "bytes", "Length of the log since the last checkpoint.", storedBytes.log),
    counter("cache_hits", "", "Blocks of cold records that calls needed and found in memory.", [["", "", cache.hits]]),
    counter("cache_misses", "", "Blocks of cold records that calls needed and had to read from the store.", [["", "", cache.misses]]),
    family(
      "compaction_duration_seconds", "histogram", "seconds",
      "From the start of a compaction to its end, what ran between its slices included.", durations(compactions),
    ),
    counter("compaction_reclaimed_bytes", "bytes", "Bytes that compactions gave back.", parts(compactions.reclaimedBytes)),
    counter("compaction_failures", "", "Compactions that ended with an error.", [["", "", compactions.failures]]),
    family(
      "compaction_last_timestamp_seconds", "gauge", "seconds", "When the last compaction ended; no sample before the first.",
      last,
    ),
    "# EOF\n",
  ].join("");
}

function family(name: string, type: string, unit: string, help: string, samples: readonly Sample[]): string {
  const whole = `thermocline_${name}`;
  const lines = samples.map(([suffix, labels, value]) => `${whole}${suffix}${labels} ${value}\n`);
  return `# TYPE ${whole} ${type}\n${unit && `# UNIT ${whole} ${unit}\n`}# HELP ${whole} ${help}\n${lines.join("")}`;
}

function gauge(name: string, unit: string, help: string, value: number): string {
  return family(name, "gauge", unit, help, [["", "", value]]);
}

/** A counter. The names of its samples end in `_total`; the name of the family does not. */
function counter(name: string, unit: string, help: string, samples: readonly Sample[]): string {
  return family(name, "counter", unit, help, samples.map(([, labels, value]) => ["_total", labels, value] as const));
}

function parts(values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([part, value]) => ["", `{part="${part}"}`, value]);
}

/** The samples of the histogram. Each bucket also counts those below it, and bounds are written as floats. */
function durations({ durations, count, seconds }: Compactions): Sample[] {
  let below = 0;
  const buckets = durations.map(([bound, within]): Sample => {
    below += within;
    return ["_bucket", `{le="${Number.isInteger(bound) ? `${bound}.0` : bound}"}`, below];
  });
  return [...buckets, ["_bucket", '{le="+Inf"}', count], ["_count", "", count], ["_sum", "", seconds]];
}
