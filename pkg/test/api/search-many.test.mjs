// searchMany: the answers of search, many at a time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, random, rowsOf } from "./helpers.mjs";

/** Returns the answers as lists of [id, distance], one for each query. */
const listed = ({ offsets, ids, distances }) =>
  Array.from({ length: offsets.length - 1 }, (_, i) =>
    ids.slice(offsets[i], offsets[i + 1]).map((id, j) => [id, distances[offsets[i] + j]]));

/** Returns the same from one search after the other. */
const oneByOne = async (index, queries, options) => {
  const lists = [];
  for (const query of queries) lists.push((await index.search(query, options)).map(({ id, distance }) => [id, distance]));
  return lists;
};

test("a query that is none, or none any more, is an error and no more", async () => {
  const { index, vectors } = await filled(3000);
  const holes = [...vectors.slice(0, 3)];
  delete holes[1];
  await fails("INVALID_VECTOR", () => index.searchMany(holes), /undefined/);
  await fails("INVALID_VECTOR", () => index.searchMany(new Array(3)));
  // Transferred while in use: a detached array has length 0.
  const given = flat(20_000, 16, 3);
  const searching = index.searchMany(given, { ef: 100 });
  structuredClone(given, { transfer: [given.buffer] });
  await fails("DIMENSION_MISMATCH", () => searching);
  assert.equal((await index.search(vectors[0])).length, 10);
});

test("searchMany: the answers of search, from vectors or one flat array", async () => {
  const { index } = await filled(900, { metric: "l2" });
  await index.insertWithId(7, flat(1, 16, 9));
  const queries = rowsOf(flat(700, 16, 3), 16);
  for (const options of [undefined, { k: 3, ef: 40 }, { k: 5, rerank: false }]) {
    const expected = await oneByOne(index, queries, options);
    assert.deepEqual(listed(await index.searchMany(flat(700, 16, 3), options)), expected);
    assert.deepEqual(listed(await index.searchMany(queries.map((query) => [...query]), options)), expected);
  }
  const { offsets, ids, distances } = await index.searchMany([]);
  assert.deepEqual([[...offsets], ids, distances.length], [[0], [], 0]);
});

/** Random filters of every kind and share: an object and the equivalent function. */
const pairs = (seed, size) => {
  const next = random(seed);
  return Array.from({ length: 8 }, () => {
    const [from, to] = [Math.floor(next() * size), Math.floor(next() * size)];
    return next() < 0.5
      ? [{ n: { $gte: Math.min(from, to), $lt: Math.max(from, to) } }, (n) => n >= Math.min(from, to) && n < Math.max(from, to)]
      : [{ n: { $in: [from, to, size] } }, (n) => [from, to].includes(n)];
  });
};

for (const quantization of ["none", "int8", "binary"]) {
  test(`searchMany with a filter object, ${quantization}: the hits of a search each`, async () => {
    const { index, vectors } = await filled(600, { quantization });
    await index.deleteMany(["r3", "r4", "r5"]);
    const queries = [...rowsOf(flat(30, 16, 4), 16), ...vectors.slice(0, 5)];
    for (const [filter] of [...pairs(3, 600), [{}], [{ n: 600 }]]) {
      for (const options of [{ filter }, { filter, k: 3, ef: 40 }, { filter, k: 40, rerank: false }]) {
        assert.deepEqual(listed(await index.searchMany(queries, options)), await oneByOne(index, queries, options), JSON.stringify(options));
      }
    }
    await index.close();
  });
}

test("searchMany with a filter that is a function: the hits of a search each, and those of the object that says the same", async () => {
  const { index } = await filled(600);
  await index.insertWithId(7, flat(1, 16, 9), { n: 700 });
  const numberOf = (id) => (typeof id === "number" ? 700 : Number(id.slice(1)));
  const queries = rowsOf(flat(40, 16, 4), 16);
  for (const [object, says] of [...pairs(5, 600), [{ n: 700 }, (n) => n === 700]]) {
    const filter = (id) => says(numberOf(id));
    const many = listed(await index.searchMany(queries, { k: 5, filter }));
    assert.deepEqual(many, await oneByOne(index, queries, { k: 5, filter }));
    assert.deepEqual(many, listed(await index.searchMany(flat(40, 16, 4), { k: 5, filter: object })));
  }
  const { offsets, ids, distances } = await index.searchMany([], { filter: () => true });
  assert.deepEqual([[...offsets], ids, distances.length], [[0], [], 0]);
  await index.close();
});

test("searchMany: what a filter that is a function does wrong, and how it ends early", async () => {
  const { index, vectors } = await filled(300);
  const own = new Error("the filter's own");
  await assert.rejects(index.searchMany(vectors, { filter: () => { throw own; } }), (error) => error === own);
  await fails("INVALID_FILTER", () => index.searchMany(vectors, { filter: () => 1 }), /true or false/);
  await fails("INVALID_FILTER", () => index.searchMany(vectors, { filter: (id) => index.size > id }), /must not use the index/);
  const controller = new AbortController();
  const filter = () => true;
  const many = flat(20_000, 16, 3);
  await fails("ABORTED", () => index.searchMany(many, { filter, signal: controller.signal, onProgress: () => controller.abort() }));
  await fails("CLOSED", () => index.searchMany(many, { filter, onProgress: () => void (index.closed ??= index.close({ timeoutMs: 0 })) }));
});

test("searchMany with a filter object runs in slices, reports them, and can be aborted and closed", async () => {
  const { index } = await filled(2000);
  const filter = { n: { $gte: 1000 } };
  const queries = flat(8000, 16, 5);
  const seen = [];
  await index.searchMany(queries, { filter, onProgress: (progress) => seen.push(progress) });
  assert.ok(seen.length > 2, `${seen.length} slices`);
  assert.deepEqual(seen.at(-1), { done: 8000, total: 8000, phase: "search" });
  const controller = new AbortController();
  await fails("ABORTED", () => index.searchMany(queries, { filter, signal: controller.signal, onProgress: () => controller.abort() }));
  await fails("CLOSED", () => index.searchMany(queries, { filter, onProgress: () => void (index.closed ??= index.close({ timeoutMs: 0 })) }));
});

test("searchMany: fewer hits than asked for, and none", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  assert.deepEqual([...(await index.searchMany([[1, 0], [0, 1]])).offsets], [0, 0, 0]);
  await index.insertWithId("a", [1, 0]);
  await index.insertWithId(5, [0, 1]);
  const many = await index.searchMany(new Float32Array([1, 0, 0, 1]), { k: 10 });
  assert.deepEqual([[...many.offsets], many.ids], [[0, 2, 4], ["a", 5, 5, "a"]]);
});

test("searchMany runs in slices, reports them, and can be aborted and closed", async () => {
  const { index } = await filled(2000, { dimensions: 64 });
  const queries = flat(4000, 64, 5);
  const seen = [];
  let turns = 0;
  const turning = setInterval(() => (turns += 1), 0);
  await index.searchMany(queries, { ef: 200, onProgress: (progress) => seen.push(progress) });
  clearInterval(turning);
  assert.ok(seen.length > 2 && turns > 0, `${seen.length} slices, ${turns} turns`);
  assert.deepEqual(seen.at(-1), { done: 4000, total: 4000, phase: "search" });
  assert.ok(seen.every(({ done }, i) => i === 0 || done > seen[i - 1].done));
  const controller = new AbortController();
  await fails("ABORTED", () => index.searchMany(queries, { ef: 200, signal: controller.signal, onProgress: () => controller.abort() }));
  await fails("CLOSED", () => index.searchMany(queries, { ef: 200, onProgress: () => void (index.closed ??= index.close({ timeoutMs: 0 })) }));
});

test("searchMany: bad input is an error", async () => {
  const { index } = await filled(20);
  for (const queries of [undefined, null, 5, "queries", {}, new Float64Array(16)]) await fails("INVALID_OPTION", () => index.searchMany(queries));
  for (const queries of [new Float32Array(17), [new Float32Array(15)], [[1, 2]]]) await fails("DIMENSION_MISMATCH", () => index.searchMany(queries));
  for (const queries of [[null], ["vector"], [new Float32Array(16).fill(NaN)], new Float32Array(32).fill(Infinity), new Float32Array(16)]) {
    await fails("INVALID_VECTOR", () => index.searchMany(queries));
  }
  const [good, short, zero] = [16, 15, 16].map((length, i) => new Float32Array(length).fill(i < 2 ? 1 : 0));
  for (const filter of [undefined, { n: { $gte: 0 } }]) {
    await fails("DIMENSION_MISMATCH", () => index.searchMany([good, short], { filter }), /^query 1: /);
    await fails("INVALID_VECTOR", () => index.searchMany([good, good, "none"], { filter }), /^query 2: /);
    await fails("INVALID_VECTOR", () => index.searchMany([...Array(20).fill(good), zero, good], { filter }), /^query 20: /);
  }
  await fails("INVALID_OPTION", () => index.searchMany([good], { k: 0 }), /^(?!query)/);
  for (const options of [null, { k: 0 }, { k: "1" }, { ef: -1 }, { rerank: 1 }, { signal: 5 }, { onProgress: 5 }, { include: { vector: true } }]) {
    await fails("INVALID_OPTION", () => index.searchMany(flat(2, 16), options));
  }
  for (const filter of [null, 5, "n", [], { $any: 1 }, { n: { $gte: null } }]) await fails("INVALID_FILTER", () => index.searchMany(flat(2, 16), { filter }));
});
