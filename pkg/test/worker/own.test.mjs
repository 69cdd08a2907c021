// The additional features of an index in a worker, in Node and in a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as thermocline from "thermocline";
import { ThermoclineError, VectorIndex } from "thermocline/worker";
import { fails, filled, flat, pause, rowsOf, unheard, until, whole } from "./helpers.mjs";
import { fresh, MapStore, NAMES } from "./places.mjs";
import { inNode, watchWorkers } from "./workers.mjs";

const DIMENSIONS = 16;
const vectors = rowsOf(flat(2000, DIMENSIONS), DIMENSIONS);
const rows = vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i } }));
const empty = () => VectorIndex.memory({ dimensions: DIMENSIONS });

test("the class and the error are those of the interface, and the error is that of the main entry", async () => {
  assert.equal(ThermoclineError, thermocline.ThermoclineError);
  assert.equal(VectorIndex.name, "VectorIndex");
  const members = ({ prototype }) => Reflect.ownKeys(prototype).map(String).sort();
  assert.deepEqual(members(VectorIndex), members(thermocline.VectorIndex));
  const index = await empty();
  assert.ok(index instanceof VectorIndex && !(index instanceof thermocline.VectorIndex));
  await index.close();
});

test("size and the other properties are as of the last settled call; the threshold is as it was set", async () => {
  const { index } = await filled(100);
  const deleting = index.deleteMany(Array.from({ length: 40 }, (_, i) => `r${i}`));
  assert.deepEqual([index.size, index.deletedCount, index.needsCompaction], [100, 0, false]);
  assert.equal(await deleting, 40);
  assert.deepEqual([index.size, index.deletedCount, index.needsCompaction], [60, 40, true]);
  index.compactionThreshold = 7;
  assert.equal(index.compactionThreshold, 0.99);
  assert.equal(index.needsCompaction, true);
  await index.has("r1");
  assert.deepEqual([index.needsCompaction, index.compactionThreshold], [false, 0.99]);
  index.compactionThreshold = -1;
  await index.has("r1");
  assert.deepEqual([index.needsCompaction, index.compactionThreshold], [true, 0.01]);
  await index.close();
});

// Messages that do not settle a call must not change them.
test("size and the other properties do not change while a call reports progress or asks for more rows", async () => {
  const { index } = await filled(10);
  const seen = new Set();
  const look = () => seen.add(`${index.size} ${index.deletedCount} ${index.needsCompaction}`);
  await index.insertMany(rows.slice(10), { onProgress: look });
  assert.deepEqual([...seen.values()], ["10 0 false"]);
  seen.clear();
  const source = async function* () {
    for (const { vector } of rows) {
      look();
      yield { vector };
    }
  };
  await index.insertMany(source());
  assert.deepEqual([[...seen.values()], index.size], [["2000 0 false"], 4000]);
  // An idle compaction is no call: its report brings the new values.
  await index.deleteMany(rows.slice(0, 1500).map(({ id }) => id));
  let isReported = false;
  const stop = index.compactWhenIdle({ onReport: () => (isReported = true) });
  await until(() => isReported, "a report");
  assert.deepEqual([index.size, index.deletedCount, index.needsCompaction], [2500, 0, false]);
  stop();
  await index.close();
});

test("results and exports equal those of the main entry, byte for byte", async () => {
  const both = await Promise.all([VectorIndex, thermocline.VectorIndex].map((from) => from.memory({ dimensions: DIMENSIONS, seed: 5 })));
  const seen = [];
  for (const index of both) {
    await index.insertMany(rows.slice(0, 300));
    await index.insertMany((async function* () { yield* rows.slice(300, 900); })());
    await index.insertMany({ vectors: flat(100, DIMENSIONS, 8), payloads: Array.from({ length: 100 }, (_, i) => (i % 2 ? undefined : new Uint8Array([i]))) });
    await index.deleteMany(["r5", "r6"]);
    await index.compact();
    const hits = await index.search(vectors[7], { k: 5, include: { vector: true } });
    const many = await index.searchMany(vectors.slice(0, 40), { k: 3 });
    seen.push({ bytes: [...(await index.export())], hits, many, record: await index.get(2), size: index.size });
  }
  assert.deepEqual(seen[0], seen[1]);
  const copy = await VectorIndex.import(Uint8Array.from(seen[1].bytes));
  await whole(copy, 998);
  for (const index of [...both, copy]) await index.close();
});

test("a filter is an object, with the hits of the main entry; a function or anything else is refused", async () => {
  const { index } = await filled(400);
  const plain = await thermocline.VectorIndex.import(await index.export());
  for (const filter of [{ n: { $lt: 50 } }, { $or: [{ n: 3 }, { n: { $gte: 390 } }] }, { other: { $exists: true } }]) {
    const options = { k: 7, filter, include: { payload: true } };
    assert.deepEqual(await index.search(vectors[1], options), await plain.search(vectors[1], options));
  }
  for (const search of [(options) => index.search(vectors[0], options), (options) => index.searchMany([vectors[0]], options)]) {
    await fails("INVALID_FILTER", () => search({ filter: () => true }), /expected an object, got a function/);
  }
  class Wish {}
  for (const filter of [{ n: () => 1 }, { n: Symbol("n") }, Symbol("f"), new Wish(), { n: new Wish() }, { n: new Date(0) }]) await fails("INVALID_FILTER", () => index.search(vectors[0], { filter }));
  assert.equal((await index.search(vectors[0], { k: 3 })).length, 3);
  await index.close();
});

test("arguments are copied when the call is made, and stay the caller's", async () => {
  const { index } = await filled(50, { metric: "l2" });
  const own = Float32Array.from(vectors[0]);
  const bytes = new Uint8Array([1, 2, 3]);
  const flatOwn = Float32Array.from([...vectors[1], ...vectors[2]]);
  const listed = [Float32Array.from(vectors[3])];
  const ids = ["listed"];
  const calls = [
    index.insertWithId("own", own, bytes), index.insertMany({ vectors: flatOwn, ids: ["f1", "f2"] }), index.insertMany([{ id: "row", vector: listed[0] }]),
    index.searchMany(listed, { k: 1 }), index.search(own, { k: 1 }), index.deleteMany(ids),
  ];
  for (const array of [own, bytes, flatOwn, listed[0]]) array.fill(9);
  ids[0] = "row";
  const [, , , many, [hit]] = await Promise.all(calls);
  const vectorOf = async (id) => [...(await index.get(id)).vector];
  assert.deepEqual(await vectorOf("own"), [...vectors[0]]);
  assert.deepEqual([...(await index.get("own")).payload], [1, 2, 3]);
  assert.deepEqual([await vectorOf("f1"), await vectorOf("f2"), await vectorOf("row")], [[...vectors[1]], [...vectors[2]], [...vectors[3]]]);
  assert.ok(["r3", "row"].includes(many.ids[0]) && ["r0", "own"].includes(hit.id), `${many.ids[0]}, ${hit.id}`);
  assert.ok([own, bytes, flatOwn, listed[0]].every((array) => array.length > 0), "nothing was given away");
  const exported = await index.export();
  const importing = VectorIndex.import(exported);
  exported.fill(0);
  const copy = await importing;
  await whole(copy, 54);
  await Promise.all([index.close(), copy.close()]);
});

test("bytes of a transferred buffer are refused as they are without a worker", async () => {
  const gone = new Uint8Array(8);
  structuredClone(gone, { transfer: [gone.buffer] });
  for (const from of [VectorIndex, thermocline.VectorIndex]) await fails("CORRUPT", () => from.import(gone));
});

// Engines send only the start of a longer array, without an error. All rows are one vector here, which takes no memory.
test("vectors of 4 GiB or more in one call are refused before they are copied", async () => {
  const dimensions = 8192;
  const index = await VectorIndex.memory({ dimensions });
  const vector = new Float32Array(dimensions).fill(1);
  const many = 2 ** 32 / vector.byteLength;
  await fails("INVALID_OPTION", () => index.insertMany(Array(many).fill({ vector })), /^rows: expected less than 4 GiB/);
  await fails("INVALID_OPTION", () => index.searchMany(Array(many).fill(vector)), /^queries: expected less than 4 GiB/);
  assert.equal(await index.insert(vector), 0);
  await index.close();
});

test("shared memory is copied too", async (t) => {
  if (typeof SharedArrayBuffer !== "function") return t.skip("there is none here");
  const { index } = await filled(5);
  const shared = new Float32Array(new SharedArrayBuffer(4 * DIMENSIONS));
  shared.set(vectors[9]);
  await index.insertWithId("shared", shared, new Uint8Array(new SharedArrayBuffer(3)));
  assert.deepEqual([...(await index.get("shared")).vector], [...vectors[9]]);
  assert.equal((await index.search(shared, { k: 1 }))[0].id, "shared");
  await index.close();
});

test("progress is reported, and an error that onProgress throws is passed on unchanged", async () => {
  const index = await empty();
  const seen = [];
  await index.insertMany(rows, { onProgress: (progress) => seen.push(progress) });
  assert.deepEqual(seen.at(-1), { done: 2000, total: 2000, phase: "insert" });
  const own = new Error("the caller's own");
  await index.deleteMany(rows.slice(0, 1500).map(({ id }) => id));
  await assert.rejects(index.compact({ sliceMs: 0.2, onProgress: () => { throw own; } }), (error) => error === own);
  await whole(index, 500);
  await index.close();
});

test("a signal ends a call in the worker, with its own reason, also one that waits for rows, and its source is ended", async () => {
  const { index } = await filled(10);
  const reason = { any: "thing", f: () => 1 };
  for (const use of [
    (signal, onProgress) => index.insertMany(Array.from({ length: 40 }, () => rows).flat().map(({ vector }) => ({ vector })), { signal, onProgress }),
    (signal, onProgress) => index.searchMany(flat(20_000, DIMENSIONS, 3), { ef: 200, signal, onProgress }),
  ]) {
    const controller = new AbortController();
    const error = await fails("ABORTED", () => use(controller.signal, () => controller.abort(reason)));
    assert.equal(error.cause, reason);
  }
  const before = index.size;
  await whole(index, before);
  const controller = new AbortController();
  let isEnded = false;
  const silent = (async function* () { try { yield rows[100]; await pause(400); yield rows[101]; } finally { isEnded = true; } })();
  const streaming = index.insertMany(silent, { signal: controller.signal });
  await until(async () => index.has("r100"), "the first row");
  await pause(10);
  controller.abort();
  await fails("ABORTED", () => streaming);
  assert.equal(index.size, before + 1);
  await until(() => isEnded, "the end of the source");
  const searching = new AbortController();
  const search = index.search(vectors[0], { signal: searching.signal });
  searching.abort();
  await fails("ABORTED", () => search);
  await index.close();
});

test("a signal that fires while the source is asked for its iterator ends the call", async () => {
  const { index } = await filled(3);
  const controller = new AbortController();
  const rows = {
    [Symbol.asyncIterator]() {
      controller.abort("enough");
      return { next: () => new Promise(() => {}) };
    },
  };
  const error = await index.insertMany(rows, { signal: controller.signal }).catch((thrown) => thrown);
  assert.deepEqual([error.code, error.cause], ["ABORTED", "enough"]);
  assert.equal(await index.has("r2"), true);
  await index.close();
});

test("async rows are not pulled far ahead of the index", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS });
  let go;
  const gate = new Promise((resolve) => (go = resolve));
  store.before = (name) => (["append", "commit"].includes(name) ? gate : undefined);
  let pulled = 0;
  const source = (async function* () { for (let i = 0; i < 60_000; i++) { pulled = i; yield { vector: vectors[i % 2000] }; } })();
  const inserting = index.insertMany(source).catch((error) => error);
  let last = -1;
  while (pulled !== last) {
    last = pulled;
    await pause(200);
  }
  assert.ok(pulled < 50_000, `${pulled} rows`);
  go();
  const closing = index.close();
  assert.equal((await inserting).code, "CLOSED");
  await closing;
});

test("a close ends a wait for rows that never come", async () => {
  const index = await empty();
  const running = index.insertMany((async function* () { yield rows[0]; await new Promise(() => {}); })());
  const ended = fails("CLOSED", () => running);
  await until(async () => index.has("r0"), "the first row");
  await index.close();
  await ended;
});

test("a caller's store is called in the caller's thread; its errors come back, and the index then refuses changes", async () => {
  for (const appends of [true, false]) {
    for (const own of [new ThermoclineError("QUOTA_EXCEEDED", "no room for it"), new Error("the disk is gone")]) {
      const store = new MapStore(new Map(), appends);
      const index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS });
      await index.insertMany(rows.slice(0, 100));
      await fails("LOCKED", () => VectorIndex.open("own", { store }));
      store.before = (name) => { if (["append", "commit"].includes(name)) throw own; };
      const code = own.code ?? "STORE_FAILED";
      const error = await fails(code, () => index.insertWithId("lost", vectors[0]), new RegExp(own.message));
      assert.equal(own.code ? error : error.cause, own);
      store.before = () => {};
      await fails(code, () => index.insertWithId("after", vectors[0]), /opened again/);
      assert.equal((await index.search(vectors[5], { k: 1 }))[0].id, "r5");
      await index.close();
      assert.deepEqual([store.calls.close, store.broken], [1, undefined]);
      const again = await VectorIndex.open("own", { store: new MapStore(store.values, appends) });
      await whole(again, 100);
      await again.close();
    }
  }
});

test("a store whose answer cannot be sent is STORE_FAILED, and another index can be opened", async () => {
  const store = new MapStore();
  store.list = async () => [() => 1];
  await fails("STORE_FAILED", () => VectorIndex.open("own", { store, dimensions: DIMENSIONS }));
  assert.equal(store.calls.close, 0, "it is still its caller's");
  const index = await VectorIndex.open("own", { store: new MapStore(), dimensions: DIMENSIONS });
  await index.close();
});

test("each index has its own worker, which is gone once the index is closed or could not be made", async () => {
  const { started, running, end } = await watchWorkers();
  try {
    const indexes = await Promise.all([empty(), empty()]);
    assert.deepEqual([started.length, running.size], [2, 2]);
    await Promise.all(indexes.map((index) => index.close()));
    assert.equal(running.size, 0);
    await fails("INVALID_OPTION", () => VectorIndex.memory({ dimensions: 0 }));
    await fails("CORRUPT", () => VectorIndex.import(new Uint8Array(100)));
    await fails("NOT_FOUND", () => VectorIndex.open("own", { store: new MapStore() }));
    await VectorIndex.destroy("own", { store: new MapStore() });
    assert.deepEqual([started.length, running.size], [6, 0]);
    for (let i = 0; i < 20; i++) await (await empty()).close();
    assert.equal(running.size, 0);
  } finally {
    end();
  }
});

test("maintain asks for slices, and returns true until there is nothing to do", async () => {
  const { index } = await filled(1500);
  let asked = 0;
  const deadline = { timeRemaining: () => ((asked += 1), 1) };
  assert.equal(index.maintain(deadline), false);
  await index.deleteMany(rows.slice(0, 700).map(({ id }) => id));
  assert.equal(asked, 0);
  assert.equal(index.maintain({ timeRemaining: () => 0 }), true, "no time, but work");
  let turns = 0;
  for (; index.maintain(deadline); turns++) await pause();
  assert.ok(turns >= 2 && asked >= 2, `${turns} turns, ${asked} slices`);
  await index.has("r0");
  assert.deepEqual([index.deletedCount, index.maintain(deadline)], [0, false]);
  await whole(index, 800);
  await index.close();
});

test("a worker that is ended from outside: all calls say so, and closing settles", async (t) => {
  if (!inNode) return t.skip("a browser tells nobody");
  const { started, running, end } = await watchWorkers();
  try {
    const store = new MapStore();
    const index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS });
    await index.insertMany(rows.slice(0, 100));
    store.before = () => new Promise(() => {});
    const pending = [index.insert(vectors[0]), index.insertMany((async function* () { await new Promise(() => {}); })())];
    await pause(20);
    started[0].terminate();
    for (const call of pending) await fails("CLOSED", () => call, /worker of the index is gone/);
    await fails("CLOSED", () => index.search(vectors[0]), /worker of the index is gone/);
    await fails("CLOSED", () => index.size, /worker of the index is gone/);
    await index.close();
    await fails("CLOSED", () => index.close());
    assert.equal(running.size, 0);
    const again = await VectorIndex.open("own", { store: new MapStore(store.values) });
    assert.equal(again.size, 100);
    await again.close();
  } finally {
    end();
  }
});

test("closing returns in time although the worker is busy, and ends the worker", async () => {
  const { running, end } = await watchWorkers();
  try {
    const index = await empty();
    await index.insertMany(rows);
    const checking = Promise.allSettled(Array.from({ length: 3000 }, () => index.check()));
    const began = performance.now();
    await index.close({ timeoutMs: 10 });
    assert.ok(performance.now() - began < 4000, `${performance.now() - began} ms`);
    assert.equal(running.size, 0);
    const checks = await checking;
    assert.ok(checks.every(({ status, reason }) => status === "fulfilled" || reason.code === "CLOSED"));
    assert.ok(checks.some(({ status }) => status === "rejected"), "closing had nothing to wait for");
  } finally {
    end();
  }
});

test("an opening that is aborted, early or late, leaves no worker and no lock", async () => {
  const { running, end } = await watchWorkers();
  const opening = async (name, options, abortAfterMs) => {
    const controller = new AbortController();
    const opened = VectorIndex.open(name, { dimensions: DIMENSIONS, ...options, signal: controller.signal });
    setTimeout(() => controller.abort(), abortAfterMs);
    await opened.then((index) => index.close(), ({ code }) => assert.equal(code, "ABORTED"));
    await until(() => running.size === 0, "the end of the worker");
    if (options.store !== "fs") return;
    const { readdir } = await import("node:fs/promises");
    const files = await readdir(name).catch(() => []);
    assert.deepEqual(files.filter((file) => file.startsWith("lock.")), [], "the next opening would remove it");
  };
  try {
    for (const store of NAMES) {
      const name = fresh();
      for (const abortAfterMs of [0, 2, 10, 30, 60, 100]) {
        await opening(name, { store }, abortAfterMs);
        const next = await VectorIndex.open(name, { store, dimensions: DIMENSIONS });
        await next.close();
      }
    }
    const store = new MapStore();
    store.before = (call) => (call === "list" ? new Promise(() => {}) : undefined);
    await opening("own", { store }, 100);
  } finally {
    end();
  }
});

test("a source that fails in any way fails only its call", async () => {
  const heard = unheard();
  const index = await VectorIndex.memory({ dimensions: 2 });
  const own = new RangeError("the caller's own");
  const sources = [
    [{ [Symbol.asyncIterator]() { throw own; } }, (error) => error === own],
    [{ [Symbol.asyncIterator]: () => ({ next: async () => undefined }) }, (error) => error instanceof TypeError],
    [
      { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: { vector: [1] } }), return() { throw own; } }) },
      (error) => error.code === "DIMENSION_MISMATCH",
    ],
  ];
  for (const [rows, isRight] of sources) await assert.rejects(index.insertMany(rows), isRight);
  assert.equal(await index.insert([1, 0]), 0);
  await index.close();
  assert.deepEqual(await heard(), []);
});

test("whatever a store throws is STORE_FAILED", async () => {
  const heard = unheard();
  const odd = [
    Object.create(null),
    { toString() { throw new Error("no text"); } },
    Object.defineProperty(new Error("x"), "message", { get() { throw new Error("no message"); } }),
  ];
  for (const thrown of odd) {
    const store = new MapStore();
    const index = await VectorIndex.open("own", { store, dimensions: 2 });
    store.append = store.commit = async () => { throw thrown; };
    await fails("STORE_FAILED", () => index.insert([1, 0]));
    await index.close().catch(() => {});
  }
  // A read-only store whose `close` returns no promise or throws.
  const values = new Map();
  const writer = await VectorIndex.open("own", { store: new MapStore(values), dimensions: 2 });
  await writer.insert([1, 0]);
  await writer.close();
  for (const close of [() => {}, () => { throw new Error("not closed"); }]) {
    const store = new MapStore(values);
    store.close = close;
    const reader = await VectorIndex.open("own", { store, mode: "readonly" });
    assert.equal((await reader.search([1, 0])).length, 1);
    await reader.close().catch(() => {});
  }
  assert.deepEqual(await heard(), []);
});

test("a deeply nested payload comes back, and does not end the worker", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  let nested = {};
  for (let depth = 0; depth < 1500; depth++) nested = { nested };
  const payloads = [nested, "text", null, 0, [1, { a: 2 }], new Uint8Array([1, 2])];
  for (const payload of payloads) await index.insert([1, 0], payload);
  const hits = await index.search([1, 0], { k: 10 });
  for (const { id, payload } of hits) {
    if (id === 0) assert.equal(JSON.stringify(payload), JSON.stringify(nested));
    else assert.deepEqual(payload, payloads[id]);
    assert.equal(JSON.stringify((await index.get(id)).payload), JSON.stringify(payload));
  }
  assert.equal(hits.length, payloads.length);
  await index.close();
});
