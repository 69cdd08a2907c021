import assert from "node:assert/strict";
import { test } from "node:test";
import { storedRows } from "../report/stored.mjs";
import { judge } from "../report/targets.mjs";

const times = (...walls) => walls.map((wallMs) => ({ wallMs, cpuMs: wallMs / 2, openedMs: wallMs - 1, logBytes: 1_200_000 }));
const stored = () => ({
  build: { wallMs: 40_000, cpuMs: 39_000, storedBytes: { segments: 53e6, cold: 163e6 } },
  node: { reopen: times(140, 160, 149), reopenLongLog: times(600) },
  native: { reopen: times(2), reopenLongLog: times(3) },
  browser: { version: "Chrome/1", indexeddb: { reopen: times(900, 701, 600) }, opfs: { reopen: times(5) } },
  saves: { bytes: [2000, 8193, 100] },
  checkpoint: { inserts: 1000, bytes: 10, storedBytes: 31, wallMs: 5 },
  coldSearches: { rounds: [{ warmMs: 1, coldMs: 1.2, withPayloadMs: 2 }, { warmMs: 10, coldMs: 14, withPayloadMs: 20 }, { warmMs: 2, coldMs: 2.5, withPayloadMs: 4 }] },
  coldReads: { maxBytes: 1e8, missed: 3, p50Ms: 0.4, p99Ms: 2.9 },
  trips: { searches: [{ calls: 1, keys: 9 }, { calls: 2, keys: 8 }], payloads: [{ calls: 1, keys: 3 }, { calls: 1, keys: 5 }] },
  warmCompaction: [
    { sliceMs: 0.5, runs: [{ report: { longestSliceMs: 1 }, warmMs: 21 }] },
    { sliceMs: 4, runs: [{ report: { longestSliceMs: 7.9 }, warmMs: 1 }] },
  ],
});
// The row for a million rows is always present.
const judged = (given) => judge({ sets: [{ name: "s", dimensions: 384, contenders: [], stored: given }] }).filter(({ set }) => set === "s");

test("a stored index is judged by medians of times and ratios, the worst of counts and bytes, and the mean of blocks", () => {
  assert.deepEqual(judged(stored()).map(({ measured, pass }) => [measured, pass]), [
    ["149", true], ["701", false], ["8193", false], ["0.323", true], ["1.25", true], ["2", false], ["4.0", true], ["0.40", true], ["21.0", false], ["7.90", true],
  ]);
});

test("without a browser or a count of written bytes there is no verdict on them", () => {
  const given = { ...stored(), browser: undefined, saves: { bytes: [NaN] } };
  const rows = judged(given);
  assert.ok(!rows.some(({ what }) => what.includes("Chromium")));
  assert.deepEqual(rows.filter(({ measured }) => measured === "not measured").map(({ pass }) => pass), [undefined]);
});

test("the table has a row for each place, with its range", () => {
  const text = storedRows(stored()).map((row) => row.join(": ")).join("\n");
  assert.match(text, /^Node, reopen to the first answer: 149 ms \(140 ms to 160 ms\), CPU 74\.5 ms$/m);
  assert.match(text, /^the same with 1\.2 MB of log: 600 ms/m);
  assert.match(text, /^Chrome\/1, opfs, reopen .*opened in 4\.00 ms$/m);
  assert.ok(!storedRows({ ...stored(), browser: undefined, native: {} }).some(([what]) => /Chrome|native/.test(what)));
});
