// metrics(): every number equals that of stats() or the compaction reports. The format is tested with a third-party
// parser, in ../metrics.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { filled } from "./helpers.mjs";

/** Returns the samples of the text, by name and labels. */
async function samples(index) {
  const lines = (await index.metrics()).split("\n").filter((line) => line && !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => line.split(/ (?=[^ ]*$)/)).map(([name, value]) => [name.replace(/^thermocline_/, ""), Number(value)]));
}

test("the metrics are the numbers of stats", async () => {
  const { index } = await filled(500);
  await index.deleteMany(Array.from({ length: 100 }, (_, i) => `r${i}`));
  const [stats, found] = [await index.stats(), await samples(index)];
  const { bytes, storedBytes, cache } = stats;
  const expected = {
    records: 400, tombstones: 100, tombstone_ratio: stats.tombstoneRatio, reclaimable_bytes: stats.reclaimableBytes,
    fragmentation_ratio: stats.reclaimableBytes / bytes.total, wasm_memory_bytes: stats.wasmMemoryBytes, log_bytes: storedBytes.log, stored_cold_raw_bytes: storedBytes.coldRaw,
    cache_hits_total: cache.hits, cache_misses_total: cache.misses,
    'resident_bytes{part="codes"}': bytes.codes, 'resident_bytes{part="graph"}': bytes.graph, 'resident_bytes{part="ids"}': bytes.ids,
    'resident_bytes{part="warm"}': bytes.warm, 'resident_bytes{part="cold_cache"}': bytes.coldCache,
    'stored_bytes{part="segments"}': storedBytes.segments, 'stored_bytes{part="cold"}': storedBytes.cold,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(found[name], value, name);
  const resident = Object.entries(found).filter(([name]) => name.startsWith("resident_bytes")).map(([, value]) => value);
  assert.equal(resident.reduce((sum, value) => sum + value), bytes.total);
  assert.ok(found.tombstone_ratio > 0 && found.fragmentation_ratio > 0);
});

test("compactions are counted with what they gave back, and failures too", async () => {
  const { index } = await filled(600);
  const before = await samples(index);
  assert.equal(before.compaction_duration_seconds_count, 0);
  assert.ok(!("compaction_last_timestamp_seconds" in before), "there was none");
  const sums = { graph: 0, codes: 0, warm: 0, cold: 0 };
  let seconds = 0;
  const began = Date.now();
  for (let round = 0; round < 3; round++) {
    await index.deleteMany(Array.from({ length: 100 }, (_, i) => `r${100 * round + i}`));
    const report = await index.compact({ sliceMs: 1 });
    seconds += report.durationMs / 1000;
    for (const part of Object.keys(sums)) sums[part] += report.reclaimedBytes[part];
  }
  await assert.rejects(index.compact({ onProgress: () => { throw new RangeError("the caller's"); } }));
  const after = await samples(index);
  for (const [part, bytes] of Object.entries(sums)) assert.equal(after[`compaction_reclaimed_bytes_total{part="${part}"}`], bytes, part);
  assert.ok(sums.graph + sums.codes > 0);
  assert.ok(after.compaction_duration_seconds_count >= 3);
  assert.ok(after.compaction_duration_seconds_sum >= seconds * 0.999);
  const buckets = Object.entries(after).filter(([name]) => name.startsWith("compaction_duration_seconds_bucket")).map(([, count]) => count);
  assert.deepEqual(buckets, [...buckets].sort((a, b) => a - b));
  assert.equal(buckets.at(-1), after.compaction_duration_seconds_count);
  assert.ok(after.compaction_last_timestamp_seconds * 1000 >= began - 1 && after.compaction_last_timestamp_seconds * 1000 <= Date.now());
  assert.equal(after.compaction_failures_total, 0, "what a caller's callback throws is no failure of a compaction");
});

test("each slice of a compaction can be seen in a performance panel, and leaves nothing behind", async (t) => {
  if (typeof PerformanceObserver !== "function") return t.skip("this platform has no PerformanceObserver");
  const seen = [];
  const observer = new PerformanceObserver((list) => seen.push(...list.getEntries()));
  observer.observe({ type: "measure" });
  const { index } = await filled(600);
  await index.deleteMany(Array.from({ length: 300 }, (_, i) => `r${i}`));
  const { slices } = await index.compact({ sliceMs: 0.5 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  seen.push(...observer.takeRecords());
  observer.disconnect();
  const measured = seen.filter(({ name }) => name === "thermocline: compaction slice");
  assert.equal(measured.length, slices);
  assert.ok(measured.every(({ duration }) => duration >= 0));
  assert.equal(performance.getEntriesByName("thermocline: compaction slice").length, 0);
});
