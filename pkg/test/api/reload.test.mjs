// reload() of an index in memory; for an index in a store see reload-stored.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, pause, rowsOf, state, whole } from "./helpers.mjs";

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

const LARGE = { dimensions: 256 };
/** Long enough to be moved in many slices. */
const LARGE_COUNT = 9000;

/** Returns such an index, and its vectors. */
async function large() {
  const { index, vectors } = await filled(0, LARGE);
  vectors.push(...rowsOf(flat(LARGE_COUNT, LARGE.dimensions), LARGE.dimensions));
  const payload = new Uint8Array(3000);
  await index.insertMany(vectors.map((vector, i) => ({ id: `r${i}`, vector, payload })));
  return { index, vectors };
}

/** Inserts records, one in a turn, until one waits for a move that has been asked for. Returns the calls. */
async function insertUntilItWaits(index, vector, name = "waits") {
  for (const calls = []; ; await pause()) {
    assert.ok(calls.length < 1000, "none has waited");
    calls.push(index.insertWithId(`${name}${calls.length}`, vector));
    if (!(await index.has(`${name}${calls.length - 1}`))) return calls;
  }
}

test("a large index is moved in slices, between which searches go on and changes wait", async () => {
  const { index, vectors } = await large();
  const far = vectors[0].map((component) => -component);
  await index.deleteMany(["r10", "r11"]);
  const found = await answers(index, vectors);
  let moved = false;
  const moving = index.reload().then(() => (moved = true));
  const inserted = await insertUntilItWaits(index, far);
  assert.equal(moved, false);
  const calls = [
    index.insertMany([{ id: "first", vector: far }]), index.upsert("r5", vectors[6], { other: 1 }),
    index.insertMany(vectors.slice(0, 60).map((vector, i) => ({ id: `many${i}`, vector }))),
    index.delete("r6"), index.deleteMany(["r7", "r8"]), index.insert(vectors[1]),
  ];
  let turns = 0;
  for (; !moved && (await index.has("r6")); turns++) {
    assert.deepEqual(await answers(index, vectors), found);
    assert.deepEqual([await index.has("first"), await index.has("r7"), index.size], [false, true, LARGE_COUNT - 3 + inserted.length]);
    await pause();
  }
  assert.ok(turns > 1, `${turns} turns`);
  await Promise.all([moving, ...inserted]);
  const results = await Promise.all(calls);
  assert.deepEqual(results, [["first"], "r5", Array.from({ length: 60 }, (_, i) => `many${i}`), true, 2, 0]);
  assert.deepEqual((await index.get("r5")).payload, { other: 1 });
  await whole(index, LARGE_COUNT - 2 + inserted.length + 62 - 3);
});

test("changes that wait for a move are made in the order of the calls, single ones and those of few rows", async () => {
  const { index, vectors } = await large();
  const moving = index.reload();
  await insertUntilItWaits(index, vectors[0]);
  const few = (id, payload) => [{ id, vector: vectors[1], payload }];
  const calls = [
    index.deleteMany(["r5"]), index.upsert("r5", vectors[0], "new"),
    index.insertMany(few("r6", "old"), { upsert: true }), index.upsert("r6", vectors[0], "new"),
    index.insertMany(few("gone")), index.delete("gone"),
    index.insertWithId("kept", vectors[0], "old"), index.insertMany(few("kept", "new"), { upsert: true }),
    index.delete("r7"), index.insertMany(few("r7", "new")), index.deleteMany(["r8"]), index.insertMany(few("r8", "new")),
  ];
  const refused = index.insertMany([...few("none"), ...few("kept")]);
  await fails("DUPLICATE_ID", () => refused);
  assert.equal(await index.has("none"), false);
  assert.deepEqual(await Promise.all(calls), [1, "r5", ["r6"], "r6", ["gone"], true, "kept", ["kept"], true, ["r7"], 1, ["r8"]]);
  await moving;
  for (const id of ["r5", "r6", "kept", "r7", "r8"]) assert.equal((await index.get(id)).payload, "new", id);
  assert.equal(await index.has("gone"), false);
});

test("insertMany, deleteMany and a burst go on after a move that comes between their slices", async () => {
  const { index, vectors } = await large();
  const rows = rowsOf(flat(3000, 256, 9), 256).map((vector, i) => ({ id: `m${i}`, vector }));
  const calls = [index.insertMany(rows), index.deleteMany(vectors.slice(0, 8000).map((_, i) => `r${i}`))];
  await pause();
  calls.push(index.reload(), ...vectors.slice(0, 300).map((vector, i) => index.insertWithId(`b${i}`, vector)));
  await pause();
  calls.push(index.reload());
  await Promise.all(calls);
  assert.equal((await index.stats()).pending, 0);
  await whole(index, LARGE_COUNT + 3000 - 8000 + 300);
});

test("calls that wait for a move hear their signals, and closing ends it", async () => {
  const { index, vectors } = await large();
  const controller = new AbortController();
  const moving = index.reload();
  const inserted = await insertUntilItWaits(index, vectors[0]);
  const { signal } = controller;
  const calls = [index.insertMany([{ vector: vectors[0] }], { signal }), index.compact({ signal, erase: true })];
  for (const call of calls) call.catch(() => {});
  controller.abort();
  for (const call of calls) await fails("ABORTED", () => call);
  assert.equal(index.size, LARGE_COUNT + inserted.length - 1, "the move is not over");
  await Promise.all([moving, ...inserted]);
  await whole(index, LARGE_COUNT + inserted.length);
  const next = index.reload();
  const [last] = (await insertUntilItWaits(index, vectors[0], "last")).slice(-1);
  for (const call of [last, next]) call.catch(() => {});
  await index.close({ timeoutMs: 0 });
  await fails("CLOSED", () => last);
  await fails("CLOSED", () => next);
});

test("records that expire during a move are gone after it", async () => {
  const { index, vectors } = await large();
  for (let i = 0; i < 300; i++) await index.upsert(`r${i * 30}`, vectors[i], undefined, { ttlMs: 100 + i });
  const moving = index.reload();
  let inserted = await insertUntilItWaits(index, vectors[0]);
  await Promise.all([moving, ...inserted]);
  const again = index.reload();
  inserted = [...inserted, ...(await insertUntilItWaits(index, vectors[0], "again"))];
  await Promise.all([again, ...inserted]);
  await pause(400);
  assert.equal(index.size, LARGE_COUNT - 300 + inserted.length);
  await whole(index, LARGE_COUNT - 300 + inserted.length);
});

test("what has expired during a move stays so when the clock is set back", async () => {
  const { index, vectors } = await large();
  await index.upsert("r3", vectors[3], undefined, { ttlMs: 60_000 });
  const { now } = Date;
  try {
    const moving = index.reload();
    const inserted = await insertUntilItWaits(index, vectors[0]);
    Date.now = () => now() + 100_000;
    assert.equal(await index.has("r3"), false);
    Date.now = now;
    await Promise.all([moving, ...inserted]);
    assert.equal(await index.has("r3"), false);
    // Those that come later expire by the clock as it is.
    await index.upsert("r4", vectors[4], undefined, { ttlMs: 60_000 });
    await index.reload();
    assert.equal(await index.has("r4"), true);
    await whole(index, LARGE_COUNT - 1 + inserted.length);
  } finally {
    Date.now = now;
  }
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
