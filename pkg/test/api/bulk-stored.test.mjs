// Many rows for an empty index in a store: they are linked together once all are there. Until then checkpoints have
// them without links.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, flat, recall, rowsOf, until, whole } from "./helpers.mjs";
import { KINDS, MapStore } from "./places.mjs";

const DIMENSIONS = 144;
const COUNT = 5000;
const vectors = rowsOf(flat(COUNT + 10, DIMENSIONS, 3), DIMENSIONS);
const rows = vectors.slice(0, COUNT).map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i } }));
const ids = rows.map(({ id }) => id);
const pending = async (index) => (await index.stats()).pending;
const opened = (store, options) => VectorIndex.open("own", { dimensions: DIMENSIONS, store, ...options });

async function findsItself(index, i) {
  const [hit] = await index.search(vectors[i], { k: 1 });
  assert.deepEqual([hit.id, hit.payload], [`r${i}`, { n: i }]);
}

/** Resolves once most of the rows of a call wait to be linked. */
async function waits(index) {
  await until(async () => (await pending(index)) > COUNT / 2, "rows that wait");
}

/** What the store of a program that has ended holds is what another finds. */
async function foundIn(values) {
  const index = await opened(new MapStore(new Map(values)));
  await until(async () => (await pending(index)) === 0, "all to be linked");
  return index;
}

for (const { label, place } of KINDS) {
  test(`${label}: all rows are linked when the call resolves, and the links are stored`, async () => {
    const at = place();
    const open = () => {
      const [name, options] = at();
      return VectorIndex.open(name, { dimensions: DIMENSIONS, ...options });
    };
    const index = await open();
    const call = index.insertMany(rows);
    await waits(index);
    assert.deepEqual(await call, ids);
    assert.equal(await pending(index), 0);
    await whole(index, COUNT);
    await index.close();

    const again = await open();
    assert.equal(await pending(again), 0);
    await whole(again, COUNT);
    for (let i = 0; i < COUNT; i += 500) await findsItself(again, i);
    assert.ok((await recall(again, vectors.slice(0, COUNT), vectors.slice(0, 20))) > 0.9);
    await again.close();
  });
}

test("a program that ends without closing has stored the links, too", async () => {
  const store = new MapStore();
  const index = await opened(store);
  await index.insertMany(rows);
  const ended = await opened(new MapStore(new Map(store.values)));
  assert.equal(await pending(ended), 0);
  await whole(ended, COUNT);
  await ended.close();
  await index.close();
});

test("checkpoints do not wait for the links, and the log stays short", async () => {
  const store = new MapStore();
  const index = await opened(store);
  let longest = 0;
  let written = 0;
  store.before = () => {
    for (const [key, { length }] of store.values) if (key.startsWith("log/")) longest = Math.max(longest, length);
    if ([...store.values.keys()].some((key) => key.startsWith("b/"))) written += 1;
  };
  const call = index.insertMany(rows);
  await waits(index);
  assert.ok(written > 0);
  assert.ok((await pending(index)) > 0);
  await call;
  assert.ok(longest > 0 && longest < 3 << 20, `${longest} bytes`);
  await index.close();
});

test("idle time that comes while rows wait does not link some of them by themselves", async () => {
  const { requestIdleCallback, cancelIdleCallback } = globalThis;
  const idle = [];
  Object.assign(globalThis, { requestIdleCallback: (run) => idle.push(run), cancelIdleCallback: () => {} });
  try {
    const index = await opened(new MapStore());
    await until(async () => idle.length > 0, "work that waits for idle time");
    const call = index.insertMany(rows);
    await until(async () => (await pending(index)) > 500, "rows that wait");
    for (const run of idle.splice(0)) run({ didTimeout: false, timeRemaining: () => 4 });
    await waits(index);
    assert.equal(await pending(index), index.size);
    await call;
    await index.close();
  } finally {
    Object.assign(globalThis, { requestIdleCallback, cancelIdleCallback });
  }
});

test("others insert, delete and search meanwhile, and their commits do not wait for the call", async () => {
  const store = new MapStore();
  const index = await opened(store);
  let isOver = false;
  const call = index.insertMany(rows).then((inserted) => { isOver = true; return inserted; });
  await waits(index);
  await index.insertWithId("own", vectors[COUNT], { own: true });
  assert.equal(await index.delete("r9"), true);
  await index.upsert("r10", vectors[COUNT + 1]);
  assert.equal(isOver, false);
  assert.equal((await index.search(vectors[COUNT], { k: 1 }))[0].id, "own");
  await findsItself(index, 7);
  assert.deepEqual(await call, ids);
  await whole(index, COUNT);
  await index.close();
  const again = await foundIn(store.values);
  await whole(again, COUNT);
  assert.equal(await again.has("r9"), false);
  assert.equal((await again.search(vectors[COUNT + 1], { k: 1 }))[0].id, "r10");
  assert.deepEqual((await again.get("own")).payload, { own: true });
  await again.close();
});

test("a program that ends at any of its writes leaves whole parts of the call, which are linked again", async () => {
  const store = new MapStore();
  const index = await opened(store);
  const states = [];
  store.before = (name) => {
    if (name === "append" || name === "commit") states.push(new Map(store.values));
  };
  await index.insertMany(rows);
  store.before = () => {};
  await index.close();
  assert.ok(states.length > 12, `${states.length} writes`);
  let before = 0;
  for (const values of states.filter((_, i) => i % 3 === 0 || i > states.length - 4)) {
    const again = await foundIn(values);
    const { size } = again;
    assert.ok(size >= before && (size % 500 === 0 || size === COUNT), `${size} rows after ${before}`);
    before = size;
    await whole(again, size);
    for (let i = 0; i < size; i += 700) await findsItself(again, i);
    await again.insertWithId("later", vectors[COUNT]);
    assert.equal(await pending(again), 0);
    await again.close();
  }
  assert.equal(before, COUNT);
});

test("after an interruption the next program links all of it together", async () => {
  const store = new MapStore();
  const index = await opened(store);
  const states = [];
  store.before = () => void states.push(new Map(store.values));
  await index.insertMany(rows);
  store.before = () => {};
  await index.close();
  // The last state without links has all rows.
  let values;
  let waiting = 0;
  while (waiting === 0) {
    values = states.pop();
    const again = await opened(new MapStore(new Map(values)));
    waiting = await pending(again);
    await again.close();
  }
  for (const reloads of [0, 1, 2]) {
    const again = await opened(new MapStore(new Map(values)));
    for (let i = 0; i < reloads; i++) await again.reload();
    assert.equal(again.size, COUNT);
    await findsItself(again, 7);
    const seen = new Set();
    await until(async () => {
      seen.add(await pending(again));
      return seen.has(0);
    }, "all to be linked");
    assert.deepEqual([...seen].filter((count) => count > 100 && count < COUNT), [], `none is linked by itself after ${reloads}`);
    assert.ok(seen.has(COUNT));
    await whole(again, COUNT);
    await again.close();
  }
});

test("after ABORTED the rest is linked in idle time, and the links are stored", async () => {
  const store = new MapStore();
  const index = await opened(store);
  const aborter = new AbortController();
  const call = index.insertMany(rows, { signal: aborter.signal, onProgress: ({ done }) => done > 4500 && aborter.abort() });
  await fails("ABORTED", () => call);
  const { size } = index;
  await until(async () => (await pending(index)) === 0, "the rest to be linked");
  await whole(index, size);
  await until(async () => {
    const ended = await VectorIndex.open("own", { store: new MapStore(new Map(store.values)), mode: "readonly" });
    const waiting = await pending(ended);
    await ended.close();
    return waiting === 0;
  }, "a checkpoint");
  await index.close();
});

test("a compaction, an export and a move link or take along what waits, and the call goes on", async () => {
  for (const use of [(index) => index.export(), (index) => index.compact(), (index) => index.reload()]) {
    const index = await opened(new MapStore());
    const call = index.insertMany(rows);
    await waits(index);
    await use(index);
    assert.deepEqual(await call, ids);
    await until(async () => (await pending(index)) === 0, "all to be linked");
    await whole(index, COUNT);
    await findsItself(index, 11);
    await index.close();
  }
});

test("clear takes away what waits, in the store too", async () => {
  const store = new MapStore();
  const index = await opened(store);
  const call = index.insertMany(rows);
  await waits(index);
  await index.clear();
  assert.deepEqual(await call, ids);
  const { size } = index;
  await whole(index, size);
  const again = await foundIn(store.values);
  await whole(again, size);
  await again.close();
  await index.clear();
  assert.deepEqual(await index.insertMany(rows), ids);
  await whole(index, COUNT);
  await index.close();
});

test("under a budget, records leave the memory while others still wait to be linked", async () => {
  const all = COUNT * 4 * DIMENSIONS;
  const index = await opened(new MapStore(), { maxBytes: 1.8 * all });
  let most = 0;
  await index.insertMany(rows, { onProgress: async () => { most = Math.max(most, (await index.stats()).bytes.warm); } });
  const { bytes, pending: waiting } = await index.stats();
  assert.equal(waiting, 0);
  assert.ok(bytes.warm < all && most < all, `${bytes.warm} of ${all} bytes warm, at most ${most}`);
  await whole(index, COUNT);
  await findsItself(index, 11);
  await index.close();
});

test("a checkpoint that fails at the end of the call is told by flush, and made again", async () => {
  const store = new MapStore();
  const { commit } = MapStore.prototype;
  store.commit = async (batch) => {
    if (batch.puts.some(([key]) => key.startsWith("m/")) && store.values.size > 1) throw new Error("no room");
    return commit.call(store, batch);
  };
  const index = await opened(store);
  assert.deepEqual(await index.insertMany(rows), ids);
  await whole(index, COUNT);
  await fails("STORE_FAILED", () => index.flush(), /no room/);
  delete store.commit;
  await index.close();
  const again = await opened(new MapStore(store.values));
  assert.equal(await pending(again), 0);
  await whole(again, COUNT);
  await again.close();
});

test("rows that do not suit a bulk build are linked once, and their links are stored", async () => {
  const store = new MapStore();
  const index = await opened(store);
  const equal = rows.map((row, i) => (i % 100 === 7 ? { ...row, vector: vectors[COUNT] } : row));
  assert.deepEqual(await index.insertMany(equal), ids);
  assert.equal(await pending(index), 0);
  await whole(index, COUNT);
  const ended = await opened(new MapStore(new Map(store.values)));
  assert.ok((await pending(ended)) < COUNT / 10, "most links are stored when the call has ended");
  await ended.close();
  await index.close();
  const again = await opened(new MapStore(store.values));
  assert.ok((await pending(again)) < COUNT / 10);
  await whole(again, COUNT);
  await findsItself(again, 11);
  await again.close();
});
