// Records in, records out: ids, payloads, search.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, recall, rowsOf, whole } from "./helpers.mjs";

test("a new index is empty, with the default properties", async () => {
  const index = await VectorIndex.memory({ dimensions: 3 });
  assert.deepEqual([index.size, index.deletedCount, index.dimensions, index.metric, index.needsCompaction], [0, 0, 3, "cosine", false]);
  assert.ok(Math.abs(index.compactionThreshold - 0.3) < 1e-6);
  assert.deepEqual(await index.search([1, 2, 3]), []);
  await whole(index, 0);
});

test("insert gives the next number that was never used", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  assert.equal(await index.insert([1, 0]), 0);
  assert.equal(await index.insert([0, 1]), 1);
  assert.equal(await index.insertWithId(10, [1, 1]), 10);
  assert.equal(await index.insert([1, 2]), 11);
  await index.delete(11);
  assert.equal(await index.insert([1, 3]), 12);
  await index.clear();
  assert.equal(await index.insert([1, 4]), 13);
});

test("ids come back as they were given: numbers, strings, the edges of both", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  const ids = [0, 7, Number.MAX_SAFE_INTEGER, "7", "a", "ünïcode ✓ 🐟", "x".repeat(4096)];
  for (const [i, id] of ids.entries()) assert.equal(await index.insertWithId(id, [1, i]), id);
  const found = (await index.search([1, 0], { k: 100 })).map((hit) => hit.id);
  assert.deepEqual(new Set(found), new Set(ids));
  for (const id of ids) {
    assert.equal(await index.has(id), true);
    assert.equal((await index.get(id)).id, id);
    assert.equal(await index.delete(id), true);
    assert.equal(await index.has(id), false);
    assert.equal(await index.delete(id), false);
    assert.equal(await index.get(id), undefined);
  }
});

test("the metrics mean what the contract says, smaller is closer", async () => {
  const expected = { cosine: 1 - 0.6, l2: (3 - 1) ** 2 + 4 ** 2, dot: -3 };
  for (const [metric, distance] of Object.entries(expected)) {
    const index = await VectorIndex.memory({ dimensions: 2, metric });
    assert.equal(index.metric, metric);
    await index.insertWithId("near", [3, 4]);
    await index.insertWithId("far", [-3, -4]);
    const hits = await index.search([1, 0]);
    assert.deepEqual(hits.map((hit) => hit.id), ["near", "far"], metric);
    assert.ok(Math.abs(hits[0].distance - distance) < 1e-5, `${metric}: ${hits[0].distance}`);
  }
});

test("a dot product of 0 is a distance of 0, not -0", async () => {
  for (const quantization of ["none", "int8", "binary"]) {
    const index = await VectorIndex.memory({ dimensions: 2, metric: "dot", quantization });
    await index.insertMany([[0, 0], [0, 3]].map((vector) => ({ vector })));
    for (const rerank of [true, false]) {
      const hits = await index.search([1, 0], { rerank });
      assert.deepEqual(hits.map(({ distance }) => Object.is(distance, -0)), [false, false], quantization);
    }
  }
});

test("payloads come back as they were given, and are absent where there was none", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  const payloads = [
    undefined, null, true, false, 0, -1.5, "", "text ✓ \ud800", [], [1, [2, { a: null }]], {}, { nested: { list: ["ß", 1e300] } },
    new Uint8Array(), new Uint8Array([0, 255, 1]), new Uint8Array([9, 8, 7, 6]).subarray(1, 3),
  ];
  for (const [i, payload] of payloads.entries()) await index.insertWithId(i, [1, i], payload);
  const hits = await index.search([1, 0], { k: 100 });
  assert.equal(hits.length, payloads.length);
  for (const holder of [...hits, ...(await Promise.all(payloads.map((_, i) => index.get(i))))]) {
    const given = payloads[holder.id];
    assert.equal("payload" in holder, given !== undefined);
    assert.deepEqual(holder.payload, given);
    assert.equal(holder.payload instanceof Uint8Array, given instanceof Uint8Array);
  }
});

// The core takes any text for JSON, as from a native program. Here such a text comes from another JSON.stringify.
test("a payload that is not JSON is CORRUPT, which names its id, of get, of a hit and of a filter's record", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  const { stringify } = JSON;
  const marked = { mark: 1 };
  JSON.stringify = (value, ...rest) => (value === marked ? "{mark" : stringify(value, ...rest));
  try {
    for (const id of [7, "a \"b\""]) await index.insertWithId(id, [1, id === 7 ? 0 : 9], marked);
  } finally {
    JSON.stringify = stringify;
  }
  for (let i = 0; i < 5; i++) await index.insertWithId(`whole ${i}`, [1, 3 + i / 2], { i });
  const [seven, text] = [/^payload of 7 is not JSON: /, /^payload of "a \\"b\\"" is not JSON: /];
  await fails("CORRUPT", () => index.get(7), seven);
  await fails("CORRUPT", () => index.get("a \"b\""), text);
  await fails("CORRUPT", () => index.search([1, 0], { k: 3 }), seven);
  await fails("CORRUPT", () => index.search([1, 9], { k: 3 }), text);
  await fails("CORRUPT", () => index.search([1, 9], { k: 1, filter: { i: 1 } }), /^payload of (7|"a \\"b\\"") is not JSON: /);
  assert.deepEqual((await index.search([1, 0], { k: 1, include: { payload: false } })).map(({ id }) => id), [7]);
  assert.deepEqual((await index.get("whole 2")).payload, { i: 2 });
  for (const id of [7, "a \"b\""]) await index.upsert(id, [1, 0], { i: 1 });
  assert.equal((await index.search([1, 0], { filter: { i: 1 } })).length, 3);
});

test("vectors are copied on the way in and on the way out", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  const vector = Float32Array.of(0.25, 0.5);
  const payload = new Uint8Array([1]);
  await index.insertWithId("a", vector, payload);
  vector.fill(9);
  payload.fill(9);
  const [first] = await index.search([1, 2], { include: { vector: true } });
  assert.ok(first.vector instanceof Float32Array);
  first.vector.fill(7);
  first.payload.fill(7);
  const [second] = await index.search([1, 2], { include: { vector: true } });
  assert.deepEqual([...second.vector], [0.25, 0.5]);
  assert.deepEqual([...second.payload], [1]);
  assert.deepEqual([...(await index.get("a")).vector], [0.25, 0.5]);
});

test("include chooses what a hit carries", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  await index.insertWithId("a", [1, 0], { x: 1 });
  const keys = async (include) => Object.keys((await index.search([1, 0], { include }))[0]).sort();
  assert.deepEqual(await keys(undefined), ["distance", "id", "payload"]);
  assert.deepEqual(await keys({}), ["distance", "id", "payload"]);
  assert.deepEqual(await keys({ payload: false }), ["distance", "id"]);
  assert.deepEqual(await keys({ vector: true }), ["distance", "id", "payload", "vector"]);
  assert.deepEqual(await keys({ payload: false, vector: true }), ["distance", "id", "vector"]);
});

test("search finds the true neighbours, in order, with the quantizations none and int8", async () => {
  for (const quantization of ["none", "int8"]) {
    const { index, vectors } = await filled(1000, { quantization });
    assert.ok((await recall(index, vectors, vectors.slice(0, 50))) >= 0.98, quantization);
    const hits = await index.search(vectors[5], { k: 20 });
    assert.equal(hits.length, 20);
    assert.equal(hits[0].id, "r5");
    assert.ok(hits[0].distance < 1e-5);
    for (let i = 1; i < hits.length; i++) assert.ok(hits[i].distance >= hits[i - 1].distance);
    const rough = await index.search(vectors[5], { k: 20, rerank: false });
    assert.equal(rough.length, 20);
  }
});

test("k and ef: ten by default, all when k is larger, ef raised to k", async () => {
  const { index, vectors } = await filled(60);
  assert.equal((await index.search(vectors[0])).length, 10);
  assert.equal((await index.search(vectors[0], { k: 1 })).length, 1);
  assert.equal((await index.search(vectors[0], { k: 1000 })).length, 60);
  assert.equal((await index.search(vectors[0], { k: 30, ef: 1 })).length, 30);
});

test("k live hits come back however many tombstones there are", async () => {
  const { index, vectors } = await filled(400);
  await index.deleteMany(Array.from({ length: 380 }, (_, i) => `r${i}`));
  const hits = await index.search(vectors[0], { k: 20, ef: 20 });
  assert.equal(hits.length, 20);
  assert.ok(hits.every((hit) => Number(hit.id.slice(1)) >= 380));
});

test("a filter sees ids, and its k matches come back", async () => {
  const { index, vectors } = await filled(300);
  const even = (id) => Number(id.slice(1)) % 2 === 0;
  const hits = await index.search(vectors[3], { k: 15, filter: even });
  assert.equal(hits.length, 15);
  assert.ok(hits.every((hit) => even(hit.id)));
  assert.deepEqual(await index.search(vectors[3], { filter: () => false }), []);
});

test("an exception of the filter is the search's, unchanged, and the index goes on", async () => {
  const { index, vectors } = await filled(50);
  const own = new RangeError("the caller's own");
  await assert.rejects(index.search(vectors[0], { filter: () => { throw own; } }), (error) => error === own);
  await assert.rejects(index.search(vectors[0], { filter: () => { throw null; } }), (error) => error === null);
  assert.equal((await index.search(vectors[0])).length, 10);
  await index.insertWithId("after", vectors[0]);
  await whole(index, 51);
});

test("a filter must not use its index, may use another, and must answer true or false", async () => {
  const { index, vectors } = await filled(50);
  const { index: other } = await filled(5);
  let inner;
  await index.search(vectors[0], { filter: () => ((inner ??= index.insert(vectors[0])), true) });
  await fails("INVALID_FILTER", () => inner);
  await index.search(vectors[0], { filter: () => ((inner = other.insert(vectors[0])), true) });
  assert.equal(typeof (await inner), "number");
  await fails("INVALID_FILTER", () => index.search(vectors[0], { filter: async () => true }));
  await fails("INVALID_FILTER", () => index.search(vectors[0], { filter: () => 1 }));
  await whole(index, 50);
});

test("upsert replaces vector and payload, and inserts what is new", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  assert.equal(await index.upsert("a", [1, 0], "old"), "a");
  assert.equal(await index.upsert("a", [0, 1], "new"), "a");
  assert.equal(await index.upsert("b", [1, 1]), "b");
  assert.deepEqual([index.size, index.deletedCount], [2, 1]);
  assert.deepEqual({ ...(await index.get("a")), vector: undefined }, { id: "a", vector: undefined, payload: "new" });
  await index.upsert("a", [0, 1]);
  assert.equal("payload" in (await index.get("a")), false);
  await whole(index, 2);
});

test("deleteMany counts what was there; clear empties", async () => {
  const { index, vectors } = await filled(30);
  assert.equal(await index.deleteMany(["r1", "r2", "r2", "no such", 5]), 2);
  assert.equal(await index.deleteMany(new Set(["r3"])), 1);
  assert.deepEqual([index.size, index.deletedCount], [27, 3]);
  await fails("INVALID_ID", () => index.deleteMany(["r4", -1, "r5"]));
  assert.equal(index.size, 27);
  await index.clear();
  assert.deepEqual([index.size, index.deletedCount], [0, 0]);
  assert.deepEqual(await index.search(vectors[0]), []);
  await index.insertWithId("r1", vectors[1]);
  await whole(index, 1);
});

test("a deleted id may be inserted again at once", async () => {
  const { index, vectors } = await filled(20);
  for (let round = 0; round < 5; round++) {
    await index.delete("r7");
    await index.insertWithId("r7", vectors[7], round);
  }
  assert.equal((await index.get("r7")).payload, 4);
  await whole(index, 20);
});

test("stats: counts and bytes agree with the index", async () => {
  const { index } = await filled(200);
  const before = await index.stats();
  assert.deepEqual([before.size, before.deletedCount, before.tombstoneRatio], [200, 0, 0]);
  const { codes, graph, ids, warm, coldCache, total } = before.bytes;
  assert.equal(codes + graph + ids + warm + coldCache, total);
  assert.deepEqual(before.storedBytes, { segments: 0, cold: 0, coldRaw: 0, log: 0, total: 0 });
  assert.ok(before.wasmMemoryBytes >= total);
  assert.equal(before.simd, "simd128", "what is shipped has vector instructions");
  await index.deleteMany(["r0", "r1"]);
  const after = await index.stats();
  assert.deepEqual([after.size, after.deletedCount], [198, 2]);
  assert.ok(Math.abs(after.tombstoneRatio - 0.01) < 1e-6);
  assert.ok(after.reclaimableBytes > before.reclaimableBytes);
  await index.compact();
  assert.equal((await index.stats()).lastCompaction.tombstonesRemoved, 2);
});

test("two indexes share nothing", async () => {
  const [a, b] = await Promise.all([filled(10), filled(20)]);
  await a.index.clear();
  assert.equal(b.index.size, 20);
  await a.index.close();
  assert.equal((await b.index.search(b.vectors[0], { k: 20 })).length, 20);
});

test("a binary code of 384 dimensions is one cache line, and the hits are those of int8", async () => {
  const [binary, int8] = await Promise.all(["binary", "int8"].map(async (quantization) => (await filled(600, { dimensions: 384, quantization })).index));
  const { codes } = (await binary.stats()).bytes;
  assert.ok(codes >= 600 * 64 && codes < 1.1 * 600 * 64, `${codes} bytes`);
  const vectors = rowsOf(flat(600, 384), 384);
  for (const query of vectors.slice(0, 20)) {
    const [hits, expected] = await Promise.all([binary, int8].map((index) => index.search(query, { ef: 200 })));
    assert.deepEqual(hits, expected);
  }
  await whole(binary, 600);
});

test("a loop that awaits single inserts gives the event loop turns", async () => {
  const { index, vectors } = await filled(100, { dimensions: 256 });
  let turns = 0;
  const turning = setInterval(() => (turns += 1), 0);
  const began = performance.now();
  for (let i = 0; i < 3000 && performance.now() - began < 400; i++) await index.upsert(`r${i % 100}`, vectors[i % 100]);
  assert.ok(turns > 3, `${turns} turns`);
  const before = turns;
  for (let left = 400; left > 0 && turns <= before + 3; ) {
    const called = performance.now();
    await fails("DUPLICATE_ID", () => index.insertWithId("r1", vectors[0]));
    await fails("INVALID_OPTION", () => index.insert(vectors[0], undefined, { ttlMs: "soon" }));
    left -= performance.now() - called;
  }
  clearInterval(turning);
  assert.ok(turns > before + 3, `${turns - before} turns beside inserts that fail`);
});
