// Many indexes one after the other leave nothing behind: neither memory, nor files, nor timers.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { promisify } from "node:util";
import { VectorIndex } from "thermocline";
import { fresh } from "./places.mjs";

const run = promisify(execFile);
const cwd = new URL(".", import.meta.url);
const ROUNDS = 100;
const WARM_UP = 30;

/**
 * Runs `ROUNDS` rounds of `body` in a separate process, and returns what it held after each round from `WARM_UP` on.
 */
async function held(body) {
  const program = `
    import { readdirSync } from "node:fs";
    import { VectorIndex } from "thermocline";
    import { flat } from "./helpers.mjs";

    const vectors = flat(400, 64);
    const ids = Array.from({ length: 400 }, (_, i) => "r" + i);
    const payloads = ids.map((id) => ({ id, text: id.repeat(40) }));
    const path = ${JSON.stringify(fresh())};
    async function fill(index) {
      index.compactWhenIdle();
      await index.insertMany({ vectors, ids, payloads });
      await index.deleteMany(ids.slice(0, 150));
      await index.search(vectors.subarray(0, 64), { k: 5 });
      await index.compact();
    }
    async function round(number) { ${body} }
    const seen = [];
    for (let number = 0; number < ${ROUNDS}; number++) {
      await round(number);
      // Whatever waits for a turn gets some, and what is garbage goes.
      for (let i = 0; i < 3; i++) { await new Promise((resolve) => setTimeout(resolve, 2)); gc(); }
      const { rss, external, arrayBuffers, heapUsed } = process.memoryUsage();
      const handles = process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0;
      const resources = process.getActiveResourcesInfo().filter((name) => !name.startsWith("FSReq")).length;
      if (number >= ${WARM_UP}) seen.push({ rss, outside: external + arrayBuffers, heapUsed, handles, resources });
    }
    console.log(JSON.stringify(seen));
  `;
  const { stdout } = await run(process.execPath, ["--expose-gc", "--input-type=module", "--eval", program], { cwd, timeout: 200_000, maxBuffer: 1 << 24 });
  const seen = JSON.parse(stdout);
  assert.equal(seen.length, ROUNDS - WARM_UP);
  return seen;
}

const KINDS = {
  "in a directory: opened, filled, closed, destroyed": `
    const index = await VectorIndex.open(path, { dimensions: 64, maxBytes: 4e6 });
    await fill(index);
    await index.close();
    await VectorIndex.destroy(path);`,
  "in a directory: opened again and again": `
    const index = await VectorIndex.open(path, { dimensions: 64 });
    if (number === 0) await fill(index);
    await index.upsert("r5", vectors.subarray(0, 64));
    await index.reload();
    await index.close();`,
  "in memory, dropped without closing": `
    await fill(await VectorIndex.memory({ dimensions: 64 }));`,
};

for (const [label, body] of Object.entries(KINDS)) {
  test(`${ROUNDS} indexes ${label}: no growth`, { timeout: 240_000 }, async () => {
    const seen = await held(body);
    const middle = (of) => [...of].sort((a, b) => a - b)[of.length >> 1];
    const grown = (key) => middle(seen.slice(-20).map((one) => one[key])) - middle(seen.slice(0, 20).map((one) => one[key]));
    const growth = Object.fromEntries(Object.keys(seen[0]).map((key) => [key, grown(key)]));
    const said = JSON.stringify(growth);
    // In each of the 50 rounds between the two, the index held more than a megabyte of WebAssembly memory.
    assert.ok(growth.outside < 1 << 20, said);
    assert.ok(growth.heapUsed < 1 << 20, said);
    assert.ok(growth.rss < 24 << 20, said);
    assert.equal(seen.at(-1).handles, seen[0].handles, said);
    assert.ok(growth.resources <= 0, said);
  });
}

test("calls that share a signal do not each listen to it, and none does afterwards", async () => {
  const warnings = [];
  const warned = (warning) => warnings.push(warning.message);
  process.on("warning", warned);
  const { signal } = new AbortController();
  const index = await VectorIndex.open(fresh(), { dimensions: 2 });
  async function* rows() {
    for (let i = 0; i < 3; i++) yield { vector: [1, i] };
  }
  const all = Array.from({ length: 30 }, (_, i) => index.insertMany(i % 2 ? rows() : [{ vector: [i, 1] }], { signal }));
  assert.ok(getEventListeners(signal, "abort").length <= 2);
  await Promise.all(all);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  await index.close();
  process.off("warning", warned);
  assert.deepEqual(warnings, []);
});
