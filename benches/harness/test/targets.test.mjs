import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../report/targets.mjs";

const contender = (name, ours, wall, cpu) => {
  const at = { rounds: { wall, cpu } };
  return { name, ours, quantization: ours && "int8", curve: [], at: { 0.9: at, 0.95: at, 0.99: at }, build: at };
};
const reference = (wall, cpu) => contender("hnswlib", undefined, wall, cpu);
const record = (...contenders) => ({ sets: [{ name: "s", dimensions: 384, contenders }] });
const find = (rows, text) => rows.find((row) => row.what.includes(text));

test("the lower of the wall and CPU ratios decides", () => {
  const rows = judge(record(contender("thermocline-wasm", true, [30], [14]), reference([10], [10])));
  const what = "thermocline-wasm: QPS at recall 0.95 / hnswlib";
  assert.deepEqual(find(rows, "recall 0.95"), { set: "s", what, target: ">= 1.5", measured: "1.40", pass: false });
  const passing = judge(record(contender("thermocline-wasm", true, [30], [20]), reference([10], [10])));
  assert.equal(find(passing, "build rate").pass, true);
});

test("rounds are compared with their own, so that one slow minute of both changes nothing", () => {
  const ours = contender("thermocline-wasm", true, [30, 3, 30], [30, 30, 30]);
  assert.equal(find(judge(record(ours, reference([10, 1, 20], [10, 10, 10]))), "recall 0.95").measured, "3.00");
});

test("a recall that was never reached falls short, and what was not promised is not judged", () => {
  const ours = contender("thermocline-wasm", true, [30], [30]);
  ours.at = { ...ours.at, 0.99: { rounds: { wall: [undefined], cpu: [undefined] } } };
  const rows = judge(record(ours, reference([10], [10])));
  assert.equal(find(rows, "recall 0.99").pass, false);
  assert.equal(find(rows, "recall 0.9 ").pass, undefined);
  assert.deepEqual(judge(record(ours)), []);
});
