// Closing an index.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { asyncDispose, fails, filled, pause } from "./helpers.mjs";

test("after close every method and property is CLOSED", async () => {
  const { index, vectors } = await filled(5);
  await index.close();
  const [[vector], long] = [vectors, "x".repeat(5000)];
  const uses = {
    insert: () => index.insert(vector), insertWithId: () => index.insertWithId("x", vector), upsert: () => index.upsert("x", vector),
    insertMany: () => index.insertMany([{ vector }]), search: () => index.search(vector), searchMany: () => index.searchMany([vector]), get: () => index.get("r0"), has: () => index.has("r0"),
    delete: () => index.delete("r0"), deleteMany: () => index.deleteMany(["r0"]), clear: () => index.clear(), compact: () => index.compact(),
    compactWhenIdle: () => index.compactWhenIdle(), maintain: () => index.maintain({ timeRemaining: () => 1 }), stats: () => index.stats(),
    metrics: () => index.metrics(), check: () => index.check(), flush: () => index.flush(), export: () => index.export(), reload: () => index.reload(),
    close: () => index.close(), size: () => index.size, deletedCount: () => index.deletedCount, dimensions: () => index.dimensions,
    metric: () => index.metric, needsCompaction: () => index.needsCompaction, compactionThreshold: () => index.compactionThreshold,
    "compactionThreshold=": () => { index.compactionThreshold = 0.5; },
    // Also where an argument is wrong.
    "get(long)": () => index.get(long), "has(long)": () => index.has(long), "delete(long)": () => index.delete(long),
    "upsert(long)": () => index.upsert(long, vector), "insertWithId(long)": () => index.insertWithId(long, [1]),
    "insertMany([])": () => index.insertMany([]), "deleteMany([])": () => index.deleteMany([]),
  };
  for (const use of Object.values(uses)) await fails("CLOSED", use);
  const members = Object.getOwnPropertyNames(VectorIndex.prototype).filter((name) => name !== "constructor" && name !== "undefined");
  for (const name of members) assert.ok(name in uses, `${name} is not tested`);
});

test("calls that return a promise reject, and never throw", async () => {
  const { index, vectors } = await filled(1);
  await index.close();
  for (const call of [() => index.insert(vectors[0]), () => index.search(null), () => index.compact(null), () => index.close(null), () => VectorIndex.memory(null)]) {
    let promise;
    assert.doesNotThrow(() => (promise = call()));
    await assert.rejects(promise);
  }
});

test("closing waits for running calls, also for one whose callback closes the index", async () => {
  const { index, vectors } = await filled(1500);
  const many = Array.from({ length: 4 }, () => vectors.map((vector) => ({ vector }))).flat();
  let closing;
  const onProgress = () => void (closing ??= index.close({ timeoutMs: 60_000 }));
  const inserting = index.insertMany(many, { onProgress });
  const ids = await inserting;
  assert.equal(ids.length, many.length);
  await closing;
  await fails("CLOSED", () => index.size);

  const other = (await filled(1500)).index;
  const deleting = other.deleteMany(Array.from({ length: 700 }, (_, i) => `r${i}`));
  await other.close({ timeoutMs: 60_000 });
  assert.equal(await deleting, 700);
});

test("a running compaction is CLOSED at once, whatever else closing waits for", async () => {
  const { index, vectors } = await filled(1500);
  await index.deleteMany(Array.from({ length: 1000 }, (_, i) => `r${i}`));
  const told = fails("CLOSED", () => index.compact({ sliceMs: 0.1 }));
  const inserting = index.insertMany(vectors.map((vector) => ({ vector })));
  const closing = index.close({ timeoutMs: 60_000 });
  await told;
  assert.equal((await inserting).length, vectors.length);
  await closing;
});

test("calls that still run after half of the time that closing may take are CLOSED", async () => {
  const { index, vectors } = await filled(1500);
  await index.deleteMany(Array.from({ length: 700 }, (_, i) => `r${i}`));
  const many = Array.from({ length: 20 }, () => vectors.map((vector) => ({ vector }))).flat();
  const running = [index.insertMany(many), index.compact({ sliceMs: 0.5 }), index.compact({ sliceMs: 0.5 })];
  const settled = Promise.allSettled(running);
  const began = performance.now();
  await index.close({ timeoutMs: 40 });
  for (const { reason } of await settled) assert.equal(reason?.code, "CLOSED");
  assert.ok(performance.now() - began < 1000);
});

test("disposing closes an index, and accepts one that is closed already", async () => {
  const { index } = await filled(1);
  await index[asyncDispose]();
  await fails("CLOSED", () => index.size);
  await index[asyncDispose]();
});

// An engine reserves gigabytes of address space for each WebAssembly memory, and refuses another memory when it is used
// up.
test("memory comes back: many indexes one after the other", async () => {
  for (let i = 0; i < 150; i++) {
    const { index, vectors } = await filled(5);
    assert.equal((await index.search(vectors[2], { k: 1 }))[0].id, "r2");
    await index.close();
    if (i % 20 === 0) await pause();
  }
});

test("many indexes at once", async () => {
  const indexes = await Promise.all(Array.from({ length: 20 }, () => filled(5)));
  for (const { index, vectors } of indexes) assert.equal((await index.search(vectors[2], { k: 1 }))[0].id, "r2");
  for (const { index } of indexes) await index.close();
});
