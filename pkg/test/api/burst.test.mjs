// Bursts: single inserts of which none is awaited before the next.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, pause, random, rowsOf, whole } from "./helpers.mjs";
import { KINDS } from "./places.mjs";

const DIMENSIONS = 256;
const COUNT = 1500;
const vectors = rowsOf(flat(COUNT, DIMENSIONS), DIMENSIONS);
const pending = async (index) => (await index.stats()).pending;
const insert = (index, i) => index.insertWithId(`r${i}`, vectors[i], { n: i });
const insertAll = (index) => vectors.map((_, i) => insert(index, i));

test("most of a burst waits for its links, is found at once, and is linked in slices until the promises settle", async () => {
  const index = await VectorIndex.memory({ dimensions: DIMENSIONS });
  const inserts = insertAll(index);
  assert.equal(index.size, COUNT);
  assert.ok((await pending(index)) > COUNT / 2, "it has not held the thread for linking");
  for (let i = 0; i < COUNT; i += 100) {
    const [hit] = await index.search(vectors[i], { k: 1 });
    assert.deepEqual([hit.id, hit.payload], [`r${i}`, { n: i }]);
  }
  let settled = false;
  const all = Promise.all(inserts).then((ids) => {
    settled = true;
    return ids;
  });
  let turns = 0;
  for (; !settled; turns++) await pause();
  assert.ok(turns > 3, `${turns} turns`);
  assert.deepEqual(await all, vectors.map((_, i) => `r${i}`));
  assert.equal(await pending(index), 0);
  await whole(index, COUNT);
  const one = await VectorIndex.memory({ dimensions: DIMENSIONS });
  for (const i of vectors.keys()) await insert(one, i);
  assert.deepEqual(await index.export(), await one.export(), "the same index as by inserts that are awaited");
});

for (const quantization of ["int8", "binary", "none"]) {
  test(`${quantization}: bursts of inserts, upserts, deletes and expiries build the index that calls one by one build`, async () => {
    const options = { dimensions: DIMENSIONS, quantization };
    const [burst, one] = [await VectorIndex.memory(options), await VectorIndex.memory(options)];
    const next = random(5);
    let longest = 0;
    for (let round = 0; round < 4; round++) {
      const calls = Array.from({ length: 500 }, (_, i) => {
        const [id, vector] = [`r${Math.floor(next() * 300)}`, vectors[Math.floor(next() * COUNT)]];
        const kind = next();
        if (kind < 0.5) return (index) => index.upsert(id, vector, { i });
        if (kind < 0.8) return (index) => index.insert(vector);
        return (index) => index.delete(id);
      });
      const made = calls.map((call) => call(burst));
      longest = Math.max(longest, await pending(burst));
      const results = await Promise.all(made);
      for (const [i, call] of calls.entries()) assert.deepEqual(results[i], await call(one));
    }
    assert.ok(longest > 50, `${longest} have waited`);
    assert.deepEqual(await burst.export(), await one.export());
    await whole(burst, one.size);
  });
}

test("a wrong row in a burst is its own call's failure, and changes nothing", async () => {
  const { index } = await filled(100, { dimensions: DIMENSIONS });
  const inserts = vectors.slice(100).map((_, i) => insert(index, 100 + i));
  const nan = new Float32Array(DIMENSIONS).fill(NaN);
  const wrong = [index.insert(vectors[0].subarray(1)), index.insert(nan), insert(index, 700)];
  for (const call of wrong) call.catch(() => {});
  await fails("DIMENSION_MISMATCH", () => wrong[0]);
  await fails("INVALID_VECTOR", () => wrong[1]);
  await fails("DUPLICATE_ID", () => wrong[2]);
  await Promise.all(inserts);
  assert.equal(await pending(index), 0);
  await whole(index, COUNT);
});

test("the promise of each insert settles when its record is linked, not when all are", async () => {
  const index = await VectorIndex.memory({ dimensions: DIMENSIONS });
  const waiting = [];
  let settled = 0;
  const inserts = vectors.map((vector) => index.insert(vector).then(() => {
    settled += 1;
    return index.stats().then(({ pending }) => waiting.push(pending));
  }));
  await Promise.all(inserts);
  assert.equal(settled, COUNT);
  const between = new Set(waiting.filter((pending) => pending > 0 && pending < COUNT / 2));
  assert.ok(between.size > 2, `${between.size} numbers of records that still waited`);
  waiting.forEach((pending, i) => assert.ok(pending <= COUNT - i, `${pending} wait when ${i} have settled`));
});

test("records of a burst expire like any others, linked or not", async () => {
  const index = await VectorIndex.memory({ dimensions: DIMENSIONS });
  const inserts = vectors.map((vector, i) => index.insertWithId(i, vector, undefined, i % 2 ? { ttlMs: 1 } : undefined));
  await pause(5);
  assert.equal((await index.search(vectors[3], { k: 1 }))[0].id % 2, 0);
  await Promise.all(inserts);
  assert.equal(index.deletedCount, COUNT / 2);
  await whole(index, COUNT / 2);
});

test("other calls come between a burst and its links", async () => {
  const { index } = await filled(600, { dimensions: DIMENSIONS });
  const burst = (name) => vectors.slice(0, 700).map((vector, i) => index.insertWithId(`${name}${i}`, vector));
  const [deleted, inserted] = [Array.from({ length: 400 }, (_, i) => `r${i}`), vectors.slice(700, 800).map((vector) => ({ vector }))];
  await Promise.all([...burst("a"), index.deleteMany(deleted), index.compact(), ...burst("b"), index.insertMany(inserted)]);
  await Promise.all([index.reload(), ...burst("c"), index.compact()]);
  await Promise.all([...burst("d"), index.reload()]);
  await whole(index, 600 + 4 * 700 - 400 + 100);
  assert.equal(await pending(index), 0);
  const bytes = index.export();
  const copy = await VectorIndex.import(await bytes);
  await whole(copy, index.size);
});

test("export, reload and erasing end while bursts go on", async () => {
  const { index } = await filled(0, { dimensions: DIMENSIONS });
  const inserts = [];
  let isOver = false;
  const bursts = (async () => {
    for (; !isOver; await pause()) inserts.push(...vectors.slice(0, 60).map((vector) => index.insert(vector)));
  })();
  await pause(100);
  const bytes = await index.export();
  await index.reload();
  await index.compact({ erase: true });
  isOver = true;
  await bursts;
  await Promise.all(inserts);
  await whole(index, inserts.length);
  assert.ok((await VectorIndex.import(bytes)).size <= inserts.length);
});

test("a burst during a bulk insertMany waits with its rows", async () => {
  const { index } = await filled(0, { dimensions: DIMENSIONS });
  const rows = rowsOf(flat(4500, DIMENSIONS, 2), DIMENSIONS).map((vector) => ({ vector }));
  const many = index.insertMany(rows);
  await pause();
  await pause();
  const inserts = insertAll(index);
  await Promise.all([many, ...inserts]);
  assert.equal(await pending(index), 0);
  await whole(index, 4500 + COUNT);
});

test("closing after a burst waits for no links, and its promises settle", async () => {
  const index = await VectorIndex.memory({ dimensions: DIMENSIONS });
  const inserts = insertAll(index);
  await index.close();
  assert.equal((await Promise.all(inserts)).length, COUNT);
});

test("a burst that trains product codes under a budget inserts as many as a loop that awaits", async () => {
  const sizes = [];
  for (const awaits of [true, false]) {
    const [name, at] = KINDS.at(-1).place()();
    const index = await VectorIndex.open(name, { ...at, dimensions: 128, quantization: "product", maxBytes: 3 << 20 });
    const calls = [];
    for (const vector of rowsOf(flat(3000, 128), 128)) {
      const call = index.insert(vector).catch(({ code }) => assert.equal(code, "OUT_OF_MEMORY"));
      calls.push(call);
      if (awaits) await call;
    }
    await Promise.all(calls);
    sizes.push(index.size);
    await index.close();
  }
  assert.ok(sizes[1] > 2500 && sizes[1] >= sizes[0], `${sizes}`);
});

for (const { label, place } of KINDS) {
  test(`${label}: a burst is stored together, and is there after closing at once`, async () => {
    const at = place();
    const open = (options) => VectorIndex.open(at()[0], { ...at()[1], ...options });
    const index = await open({ dimensions: DIMENSIONS });
    const inserts = insertAll(index);
    assert.ok((await pending(index)) > COUNT / 2);
    await index.close();
    await Promise.all(inserts);
    const again = await open();
    assert.equal(again.size, COUNT);
    const more = vectors.map((vector, i) => again.upsert(`r${i}`, vector, { again: i }));
    await Promise.all(more);
    assert.equal(await pending(again), 0);
    await whole(again, COUNT);
    for (let i = 0; i < COUNT; i += 100) {
      const [hit] = await again.search(vectors[i], { k: 1 });
      assert.deepEqual([hit.id, hit.payload], [`r${i}`, { again: i }]);
    }
    await again.close();
  });
}
