// reload() of an index in memory; for an index in a store see reload-stored.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, rowsOf, state, whole } from "./helpers.mjs";

const COUNT = 6000;
const KEPT = 600;

/** Returns an index after a peak: nine of ten records were deleted and compacted away. */
async function peaked(options) {
  const { index, vectors } = await filled(COUNT, { dimensions: 64, ...options });
  await index.deleteMany(Array.from({ length: COUNT - KEPT }, (_, i) => `r${KEPT + i}`));
  await index.compact();
  return { index, vectors };
}

const answers = (index, vectors) => Promise.all(vectors.slice(0, 40).map((vector) => index.search(vector, { k: 5, include: { payload: true, vector: true } })));

test("reload gives memory back and changes nothing else", async () => {
  const { index, vectors } = await peaked({ ef: 33, seed: 5, compactionThreshold: 0.4 });
  const number = await index.insert(vectors[KEPT]);
  index.compactionThreshold = 0.25;
  const [before, found, bytes, stats] = [await state(index), await answers(index, vectors), await index.export(), await index.stats()];
  const { returnedBytes } = await index.reload();
  assert.ok(returnedBytes > 0, `${returnedBytes} bytes`);
  const { wasmMemoryBytes, lastCompaction } = await index.stats();
  assert.equal(stats.wasmMemoryBytes - wasmMemoryBytes, returnedBytes);
  assert.deepEqual(lastCompaction, stats.lastCompaction);
  const after = await state(index);
  assert.deepEqual([after.size, after.threshold, after.needs, after.deletedCount], [before.size, 0.25, before.needs, before.deletedCount]);
  assert.deepEqual(await answers(index, vectors), found);
  assert.deepEqual(await index.export(), bytes);
  assert.equal(await index.insert(vectors[KEPT + 1]), number + 1);
  await index.upsert("r1", vectors[5], { other: true });
  assert.deepEqual((await index.get("r1")).payload, { other: true });
  await whole(index, KEPT + 2);
  await index.close();
});

test("returnedBytes is never negative", async () => {
  const { index } = await filled(20);
  for (let i = 0; i < 3; i++) assert.ok((await index.reload()).returnedBytes >= 0);
  await whole(index, 20);
});

test("a second call while one runs joins it", async () => {
  const { index } = await peaked();
  const [first, second] = await Promise.all([index.reload(), index.reload()]);
  assert.equal(first, second);
  assert.ok((await index.reload()).returnedBytes < first.returnedBytes);
});

test("changes during a reload are all there: one by one, many at once, and deletes", async () => {
  const { index, vectors } = await filled(400);
  const more = rowsOf(flat(1000, 16, 9), 16).map((vector, i) => ({ id: `m${i}`, vector }));
  const calls = [index.insertMany(more), index.reload(), index.insertWithId("one", vectors[0]), index.delete("r3"), index.deleteMany(["r4", "r5"])];
  await Promise.all(calls);
  await whole(index, 400 + 1000 + 1 - 3);
  assert.deepEqual([await index.has("one"), await index.has("r3"), await index.has("m999")], [true, false, true]);
});

test("a running compaction starts over and ends", async () => {
  const { index } = await filled(3000);
  await index.deleteMany(Array.from({ length: 1500 }, (_, i) => `r${i}`));
  let reloading;
  const report = await index.compact({ sliceMs: 0.2, onProgress: () => (reloading ??= index.reload()) });
  await reloading;
  assert.equal(report.newSize, 1500);
  assert.equal(index.deletedCount, 0);
  await whole(index, 1500);
});

test("of a closed index CLOSED, also when it is closed meanwhile; not from within a filter", async () => {
  const { index, vectors } = await filled(5);
  let inside;
  await index.search(vectors[0], { filter: () => ((inside ??= fails("INVALID_FILTER", () => index.reload())), true) });
  await inside;
  const reloading = index.reload();
  await index.close();
  await fails("CLOSED", () => reloading);
  await fails("CLOSED", () => index.reload());
});

test("when no instance can be made it stays where it was", async () => {
  const { index, vectors } = await filled(50);
  const found = await index.search(vectors[3]);
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async () => {
    throw new RangeError("no such luck");
  };
  try {
    await fails("OUT_OF_MEMORY", () => index.reload(), /no such luck/);
  } finally {
    WebAssembly.instantiate = instantiate;
  }
  assert.deepEqual(await index.search(vectors[3]), found);
  await index.insert(vectors[3]);
  assert.ok((await index.reload()).returnedBytes >= 0);
  await whole(index, 51);
  await index.close();
  assert.equal((await VectorIndex.memory({ dimensions: 2 })).size, 0);
});
