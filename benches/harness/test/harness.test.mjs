import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contenders, withNoRerank } from "../lib/contenders.mjs";
import { groupsOf } from "../lib/install.mjs";
import { HARNESS } from "../lib/paths.mjs";
import { Random } from "../lib/random.mjs";
import { outside } from "../lib/sets.mjs";
import { each } from "../lib/turns.mjs";

test("a contender that fails is left out with its reason, and the others continue", async () => {
  const closed = [];
  const runner = (name) => ({ name, result: {}, process: { close: () => closed.push(name) } });
  const runners = [runner("a"), runner("b"), runner("c")];
  const asked = [];
  const work = (one) => {
    asked.push(one.name);
    if (one.name === "b") throw new Error("b is tired\nand says more");
  };
  await each(runners, work);
  await each(runners, work);
  assert.deepEqual(asked, ["a", "b", "c", "a", "c"]);
  assert.deepEqual([closed, runners[1].result.notRun, runners[0].failed], [["b"], "b is tired", undefined]);
});

test("every native peer's requirements are listed, all at exact versions", () => {
  const groups = groupsOf(readFileSync(join(HARNESS, "requirements.txt"), "utf8"));
  const needed = new Set(contenders({}).map(({ needs }) => needs).filter(Boolean));
  for (const name of [...needed, "tools"]) assert.ok(groups.get(name)?.every((line) => /^[\w-]+==[\w.]+$/.test(line)), name);
  assert.deepEqual([...groups.keys()].filter((name) => name !== "tools" && !needed.has(name)), []);
});

test("the main quantization is measured everywhere and the others once in Node and once natively", () => {
  const names = (quantization) => contenders({ quantization }).filter((one) => one.quantization === "int8").map(({ name }) => name);
  assert.deepEqual(names("int8"), ["thermocline-wasm", "thermocline-chromium", "thermocline-native"]);
  assert.deepEqual(names("binary"), ["thermocline-wasm-int8", "thermocline-native-int8"]);
});

test("queries out of distribution are the same for the same seed, of unit length under cosine, and far from what they are made of", () => {
  const inside = Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);
  const asked = (metric, seed) => outside(inside, { dimensions: 4, metric }, new Random(seed), 20);
  const one = asked("cosine", 1);
  assert.deepEqual(one, asked("cosine", 1));
  assert.notDeepEqual(one, asked("cosine", 2));
  for (let at = 0; at < one.length; at += 4) assert.ok(Math.abs(Math.hypot(...one.subarray(at, at + 4)) - 1) < 1e-6);
  const lengths = Array.from({ length: 20 }, (_, q) => Math.hypot(...asked("l2", 1).subarray(4 * q, 4 * q + 4)));
  assert.ok(Math.min(...lengths) < 0.999 || Math.max(...lengths) > 1.001, "under l2 lengths are left as they are");
});

test("searches without rerank are measured beside a contender, with results of their own on the same index", () => {
  const runners = [
    { name: "t", noRerank: true, ours: true, main: true, place: "wasm", process: "p", result: { name: "t", main: true, build: 1, memory: "m" } },
    { name: "peer", result: {} },
  ];
  const [one, beside, peer, ...more] = withNoRerank(runners);
  assert.deepEqual([one, peer, more], [runners[0], runners[1], []]);
  assert.deepEqual([beside.process, beside.how, beside.result.memory], ["p", { rerank: 0 }, "m"]);
  assert.deepEqual([beside.result.name, beside.result.noRerankOf, beside.result.main, beside.result.build], ["t-no-rerank", "t", undefined, undefined]);
  const counted = (quantization) => contenders({ quantization }).filter((one) => one.noRerank).length;
  assert.deepEqual([counted("int8"), counted("binary")], [3, 0]);
});
