import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../report/targets.mjs";

const contender = (name, ours, qpsWall, qpsCpu) => {
  const at = { qpsWall, qpsCpu };
  return { name, ours, quantization: ours && "int8", curve: [], at: { 0.9: at, 0.95: at, 0.99: at }, build: { perSecondWall: qpsWall, perSecondCpu: qpsCpu } };
};
const record = (...contenders) => ({ sets: [{ name: "s", dimensions: 384, contenders }] });
const find = (rows, text) => rows.find((row) => row.what.includes(text));

test("the lower of the wall and CPU ratios decides", () => {
  const rows = judge(record(contender("thermocline-wasm", true, 30, 14), contender("hnswlib", undefined, 10, 10)));
  assert.deepEqual(find(rows, "recall 0.95"), { set: "s", what: "thermocline-wasm: QPS at recall 0.95 / hnswlib", target: ">= 1.5", measured: "1.40", pass: false });
  const passing = judge(record(contender("thermocline-wasm", true, 30, 20), contender("hnswlib", undefined, 10, 10)));
  assert.equal(find(passing, "build rate").pass, true);
});

test("a recall that was never reached falls short, and what was not promised is not judged", () => {
  const ours = contender("thermocline-wasm", true, 30, 30);
  ours.at["0.99"] = {};
  const rows = judge(record(ours, contender("hnswlib", undefined, 10, 10)));
  assert.equal(find(rows, "recall 0.99").pass, false);
  assert.equal(find(rows, "recall 0.9 ").pass, undefined);
  assert.deepEqual(judge(record(ours)), []);
});
