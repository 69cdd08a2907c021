// An index's numbers as OpenMetrics text. A script of its own, loaded when it is asked for; see build.mjs.
import type { Compactions } from "./compactions.js";
import type { Stats } from "./types.js";

/** A sample: what its name has behind the family's, its labels, its value. */
type Sample = readonly [suffix: string, labels: string, value: number];

/** All families, each with its type, its unit if its name ends in one, and what it says; and the end that the format asks for. */
export function openMetrics(stats: Stats, compactions: Compactions): string {
  const { bytes, storedBytes, cache } = stats;
  const { codes, graph, ids, warm, coldCache, total } = bytes;
  const other = total - codes - graph - ids - warm - coldCache;
  return [
    gauge("records", "", "Live records.", stats.size),
    gauge("tombstones", "", "Deleted records that the graph still holds.", stats.deletedCount),
    gauge("tombstone_ratio", "ratio", "Tombstones among all records, live and deleted.", stats.tombstoneRatio),
    gauge("fragmentation_ratio", "ratio", "Of the resident bytes, the share that a compaction would give back at least.", total && stats.reclaimableBytes / total),
    gauge("reclaimable_bytes", "bytes", "What a compaction would give back at least.", stats.reclaimableBytes),
    family("resident_bytes", "gauge", "bytes", "Bytes in memory, spare room included. The part warm is the slabs of the arena.", parts({ codes, graph, ids, warm, cold_cache: coldCache, other })),
    gauge("wasm_memory_bytes", "bytes", "WebAssembly memory of the index, which never shrinks.", stats.wasmMemoryBytes),
    family("stored_bytes", "gauge", "bytes", "Bytes in the store without the log.", parts({ segments: storedBytes.segments, cold: storedBytes.cold })),
    gauge("stored_cold_raw_bytes", "bytes", "What the cold part of the stored bytes unpacks to.", storedBytes.coldRaw),
    gauge("log_bytes", "bytes", "Length of the log since the last checkpoint.", storedBytes.log),
    counter("cache_hits", "", "Reads of cold records that found their block in memory.", [["", "", cache.hits]]),
    counter("cache_misses", "", "Reads of cold records that had to ask the store.", [["", "", cache.misses]]),
    family("compaction_duration_seconds", "histogram", "seconds", "From the start of a compaction to its end, what ran between its slices included.", durations(compactions)),
    counter("compaction_reclaimed_bytes", "bytes", "Bytes that compactions gave back.", parts(compactions.reclaimedBytes)),
    counter("compaction_failures", "", "Compactions that ended with an error.", [["", "", compactions.failures]]),
    family("compaction_last_timestamp_seconds", "gauge", "seconds", "When the last compaction ended; no sample before the first.", compactions.lastMs === undefined ? [] : [["", "", compactions.lastMs / 1000]]),
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

/** The family of a counter is called without the ending that its samples have. */
function counter(name: string, unit: string, help: string, samples: readonly Sample[]): string {
  return family(name, "counter", unit, help, samples.map(([, labels, value]) => ["_total", labels, value] as const));
}

function parts(values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([part, value]) => ["", `{part="${part}"}`, value]);
}

/** Each bucket counts those below it too, and bounds are written as floats are. */
function durations({ durations, count, seconds }: Compactions): Sample[] {
  let below = 0;
  const buckets = durations.map(([bound, within]): Sample => {
    below += within;
    return ["_bucket", `{le="${Number.isInteger(bound) ? `${bound}.0` : bound}"}`, below];
  });
  return [...buckets, ["_bucket", '{le="+Inf"}', count], ["_count", "", count], ["_sum", "", seconds]];
}
