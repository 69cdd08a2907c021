// reload() of an index in a store.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, flat, pause, rowsOf, until, whole } from "./helpers.mjs";
import { KINDS, MapStore } from "./places.mjs";

const DIMENSIONS = 32;
const COUNT = 5000;
const KEPT = 500;
const vectors = rowsOf(flat(COUNT, DIMENSIONS), DIMENSIONS);
const rows = vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i } }));
const answers = (index) => Promise.all(vectors.slice(0, 30).map((vector) => index.search(vector, { k: 5, include: { payload: true, vector: true } })));

const opener = (place) => (options) => {
  const [name, at] = place();
  return VectorIndex.open(name, { ...at, ...options });
};

/** Opens a small index in a MapStore. */
async function small(values = new Map(), options = {}) {
  const store = new MapStore(values);
  const index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS, ...options });
  if (index.size === 0) await index.insertMany(rows.slice(0, 100));
  return { index, store };
}

/** Starts to reload an index, up to its first `list` call, which waits for `open`. */
async function reloadingHeld(index, store) {
  let reloading;
  const open = await new Promise((resolve) => {
    store.before = (call) => {
      if (call !== "list") return;
      store.before = () => {};
      return new Promise((go) => resolve(go));
    };
    reloading = index.reload();
  });
  return { reloading, open };
}

const reopened = (values) => VectorIndex.open("own", { store: new MapStore(values) });

for (const { label, place } of KINDS) {
  test(`${label}: reload gives memory back and changes nothing else, and later changes are stored`, async () => {
    const open = opener(place());
    let index = await open({ dimensions: DIMENSIONS, ef: 33 });
    await index.insertMany(rows);
    await index.deleteMany(Array.from({ length: COUNT - KEPT }, (_, i) => `r${KEPT + i}`));
    await index.compact();
    const number = await index.insert(vectors[KEPT]);
    index.compactionThreshold = 0.25;
    const [found, bytes, stats] = [await answers(index), await index.export(), await index.stats()];
    const { returnedBytes } = await index.reload();
    assert.ok(returnedBytes > 0, `${returnedBytes} bytes`);
    // Idle time may have begun to read records into the new memory.
    const grown = (await index.stats()).wasmMemoryBytes - (stats.wasmMemoryBytes - returnedBytes);
    assert.ok(grown >= 0 && grown < 1 << 20, `${grown} bytes`);
    assert.equal(index.compactionThreshold, 0.25);
    assert.deepEqual(await answers(index), found);
    assert.deepEqual(await index.export(), bytes);
    assert.equal(await index.insert(vectors[KEPT + 1]), number + 1);
    await index.upsert("r1", vectors[5], { other: true });
    await index.delete("r2");
    if (!label.startsWith("a Store")) await fails("LOCKED", () => open());
    await index.reload();
    await whole(index, KEPT + 1);
    const last = await index.export();
    await index.close();
    index = await open();
    await whole(index, KEPT + 1);
    assert.deepEqual(await index.export(), last);
    await index.close();
  });
}

test("changes during a reload wait for it, in their order, and are stored; searches do not wait", async () => {
  const { index, store } = await small();
  const { reloading, open } = await reloadingHeld(index, store);
  const vector = Float32Array.from(vectors[200]);
  const bytes = Uint8Array.of(1, 2, 3);
  const waiting = [
    index.insertWithId("first", vector, bytes), index.delete("first"), index.upsert("r1", vectors[7], { later: 1 }), index.upsert("r1", vectors[8], { later: 2 }),
    index.insertWithId("kept", vector, bytes), index.insertMany(rows.slice(300, 320)), index.deleteMany(["r2", "r3"]), index.delete("r4"), index.delete("none"),
  ];
  vector.fill(NaN);
  bytes.fill(9);
  await pause(5);
  assert.equal(index.size, 100, "none is made yet");
  assert.equal((await index.search(vectors[4], { k: 1 }))[0].id, "r4");
  assert.equal(index.maintain({ timeRemaining: () => 5 }), false);
  open();
  await reloading;
  const results = await Promise.all(waiting);
  assert.deepEqual([results[1], results[6], results[7], results[8]], [true, 2, true, false]);
  assert.equal(store.broken, undefined);
  await fails("DUPLICATE_ID", () => index.insertWithId("kept", vectors[0]));
  const seen = await reopened(store.values);
  for (const there of [index, seen]) {
    await whole(there, 100 + 1 + 20 - 3);
    assert.deepEqual((await there.get("r1")).payload, { later: 2 });
    assert.deepEqual((await there.get("kept")).payload, Uint8Array.of(1, 2, 3));
    assert.deepEqual((await there.get("kept")).vector, vectors[200]);
  }
  await seen.close();
  await index.close();
  assert.deepEqual([store.calls.close, store.broken], [1, undefined]);
});

// The `slice` of Node's Buffer shares the bytes, so a copy made by it would change with them.
test("bytes of a class whose `slice` shares them are copied while their record waits for a reload", async () => {
  class Shared extends Uint8Array {
    slice(...range) {
      return this.subarray(...range);
    }
  }
  const { index, store } = await small();
  const { reloading, open } = await reloadingHeld(index, store);
  const bytes = Shared.of(1, 2, 3);
  const inserting = index.insertWithId("kept", vectors[200], bytes);
  bytes.fill(9);
  open();
  await Promise.all([reloading, inserting]);
  assert.deepEqual((await index.get("kept")).payload, Uint8Array.of(1, 2, 3));
  await index.close();
});

// Such changes are not in the index yet, so the index itself has nothing to store.
test("flush waits for changes that wait for a reload", async () => {
  const { index, store } = await small();
  const { reloading, open } = await reloadingHeld(index, store);
  const inserting = index.insertWithId("late", vectors[200]);
  let isFlushed = false;
  const flushing = index.flush().then(() => (isFlushed = true));
  await pause(20);
  assert.equal(isFlushed, false);
  open();
  await flushing;
  const seen = await reopened(store.values);
  await whole(seen, 101);
  await seen.close();
  await Promise.all([reloading, inserting]);
  await index.close();
});

// A caller's loop ends when `maintain` returns false, and the compaction would never be made.
test("maintain returns true during a reload, and its work is done afterwards", async () => {
  const { index, store } = await small();
  await index.deleteMany(rows.slice(0, 60).map(({ id }) => id));
  const { reloading, open } = await reloadingHeld(index, store);
  const deadline = { timeRemaining: () => 5 };
  for (let i = 0; i < 3; i++) {
    assert.equal(index.maintain(deadline), true);
    await pause();
  }
  assert.equal(index.deletedCount, 60);
  open();
  await reloading;
  while (index.maintain(deadline)) await pause();
  await index.has("r0");
  assert.equal(index.deletedCount, 0);
  await whole(index, 40);
  await index.close();
});

test("few rows and ids keep their place among the calls that wait for a reload", async () => {
  const { index, store } = await small();
  const { reloading, open } = await reloadingHeld(index, store);
  const aborting = new AbortController();
  const order = [];
  const called = (name, call) => call.then((value) => order.push([name, value]), ({ code }) => order.push([name, code]));
  const all = [
    called("many", index.insertMany([{ id: "a", vector: vectors[200], payload: "old" }], { upsert: true })),
    called("one", index.upsert("a", vectors[201], "new")),
    called("again", index.insertWithId("a", vectors[202])),
    called("some", index.deleteMany(["r1", "r2"])),
    called("none", index.delete("r1")),
    called("aborted", index.insertMany([{ id: "b", vector: vectors[203] }], { signal: aborting.signal })),
  ];
  aborting.abort();
  await until(() => order.length > 0);
  assert.deepEqual(order, [["aborted", "ABORTED"]]);
  open();
  await reloading;
  await Promise.all(all);
  const found = Object.fromEntries(order);
  assert.deepEqual([found.many, found.one, found.again, found.some, found.none], [["a"], "a", "DUPLICATE_ID", 2, false]);
  assert.equal((await index.get("a")).payload, "new");
  await whole(index, 99);
  const seen = await reopened(store.values);
  assert.equal((await seen.get("a")).payload, "new");
  assert.equal(await seen.has("b"), false);
  await seen.close();
  await index.close();
});

test("a signal ends the wait of a compaction, and of async rows, for a reload", async () => {
  const { index, store } = await small();
  await index.deleteMany(["r1", "r2"]);
  const { reloading, open } = await reloadingHeld(index, store);
  const controller = new AbortController();
  const { signal } = controller;
  const calls = [index.compact({ signal }), index.insertMany((async function* () { yield rows[100]; })(), { signal })];
  const told = Promise.all(calls.map((call) => fails("ABORTED", () => call)));
  await pause(5);
  controller.abort();
  await told;
  open();
  await reloading;
  await whole(index, 98);
  await index.close();
});

test("a store that fails at any call of a reload: the index stays where it was, and all that was acknowledged is stored", async () => {
  let succeeded = 0;
  for (let failing = 0; succeeded === 0; failing++) {
    const { index, store } = await small();
    await index.insertMany(rows.slice(100, 150));
    const unstored = index.insertWithId("last", vectors[150]).then(() => true, () => false);
    let calls = 0;
    store.before = () => {
      if (calls++ === failing) throw new Error("no such luck");
    };
    const outcome = await index.reload().then(() => undefined, (error) => error);
    store.before = () => {};
    const stored = await unstored;
    if (!outcome) succeeded += 1;
    else assert.deepEqual([outcome.name, outcome.code], ["ThermoclineError", "STORE_FAILED"], `call ${failing}: ${outcome.stack}`);
    assert.equal((await index.search(vectors[4], { k: 1 }))[0].id, "r4");
    if (stored) {
      // Only the move failed: the index accepts changes, and the next attempt succeeds.
      await index.insertWithId("more", vectors[151]);
      await index.reload();
      await whole(index, 152);
    }
    await index.close().catch((error) => assert.equal(error.code, "STORE_FAILED"));
    assert.deepEqual([store.calls.close, store.broken], [1, undefined], `call ${failing}`);
    const again = await reopened(store.values);
    await whole(again, stored ? 152 : 150);
    await again.close();
    assert.ok(failing < 100);
  }
});

test("closing waits for it when changes wait for it; otherwise it is CLOSED", async () => {
  for (const waits of [true, false]) {
    const { index, store } = await small();
    const before = index.insertWithId("before", vectors[101]);
    const { reloading, open } = await reloadingHeld(index, store);
    const late = waits && index.insertWithId("late", vectors[102]);
    const told = waits ? reloading : fails("CLOSED", () => reloading);
    const closing = index.close();
    open();
    await Promise.all([told, before, late, closing]);
    assert.deepEqual([store.calls.close, store.broken], [1, undefined]);
    const again = await reopened(store.values);
    await whole(again, waits ? 102 : 101);
    await again.close();
    await fails("CLOSED", () => index.reload());
  }
});

test("a store that hangs during a reload does not hold up closing", async () => {
  const { index, store } = await small();
  const reached = new Promise((resolve) => {
    store.before = (call) => (call === "list" ? (resolve(), new Promise(() => {})) : undefined);
  });
  const told = fails("STORE_FAILED", () => index.reload());
  await reached;
  await index.close({ timeoutMs: 20 });
  await told;
});

test("a reload of a read-only index shows what was stored since it was opened", async () => {
  const values = new Map();
  const { index } = await small(values);
  const reader = await VectorIndex.open("own", { store: new MapStore(values), mode: "readonly" });
  await index.insertWithId("since", vectors[100]);
  assert.equal(await reader.has("since"), false);
  const stored = async (each) => (await each.stats()).storedBytes;
  assert.ok((await stored(reader)).total > 0 && (await stored(reader)).total < (await stored(index)).total);
  const bytes = async () => (await reader.stats()).wasmMemoryBytes;
  const before = await bytes();
  const { returnedBytes } = await reader.reload();
  assert.ok(returnedBytes >= before - (await bytes()) && returnedBytes < before, `${returnedBytes} of ${before}`);
  assert.equal(await reader.has("since"), true);
  assert.deepEqual(await stored(reader), await stored(index));
  await fails("READ_ONLY", () => reader.insert(vectors[0]));
  await whole(reader, 101);
  await reader.close();
  await index.close();
});

test("a reload of a read-only index refuses one that others created in its place for other vectors or distances", async () => {
  for (const [other, code] of [[{ dimensions: 4 * DIMENSIONS }, "DIMENSION_MISMATCH"], [{ dimensions: 3 }, "DIMENSION_MISMATCH"], [{ dimensions: DIMENSIONS, metric: "l2" }, "INVALID_OPTION"]]) {
    const { index: first, store: { values } } = await small();
    await first.close();
    const reader = await VectorIndex.open("own", { store: new MapStore(values), mode: "readonly" });
    const found = await answers(reader);
    const taken = new Map(values);
    await VectorIndex.destroy("own", { store: new MapStore(values) });
    const second = await VectorIndex.open("own", { store: new MapStore(values), ...other });
    const vector = new Float32Array(other.dimensions).fill(1);
    await second.insertMany(Array.from({ length: 200 }, (_, i) => ({ id: `r${i}`, vector })));
    await second.close();
    await fails(code, () => reader.reload());
    // It stays in its old instance, which still has all that it had read.
    assert.deepEqual([reader.dimensions, reader.metric, reader.size], [DIMENSIONS, "cosine", 100]);
    assert.deepEqual(await answers(reader), found);
    await whole(reader, 100);
    // An index of the same kind in its place is what others have stored.
    values.clear();
    for (const [key, bytes] of taken) values.set(key, bytes);
    await reader.reload();
    assert.deepEqual(await answers(reader), found);
    await reader.close();
  }
});

test("reload with a memory budget while reads are running", async () => {
  const text = "payload ".repeat(60);
  const large = rows.slice(0, 1500).map((row) => ({ ...row, payload: { text } }));
  const { index, store } = await small(new Map(), { maxBytes: 900_000 });
  await index.insertMany(large, { upsert: true });
  const searches = Array.from({ length: 60 }, (_, i) => index.search(vectors[i * 20], { k: 3, include: { payload: true } }));
  await index.reload();
  for (const hits of await Promise.all(searches)) for (const hit of hits) assert.equal(hit.payload.text, text);
  for (let i = 0; i < 1500; i += 100) assert.equal((await index.get(`r${i}`)).payload.text, text);
  await whole(index, 1500);
  await fails("OUT_OF_MEMORY", () => index.insertMany(rows.slice(1500)));
  await index.close();
  assert.deepEqual([store.calls.close, store.broken], [1, undefined]);
});
