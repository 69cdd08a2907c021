// Filter objects with payloads that are only in the store.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, flat, pause, rowsOf, whole } from "./helpers.mjs";
import { KINDS, MapStore } from "./places.mjs";

const DIMENSIONS = 64;
const COUNT = 1500;
const vectors = rowsOf(flat(COUNT, DIMENSIONS), DIMENSIONS);
const rows = vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i, third: i % 3, text: "payload ".repeat(30) } }));
/** Enough memory for the codes and links of all records, and for a few of the records themselves. */
const BUDGET = 900_000;
const CASES = [
  [{ third: 1 }, (id) => Number(id.slice(1)) % 3 === 1],
  [{ n: { $gte: 700, $lt: 760 } }, (id) => id.length === 4 && id >= "r700" && id < "r760"],
  [{ n: -1 }, () => false],
];

for (const { label, place } of KINDS) {
  test(`${label}: the hits are those of a function, when payloads have to be read for it`, async () => {
    const [name, at] = place()();
    let index = await VectorIndex.open(name, { ...at, dimensions: DIMENSIONS, maxBytes: BUDGET });
    await index.insertMany(rows);
    await index.flush();
    assert.ok((await index.stats()).bytes.total <= BUDGET + 64 * 1024);
    for (let query = 0; query < COUNT; query += 290) {
      for (const [filter, says] of CASES) {
        const options = { k: 20, ef: 80 };
        assert.deepEqual(await index.search(vectors[query], { ...options, filter }), await index.search(vectors[query], { ...options, filter: says }));
      }
    }
    // A cached answer does not outlive its record, no matter how the record goes away.
    await index.upsert("r4", vectors[4], { third: 7 });
    await index.delete("r5");
    const found = async (filter) => (await index.search(vectors[4], { k: 3, filter })).map(({ id }) => id);
    assert.deepEqual(await found({ third: 7 }), ["r4"]);
    await index.reload();
    assert.deepEqual(await found({ third: 7 }), ["r4"]);
    await index.close();
    index = await VectorIndex.open(name, { ...at, ...(at.store instanceof MapStore ? { store: new MapStore(at.store.values, at.store.append !== undefined) } : {}), mode: "readonly" });
    assert.deepEqual(await found({ third: 7 }), ["r4"]);
    await whole(index, COUNT - 1);
    await index.close();
  });
}

for (const { label, place } of KINDS) {
  test(`${label}: searchMany finds what as many searches find, when payloads have to be read for it`, async () => {
    const [name, at] = place()();
    const index = await VectorIndex.open(name, { ...at, dimensions: DIMENSIONS, maxBytes: BUDGET });
    await index.insertMany(rows);
    await index.flush();
    const queries = vectors.filter((_, i) => i % 97 === 0);
    for (const [filter] of CASES) {
      const { offsets, ids, distances } = await index.searchMany(queries, { k: 20, ef: 80, filter });
      for (const [i, query] of queries.entries()) {
        const hits = await index.search(query, { k: 20, ef: 80, filter });
        assert.deepEqual(ids.slice(offsets[i], offsets[i + 1]), hits.map(({ id }) => id));
        assert.deepEqual([...distances.slice(offsets[i], offsets[i + 1])], hits.map(({ distance }) => distance));
      }
    }
    await index.close();
  });
}

test("payloads are read together, and not again while the filter's answers are cached", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS, maxBytes: BUDGET });
  await index.insertMany(rows);
  await index.flush();
  const reads = async (filter, query) => {
    const before = store.calls.read;
    await index.search(vectors[query], { k: 10, filter });
    return store.calls.read - before;
  };
  const first = await reads({ third: 2 }, 40);
  // The filter is asked about some hundred records.
  assert.ok(first > 0 && first <= 12, `${first} reads`);
  assert.ok((await reads({ third: 2 }, 40)) <= 1, "only for the hits themselves");
  const all = await reads({ n: -1 }, 40);
  assert.ok(all <= Math.ceil(COUNT / 64) + 4, `${all} reads for all of them`);
  assert.equal(await reads({ n: -1 }, 80), 0);
  // The same holds if other records expire or are deleted meanwhile.
  const expiring = await index.insert(vectors[80], { n: 0 }, { ttlMs: 1 });
  do await pause(2);
  while (await index.has(expiring));
  await index.delete("r7");
  assert.equal(await reads({ n: -1 }, 80), 0);
  await index.close();
});

test("the answers of the last eight filters are remembered", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS, maxBytes: BUDGET });
  await index.insertMany(rows);
  await index.flush();
  const readsFor = async (n) => {
    const before = store.calls.read;
    assert.deepEqual(await index.search(vectors[0], { filter: { n } }), []);
    return store.calls.read - before;
  };
  const none = Array.from({ length: 9 }, (_, i) => -1 - i);
  for (const n of none.slice(0, 8)) assert.ok((await readsFor(n)) > 0);
  for (const n of none.slice(0, 8)) assert.equal(await readsFor(n), 0);
  assert.ok((await readsFor(none[8])) > 0);
  assert.ok((await readsFor(none[0])) > 0, "the one that had not been used for longest is forgotten");
  assert.equal(await readsFor(none[7]), 0);
  await index.close();
});

test("a read-only index that is reloaded checks again the records that others have changed", async () => {
  const values = new Map();
  const writer = await VectorIndex.open("own", { dimensions: 2, store: new MapStore(values) });
  await writer.insertWithId("a", [1, 0], { kind: 1 });
  const reader = await VectorIndex.open("own", { store: new MapStore(values), mode: "readonly" });
  const found = async () => (await reader.search([1, 0], { filter: { kind: 1 } })).map(({ id }) => id);
  assert.deepEqual(await found(), ["a"]);
  await writer.upsert("a", [1, 0], { kind: 2 });
  await writer.flush();
  await reader.reload();
  assert.deepEqual(await found(), []);
  await Promise.all([reader.close(), writer.close()]);
});

test("records in damaged blocks match no filter, not even a negating one", async () => {
  const store = new MapStore();
  let index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS, maxBytes: BUDGET });
  await index.insertMany(rows);
  await index.flush();
  await index.close();
  let bad = 0;
  for (const [key, value] of store.values) if (key.startsWith("b/") && (bad += 1) % 3 === 0) store.values.set(key, value.map((byte, i) => (i > 20 && i < 60 ? byte ^ 255 : byte)));
  assert.ok(bad >= 3, `${bad} blocks`);
  index = await VectorIndex.open("own", { store: new MapStore(store.values), maxBytes: BUDGET });
  const found = async (filter) => (await index.search(vectors[0], { k: COUNT, ef: COUNT, filter })).map(({ payload }) => payload);
  const matching = await found({ third: { $ne: 1 } });
  assert.ok(matching.length > 100 && matching.every((payload) => payload && payload.third !== 1), `${matching.length} hits`);
  assert.equal((await found({})).length, COUNT);
  await index.close();
});

test("a store that fails while payloads are read fails only that search", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS, maxBytes: BUDGET });
  await index.insertMany(rows);
  await index.flush();
  store.before = (name) => {
    if (name === "read") throw new Error("the disk is out");
  };
  await fails("STORE_FAILED", () => index.search(vectors[1], { filter: { n: { $lt: 40 } } }), /the disk is out/);
  store.before = () => {};
  assert.equal((await index.search(vectors[1], { k: 100, filter: { n: { $lt: 40 } } })).length, 40);
  await index.close();
});
