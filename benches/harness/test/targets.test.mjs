import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../report/targets.mjs";

const rounds = (wall, cpu) => ({ qpsWall: wall[0], qpsCpu: cpu[0], rounds: { wall, cpu } });
const contender = (name, fields, wall, cpu) => {
  const at = rounds(wall, cpu);
  return { name, curve: [], at: { 0.9: at, 0.95: at, 0.99: at }, build: at, ...fields };
};
const place = (where, wall, cpu, more) => contender(`thermocline-${where}`, { ours: true, main: true, place: where, quantization: "int8", ...more }, wall, cpu);
const reference = (wall, cpu, more) => contender("hnswlib", more, wall, cpu);
const record = (...contenders) => ({ sets: [{ name: "s", rows: 10, dimensions: 384, contenders }] });
const find = (rows, text) => rows.find((row) => row.what.includes(text));

test("the lower of the wall and CPU ratios decides", () => {
  const rows = judge(record(place("wasm", [40], [29]), reference([10], [10])));
  const what = "thermocline-wasm: QPS at recall 0.95 / hnswlib";
  assert.deepEqual(find(rows, "recall 0.95"), { set: "s", what, target: ">= 3", measured: "2.90", pass: false });
  const passing = judge(record(place("wasm", [50], [40]), reference([10], [10])));
  assert.equal(find(passing, "thermocline-wasm: build rate").pass, true);
});

test("rounds are compared with their own, so that one slow minute of both changes nothing", () => {
  const ours = place("wasm", [30, 3, 30], [30, 30, 30]);
  assert.equal(find(judge(record(ours, reference([10, 1, 20], [10, 10, 10]))), "recall 0.95").measured, "3.00");
});

test("searches without rerank are judged in rows of their own, by the same targets", () => {
  const beside = { ...place("wasm", [32], [31]), name: "thermocline-wasm-no-rerank", main: undefined, noRerankOf: "thermocline-wasm" };
  const rows = judge(record(place("wasm", [29], [29]), beside, reference([10], [10])));
  const of = (text) => [find(rows, text).measured, find(rows, text).target, find(rows, text).pass];
  assert.deepEqual(of("thermocline-wasm: QPS at recall 0.95"), ["2.90", ">= 3", false]);
  assert.deepEqual(of("thermocline-wasm-no-rerank: QPS at recall 0.95"), ["3.10", ">= 3", true]);
  assert.equal(rows.filter(({ what }) => what.startsWith("thermocline-wasm: build")).length, 1);
});

test("a recall that was never reached falls short, and what was not promised is not judged", () => {
  const ours = place("wasm", [30], [30]);
  ours.at = { ...ours.at, 0.99: rounds([undefined], [undefined]) };
  const rows = judge(record(ours, place("chromium", [50], [50]), reference([10], [10])));
  assert.deepEqual(find(rows, "wasm: QPS at recall 0.99").pass, false);
  assert.equal(find(rows, "chromium: QPS at recall 0.9 ").pass, undefined);
  assert.equal(find(rows, "chromium: QPS at recall 0.9 ").measured, "5.00");
});

test("without the reference, or without ours, a row says that it was not run", () => {
  const alone = judge(record(place("wasm", [30], [30])));
  assert.deepEqual([...new Set(alone.map(({ measured, pass }) => `${measured} ${pass}`))], ["not run undefined"]);
  const gone = judge(record({ ...place("wasm", [30], [30]), curve: undefined, at: undefined, notRun: "it ended" }, reference([10], [10])));
  assert.equal(find(gone, "thermocline-wasm: QPS at recall 0.9 ").measured, "not run");
  assert.equal(find(gone, "1,000,000").measured, "not run");
});

test("CPU time is compared with the fastest native quantized peer that reaches the recall", () => {
  const slow = contender("slow-i8", { quantized: true }, [30], [15]);
  const fast = contender("fast-i8", { quantized: true }, [10], [20]);
  const never = contender("never-i8", { quantized: true }, [99], [99]);
  never.at = { ...never.at, 0.95: { rounds: { wall: [undefined], cpu: [undefined] } } };
  const row = find(judge(record(place("wasm", [5], [30]), reference([10], [10]), slow, never, fast)), "CPU-second");
  assert.deepEqual([row.what, row.measured, row.pass], ["thermocline-wasm: QPS per CPU-second at recall 0.95 / fast-i8", "1.50", true]);
});

test("bytes a vector are shares of the reference's; outside the distribution the worst width counts", () => {
  const outside = (...recalls) => recalls.map((recall, w) => ({ ef: 10 + w, recall }));
  const peer = reference([10], [10], { memory: { residentBytes: 12_000 }, store: { bytes: 10_000 }, outside: outside(0.8, 0.9) });
  const int8 = place("wasm", [30], [30], { memory: { bytesPerVector: 540 }, outside: outside(0.799, 0.894) });
  const binary = contender("thermocline-wasm-binary", { ours: true, place: "wasm", quantization: "binary", memory: { bytesPerVector: 151 } }, [30], [30]);
  const rows = judge(record(int8, binary, peer));
  assert.deepEqual([find(rows, "full vectors cold").measured, find(rows, "full vectors cold").pass], ["0.151", false]);
  assert.deepEqual([find(rows, "to .99").measured, find(rows, "to .99").pass], ["0.540", true]);
  assert.deepEqual([find(rows, "wasm: queries out of").measured, find(rows, "wasm: queries out of").pass], ["0.0060", false]);
  assert.equal(find(rows, "native: queries out of").measured, "not run");
});

test("a million rows are judged from the scale part", () => {
  const at = (qps) => ({ at: { 0.95: { qpsWall: qps, qpsCpu: qps + 1 } } });
  const scale = [{ rows: 1_000_000, dimensions: 384, contenders: [{ name: "thermocline-wasm", ...at(26) }, { name: "hnswlib", ...at(10) }] }];
  assert.deepEqual(judge({ sets: [], scale }).map(({ measured, pass }) => [measured, pass]), [["2.45", false]]);
});

test("compaction: a share of a rebuild by the worse clock, and the loss after the cycles", () => {
  const check = { ok: true, live: 7, reachable: 7 };
  const maintenance = {
    repair: { repairMs: { wall: 5, cpu: 7 }, rebuildMs: { wall: 100, cpu: 100 }, bulkMs: { wall: 50, cpu: 50 }, recall: { repaired: 0.98, rebuilt: 0.981, bulk: 0.982 }, check },
    churn: { cycles: [{ ...check, recall: 0.99 }, { ...check, reachable: 6, recall: 0.987 }], fresh: 0.99, bulk: 0.992 },
  };
  const rows = judge(record(place("wasm", [1], [1], { maintenance })));
  const of = (text) => [find(rows, text).measured, find(rows, text).pass];
  assert.deepEqual(of("wasm: repair of 30 %"), ["0.070", false]);
  assert.deepEqual(of("wasm: the same, of a rebuild in bulk"), ["0.140", false]);
  assert.deepEqual(of("wasm: recall lost to repair"), ["0.0010", true]);
  assert.deepEqual(of("wasm: recall lost to repair against an index built in bulk"), ["0.0020", true]);
  assert.deepEqual(of("wasm: recall lost after ten cycles against a fresh index built in bulk"), ["0.0050", false]);
  assert.deepEqual(of("wasm: records not reachable"), ["1", false]);
  assert.deepEqual(of("wasm: recall lost after ten"), ["0.0030", false]);
  assert.deepEqual(of("native: repair of 30 %"), ["not run", undefined]);
});
