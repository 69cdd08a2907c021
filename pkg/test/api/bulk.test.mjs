// Many rows for an empty index in memory: they are inserted first and linked afterwards, with code of its own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, flat, pause, recall, rowsOf, until, whole } from "./helpers.mjs";

const DIMENSIONS = 144;
const COUNT = 6000;
const vectors = rowsOf(flat(COUNT + 10, DIMENSIONS, 3), DIMENSIONS);
const rows = vectors.slice(0, COUNT).map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i } }));
const ids = rows.map(({ id }) => id);
const empty = (options) => VectorIndex.memory({ dimensions: DIMENSIONS, ...options });
const pending = async (index) => (await index.stats()).pending;

/** Begins to insert all rows, and resolves, with the call, once most of them wait to be linked. */
async function begun(index, options) {
  const call = index.insertMany(rows, options);
  call.catch(() => {});
  await until(async () => (await pending(index)) > COUNT / 2, "rows that wait");
  return { call };
}

async function findsItself(index, i) {
  const [hit] = await index.search(vectors[i], { k: 1 });
  assert.deepEqual([hit.id, hit.payload], [`r${i}`, { n: i }]);
}

for (const quantization of ["int8", "none", "binary", "product"]) {
  test(`${quantization}: all rows are linked when the call resolves, and searches find them`, async () => {
    const index = await empty({ quantization });
    assert.deepEqual(await index.insertMany(rows), ids);
    assert.equal(await pending(index), 0);
    await whole(index, COUNT);
    for (let i = 0; i < COUNT; i += 500) await findsItself(index, i);
    const least = { int8: 0.9, none: 0.9, binary: 0.5, product: 0.5 }[quantization];
    assert.ok((await recall(index, vectors.slice(0, COUNT), vectors.slice(0, 20))) > least);
    await index.close();
  });
}

test("progress never goes back and ends with all rows", async () => {
  const index = await empty();
  const seen = [];
  await index.insertMany(rows, { onProgress: (progress) => seen.push(progress) });
  assert.ok(seen.length > 2, `${seen.length} reports`);
  seen.forEach(({ done, total, phase }, i) => {
    assert.deepEqual([total, phase], [COUNT, "insert"]);
    assert.ok(done <= COUNT && (i === 0 || done >= seen[i - 1].done), `${done} at ${i}`);
  });
  assert.equal(seen.at(-1).done, COUNT);
  await index.close();
});

test("searches, inserts, deletes and a check are right while rows wait", async () => {
  const index = await empty();
  const { call } = await begun(index);
  await findsItself(index, 7);
  await index.insertWithId("own", vectors[COUNT], { own: true });
  assert.equal(await index.delete("r9"), true);
  await index.upsert("r10", vectors[COUNT + 1]);
  const [own] = await index.search(vectors[COUNT], { k: 1 });
  assert.deepEqual([own.id, own.payload], ["own", { own: true }]);
  assert.notEqual((await index.search(vectors[9], { k: 1 }))[0].id, "r9");
  assert.equal((await index.check()).ok, true);
  // Also once all rows are there and are being linked: a check then waits for that.
  await until(async () => index.size >= COUNT, "all rows");
  assert.equal((await index.check()).ok, true);
  assert.deepEqual(await call, ids);
  await whole(index, COUNT);
  assert.equal((await index.search(vectors[COUNT + 1], { k: 1 }))[0].id, "r10");
  assert.equal(await pending(index), 0);
  await index.close();
});

test("an export, a compaction and a move link what waits, and the call goes on", async () => {
  for (const use of [(index) => index.export(), (index) => index.compact(), (index) => index.reload()]) {
    const index = await empty();
    const { call } = await begun(index);
    await use(index);
    assert.deepEqual(await call, ids);
    assert.equal(await pending(index), 0);
    await whole(index, COUNT);
    await findsItself(index, 11);
    const copy = await VectorIndex.import(await index.export());
    await whole(copy, COUNT);
    await copy.close();
    await index.close();
  }
});

test("a move while the code is being loaded, and one at the beginning", async () => {
  const index = await empty();
  const call = index.insertMany(rows);
  await index.reload();
  assert.deepEqual(await call, ids);
  await whole(index, COUNT);
  await index.close();
});

test("clear takes away what waits, and the index is as good as new", async () => {
  const index = await empty();
  const { call } = await begun(index);
  const before = index.size;
  await index.clear();
  assert.deepEqual(await call, ids);
  assert.ok(index.size <= COUNT - before, `${index.size} of ${COUNT}, after ${before}`);
  await whole(index, index.size);
  await index.clear();
  assert.deepEqual(await index.insertMany(rows), ids);
  await whole(index, COUNT);
  await findsItself(index, 3);
  await index.close();
});

test("two calls at once: both have all of their rows", async () => {
  const index = await empty();
  const others = rows.map(({ vector, payload }, i) => ({ id: `o${i}`, vector, payload }));
  const [first, second] = await Promise.all([index.insertMany(rows), index.insertMany(others)]);
  assert.deepEqual(first, ids);
  assert.deepEqual(second, others.map(({ id }) => id));
  await whole(index, 2 * COUNT);
  await until(async () => (await pending(index)) === 0, "all to be linked");
  await index.close();
});

/** Between the first promise of the call and its first row; when exactly, this test does not know. */
test("a call that is aborted as it begins leaves nothing begun", async () => {
  const index = await empty();
  await index.insertMany(rows);
  for (let turns = 0; turns < 6; turns++) {
    await index.clear();
    const aborter = new AbortController();
    const call = index.insertMany(rows.slice(0, 4096), { signal: aborter.signal });
    call.catch(() => {});
    for (let i = 0; i < turns; i++) await null;
    aborter.abort();
    await call.catch((error) => assert.equal(error.code, "ABORTED"));
    const { size } = index;
    await index.insertMany(vectors.slice(COUNT).map((vector) => ({ vector })));
    await until(async () => (await pending(index)) === 0, `all to be linked, after ${turns} turns`);
    await whole(index, size + 10);
  }
  await index.close();
});

test("after ABORTED the rows inserted so far stay, are found, and are linked in idle time", async () => {
  // While rows are inserted, and while they are linked.
  for (const done of [1000, COUNT]) {
    const index = await empty();
    const aborter = new AbortController();
    const call = index.insertMany(rows, { signal: aborter.signal, onProgress: (progress) => progress.done >= done && aborter.abort() });
    await fails("ABORTED", () => call);
    const { size } = index;
    assert.ok(size >= done && size <= COUNT, `${size} records`);
    await findsItself(index, 5);
    await until(async () => (await pending(index)) === 0, "the rest to be linked");
    await whole(index, size);
    await index.insertWithId("later", vectors[COUNT]);
    assert.equal(await pending(index), 0);
    await whole(index, size + 1);
    await index.close();
  }
});

test("an error of onProgress ends the call, and the index stays usable", async () => {
  const index = await empty();
  const error = new Error("enough");
  await assert.rejects(index.insertMany(rows, { onProgress: () => { throw error; } }), (thrown) => thrown === error);
  await whole(index, index.size);
  await index.clear();
  assert.deepEqual(await index.insertMany(rows), ids);
  await whole(index, COUNT);
  await index.close();
});

test("close waits for the call, or ends it with CLOSED", async () => {
  const patient = await empty();
  const { call } = await begun(patient);
  await patient.close();
  assert.deepEqual(await call, ids);
  const hasty = await empty();
  const { call: ended } = await begun(hasty);
  await Promise.all([hasty.close({ timeoutMs: 0 }), fails("CLOSED", () => ended)]);
  const atOnce = await empty();
  const beginning = atOnce.insertMany(rows);
  await Promise.all([atOnce.close({ timeoutMs: 0 }), fails("CLOSED", () => beginning)]);
  await pause(20);
});

test("a wrong row is told before anything is inserted", async () => {
  const index = await empty();
  await fails("DIMENSION_MISMATCH", () => index.insertMany([...rows, { vector: [1] }]), new RegExp(`row ${COUNT}`));
  assert.equal(index.size, 0);
  await index.close();
});
