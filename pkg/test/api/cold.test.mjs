// Records that are only in the store.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, flat, pause, rowsOf, until, whole } from "./helpers.mjs";
import { KINDS, MapStore } from "./places.mjs";

const DIMENSIONS = 64;
const COUNT = 1500;
const vectors = rowsOf(flat(COUNT, DIMENSIONS), DIMENSIONS);
const rows = vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i, text: "payload ".repeat(30) } }));
/** Enough memory for the codes and links of all records, and for a few of the records themselves. */
const BUDGET = 900_000;

/** Returns a function that makes the values once, since it takes long, and returns a copy of them each time. */
function once(make) {
  let made;
  return async () => new Map(await (made ??= make()));
}

/** The values of a store with all rows in blocks. */
const stored = once(async () => {
  const values = new Map();
  const index = await VectorIndex.open("own", { store: new MapStore(values), dimensions: DIMENSIONS });
  // The log must grow enough to be cleared.
  for (let round = 0; round < 2; round++) await index.insertMany(rows, { upsert: true });
  await index.close();
  assert.ok([...values.keys()].some((key) => key.startsWith("b/")), "there are blocks");
  return values;
});

const opener = (place) => (options) => {
  const [name, at] = place();
  return VectorIndex.open(name, { ...at, ...options });
};

for (const { label, place } of KINDS) {
  test(`${label}: with a budget, records are read when they are needed`, async () => {
    const open = opener(place());
    const warm = await VectorIndex.memory({ dimensions: DIMENSIONS });
    await warm.insertMany(rows);
    let index = await open({ dimensions: DIMENSIONS, maxBytes: BUDGET });
    await index.insertMany(rows);
    await index.flush();
    const held = async () => {
      const { bytes, storedBytes, cache } = await index.stats();
      assert.ok(bytes.total <= BUDGET + 64 * 1024, `${bytes.total} bytes`);
      return { bytes, storedBytes, cache };
    };
    assert.ok((await held()).storedBytes.coldRaw > COUNT * 4 * DIMENSIONS, "all records are stored");
    for (let at = 0; at < COUNT; at += 50) {
      const options = { k: 5, include: { payload: true, vector: true } };
      assert.deepEqual(await index.search(vectors[at], options), await warm.search(vectors[at], options));
      assert.deepEqual(await index.get(`r${at}`), await warm.get(`r${at}`));
      await held();
    }
    const queries = vectors.filter((_, i) => i % 7 === 0);
    assert.deepEqual(await index.searchMany(queries, { k: 5 }), await warm.searchMany(queries, { k: 5 }));
    await held();
    assert.ok((await held()).cache.misses > 0);
    assert.deepEqual(await index.export(), await warm.export());
    await held();
    await index.close();

    index = await open({ maxBytes: BUDGET });
    const fresh = await held();
    assert.deepEqual([fresh.cache.hits, fresh.cache.misses, fresh.cache.hitRate], [0, 0, 0]);
    await index.search(vectors[0], { k: 50, include: { payload: true, vector: true } });
    const first = (await held()).cache;
    assert.ok(first.misses > 1 && first.hits === 0, `the first search finds no block in memory: ${JSON.stringify(first)}`);
    const found = await Promise.all(vectors.slice(0, 40).map((vector) => index.search(vector, { k: 3 })));
    assert.deepEqual(found.map(([hit]) => hit.payload.n), Array.from({ length: 40 }, (_, i) => i));
    const { hits, misses, hitRate } = (await held()).cache;
    assert.equal(hitRate, hits / (hits + misses));
    await whole(index, COUNT);
    await index.close();
    await warm.close();
  });
}

test("without a budget all records are in memory soon after opening, and nothing is read twice", async () => {
  const store = new MapStore(await stored());
  const index = await VectorIndex.open("own", { store });
  for (let ms = 0; (await index.stats()).bytes.coldCache < COUNT * 4 * DIMENSIONS; ms += 5) {
    assert.ok(ms < 60_000, "they come");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const reads = store.calls.read;
  for (const vector of vectors.slice(0, 50)) assert.equal((await index.search(vector, { k: 1 })).length, 1);
  assert.equal(store.calls.read, reads);
  await index.close();
});

test("a damaged block loses only its own records: get, export and check report it", async () => {
  const values = await stored();
  const damaged = [...values.keys()].find((key) => key.startsWith("b/"));
  values.set(damaged, new Uint8Array(values.get(damaged).length));
  const index = await VectorIndex.open("own", { store: new MapStore(values), maxBytes: 2 * BUDGET });
  let lost = 0;
  for (let i = 0; i < COUNT; i++) {
    const record = await index.get(`r${i}`).catch((error) => error);
    if (record.code === "CORRUPT") lost += 1;
    else assert.equal(record.payload.n, i);
  }
  assert.ok(lost > 0 && lost < COUNT / 2, `${lost} lost`);
  assert.equal((await index.check()).ok, false);
  assert.equal((await index.search(vectors[0], { k: COUNT, ef: COUNT })).length, COUNT);
  await fails("CORRUPT", () => index.export());
  await index.insertWithId("new", vectors[0], "more");
  await index.close();
});

test("records whose codes and links exceed maxBytes are OUT_OF_MEMORY, and a failed read has the store's error as its cause", async () => {
  const values = new Map();
  const store = new MapStore(values);
  let index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS, maxBytes: 200_000 });
  await fails("OUT_OF_MEMORY", () => index.insertMany(rows), /maxBytes leaves no room/);
  const { size } = index;
  assert.ok(size > 100 && size < COUNT, `${size} records`);
  await whole(index, size);
  await index.close();
  const failing = new MapStore(values);
  index = await VectorIndex.open("own", { store: failing, maxBytes: 150_000 });
  const why = new Error("the disk is gone");
  failing.read = async () => { throw why; };
  const error = await fails("STORE_FAILED", () => index.get("r0"), /disk is gone/);
  assert.equal(error.cause, why);
  delete failing.read;
  assert.equal((await index.get("r0")).payload.n, 0);
  await index.close();
  await fails("INVALID_OPTION", () => VectorIndex.memory({ dimensions: 2, maxBytes: 1e9 }));
});

test("maxBytes may be more than an address of WebAssembly can count, and then limits nothing", async () => {
  const values = await stored();
  for (const maxBytes of [2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const index = await VectorIndex.open("own", { store: new MapStore(new Map(values)), maxBytes });
    await index.insertWithId("new", vectors[0], "more");
    await index.delete("new");
    await whole(index, COUNT);
    assert.equal((await index.search(vectors[0], { k: 5 })).length, 5);
    await index.close();
  }
  for (const maxBytes of [-1, 0.5, Infinity]) {
    await fails("INVALID_OPTION", () => VectorIndex.open("own", { store: new MapStore(values), maxBytes }), /bytes/);
  }
});

test("a filter that accepts nothing is asked about every live record, and reads none", async () => {
  const store = new MapStore(await stored());
  const index = await VectorIndex.open("own", { store, maxBytes: BUDGET });
  await index.deleteMany(Array.from({ length: 100 }, (_, i) => `r${i}`));
  store.read = async () => { throw new Error("read"); };
  const ids = new Set();
  assert.deepEqual(await index.search(vectors[0], { filter: (id) => (ids.add(id), false) }), []);
  assert.deepEqual([...ids].sort(), rows.slice(100).map(({ id }) => id).sort());
  delete store.read;
  await index.close();
});

test("a commit and a read that fail together each have their own cause", async () => {
  for (const order of [["append", "read"], ["read", "append"]]) {
    const causes = { append: new Error("the disk is full of holes"), read: new Error("the disk cannot be read") };
    const store = new MapStore(await stored());
    const index = await VectorIndex.open("own", { store, maxBytes: 2 * BUDGET });
    const failing = { append: [], read: [] };
    store.before = (name) => failing[name] && new Promise((_, reject) => failing[name].push(() => reject(causes[name])));
    const both = Promise.allSettled([index.insert(vectors[0]), index.get("r0")]);
    await until(() => failing.append.length && failing.read.length, "both calls");
    for (const name of order) for (const fail of failing[name]) fail();
    const [insert, get] = (await both).map(({ reason }) => reason);
    assert.deepEqual([insert.code, get.code], ["STORE_FAILED", "STORE_FAILED"]);
    assert.deepEqual([insert.cause, get.cause], [causes.append, causes.read]);
    assert.match(insert.message, /full of holes/);
    // Every later refusal has the same cause.
    store.before = () => {};
    assert.equal((await fails("STORE_FAILED", () => index.insert(vectors[1]), /full of holes/)).cause, causes.append);
    await index.close();
  }
});

test("closing while what is over the budget is being given up: what was committed is acknowledged, and nothing is called lost", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS, maxBytes: BUDGET });
  let answer;
  store.before = (name) => (name === "commit" ? new Promise((resolve) => (answer = resolve)) : undefined);
  const inserts = Promise.all(rows.map(({ id, vector, payload }) => index.insertWithId(id, vector, payload)));
  await until(() => answer, "the checkpoint");
  await index.close({ timeoutMs: 50 });
  await inserts;
  answer();
  await until(() => store.calls.close, "the store's close");
  const again = await VectorIndex.open("own", { store: new MapStore(store.values) });
  await whole(again, COUNT);
  await again.close();
});

test("a filter that throws does so also when its search has to read, the first time or the second", async () => {
  const index = await VectorIndex.open("own", { store: new MapStore(await stored()), maxBytes: BUDGET });
  const why = new RangeError("the caller's own");
  for (const calls of [3, COUNT]) {
    let left = calls;
    const filter = () => {
      if (left-- === 0) throw why;
      return true;
    };
    const query = vectors[calls % COUNT].map((x, i) => x + (i % 3) / 10);
    const found = await index.search(query, { k: 20, ef: 60, filter }).catch((error) => error);
    if (found !== why) assert.ok(found.length === 20 && left >= 0, "it was not asked so often");
  }
  // Runs twice: the first run calls the filter once for each record in question, and the second throws.
  let asked = 0;
  const counted = () => (asked += 1) > 0;
  const fresh = await VectorIndex.open("own", { store: new MapStore(await stored()), maxBytes: BUDGET });
  await fresh.search(vectors[7], { k: 5, filter: counted });
  const once = asked / 2;
  assert.ok(Number.isInteger(once), "asked twice as often as there was to ask");
  const again = await VectorIndex.open("own", { store: new MapStore(await stored()), maxBytes: BUDGET });
  let left = once;
  const error = await again.search(vectors[7], { k: 5, filter: () => { if (left-- <= 0) throw why; return true; } }).catch((thrown) => thrown);
  assert.equal(error, why);
  assert.equal((await again.search(vectors[7], { k: 5 })).length, 5, "and the index is as it was");
  for (const one of [index, fresh, again]) await one.close();
});

test("a search that is aborted while its store does not answer ends at once, and the index goes on", async () => {
  const store = new MapStore(await stored());
  const index = await VectorIndex.open("own", { store, maxBytes: BUDGET });
  let answer;
  store.before = (name) => (name === "read" ? new Promise((resolve) => (answer = resolve)) : undefined);
  let asked = 0;
  const calls = [
    (signal) => index.search(vectors[1], { signal, filter: () => (asked += 1) > 0 }),
    (signal) => index.searchMany(vectors.slice(0, 50), { signal }),
    (signal) => index.search(vectors[2], { signal, filter: { n: { $lt: 700 } } }),
  ];
  for (const call of calls) {
    const controller = new AbortController();
    const why = new Error("enough");
    const searching = call(controller.signal);
    searching.catch(() => {});
    await until(() => answer, "the read");
    const before = asked;
    controller.abort(why);
    assert.equal((await fails("ABORTED", () => searching)).cause, why);
    answer();
    answer = undefined;
    await pause(5);
    // The records read are discarded, and no filter is called for them.
    assert.equal((await index.search(vectors[3], { k: 3, include: { payload: false }, rerank: false })).length, 3);
    assert.equal(asked, before);
  }
  store.before = () => {};
  // Also if the signal fires before anything waits for the store.
  for (const call of [calls[2], (signal, abort) => index.search(vectors[9], { signal, filter: () => (abort(), true) })]) {
    const controller = new AbortController();
    const abort = () => controller.abort();
    const searching = call(controller.signal, abort);
    abort();
    await fails("ABORTED", () => searching);
    answer?.();
  }
  store.before = () => {};
  const [first, many, last] = await Promise.all(calls.map((call) => call(new AbortController().signal)));
  assert.deepEqual([first.length, many.offsets.at(-1), last.length], [10, 500, 10]);
  await whole(index, COUNT);
  assert.equal(store.broken, undefined);
  await index.close();
});

const LARGE = 400;
const LARGE_BYTES = 30_000;
const large = Array.from({ length: LARGE }, (_, i) => ({ id: `large ${i}`, vector: vectors[i], payload: new Uint8Array(LARGE_BYTES).fill(i) }));

/** As `stored`, plus many longer records. */
const storedLarge = once(async () => {
  const values = await stored();
  const index = await VectorIndex.open("own", { store: new MapStore(values), maxBytes: 3 * BUDGET });
  await index.insertMany(large);
  await index.close();
  return values;
});

test("an export of more than the budget stays near the budget, apart from the exported bytes, and keeps no blocks", async () => {
  const store = new MapStore(await storedLarge());
  const index = await VectorIndex.open("own", { store, maxBytes: 3 * BUDGET });
  const { wasmMemoryBytes: before } = await index.stats();
  const during = [];
  store.before = (name) => void (name === "read" && during.push(index.stats()));
  const bytes = await index.export();
  assert.ok(during.length > 10, `${during.length} reads`);
  const held = (await Promise.all(during)).map(({ bytes: { total } }) => total);
  assert.ok(Math.max(...held) < 4 * BUDGET, `${Math.max(...held)} bytes of ${LARGE * LARGE_BYTES}`);
  const { wasmMemoryBytes: after, bytes: { total } } = await index.stats();
  assert.ok(after - before < (LARGE * LARGE_BYTES) / 3, `memory grows by ${after - before} bytes`);
  assert.ok(total < 4 * BUDGET, "what was read for it is given up");
  const copy = await VectorIndex.import(bytes);
  assert.equal(copy.size, COUNT + LARGE);
  assert.deepEqual((await copy.get(`large ${LARGE - 1}`)).payload, large[LARGE - 1].payload);
  await copy.close();
  await index.close();
});

test("an export starts over when the index changes, ends although it changes each time, and ends when the index closes", async () => {
  const store = new MapStore(await storedLarge());
  const index = await VectorIndex.open("own", { store, maxBytes: 3 * BUDGET });
  /** One for each start of the export, and some for the export from memory. */
  const changes = 6;
  const inserted = [];
  store.before = (name) => void (name === "read" && inserted.length < changes && inserted.push(index.insert(vectors[inserted.length])));
  const bytes = await index.export();
  assert.equal(inserted.length, changes);
  await Promise.all(inserted);
  const copy = await VectorIndex.import(bytes);
  assert.equal((await copy.check()).ok, true);
  assert.equal(copy.size, COUNT + LARGE + changes);
  await copy.close();

  let reads = 0;
  let closing;
  store.before = async (name) => {
    if (name !== "read") return;
    reads += 1;
    closing ??= index.close({ timeoutMs: 2000 });
    await pause(500);
  };
  await fails("CLOSED", () => index.export());
  await closing;
  await until(() => store.calls.close === 1, "the store's close");
  assert.ok(reads < 6, `${reads} reads`);
});

test("an export continues in the instance that the index is moved into", async () => {
  const erase = (index) => void (moving = index.compact({ erase: true }));
  // The read ends only once the index is in another instance: the next call to the old one is refused.
  const reload = (index) => (moving = index.reload());
  let moving;
  for (const move of [erase, reload]) {
    const store = new MapStore(await storedLarge());
    const index = await VectorIndex.open("own", { store, maxBytes: 3 * BUDGET });
    assert.equal(await index.delete("large 0"), true);
    await index.flush();
    let reads = 0;
    store.before = (name) => (name === "read" && (reads += 1) === 3 ? move(index) : undefined);
    const copy = await VectorIndex.import(await index.export());
    await moving;
    assert.equal((await copy.check()).ok, true);
    assert.equal(copy.size, COUNT + LARGE - 1);
    assert.equal(index.size, COUNT + LARGE - 1, "it has not failed");
    assert.deepEqual((await copy.get("large 1")).payload, large[1].payload);
    await copy.close();
    await index.close();
  }
});

test("closing ends a call whose read never ends", async () => {
  const store = new MapStore(await stored());
  const index = await VectorIndex.open("own", { store, maxBytes: 3 * BUDGET });
  store.before = (name) => (name === "read" ? new Promise(() => {}) : undefined);
  const reading = fails("STORE_FAILED", () => index.get("r1"));
  await index.close({ timeoutMs: 50 }).catch(() => {});
  await reading;
});

test("searchMany reads for many queries together, and a failed read fails the call", async () => {
  const values = await stored();
  let reads = 0;
  let broken = false;
  const store = new MapStore(values);
  const read = store.read.bind(store);
  store.read = (keys) => {
    if (broken) throw new Error("no more reads");
    reads += keys.some((key) => key.startsWith("b/"));
    return read(keys);
  };
  const index = await VectorIndex.open("own", { store, maxBytes: BUDGET });
  const queries = vectors.slice(0, 200);
  reads = 0;
  const { ids, offsets } = await index.searchMany(queries, { k: 1 });
  assert.deepEqual(ids, rows.slice(0, 200).map(({ id }) => id));
  assert.equal(offsets.length, 201);
  assert.ok(reads <= 20, `${reads} reads for 200 queries`);
  broken = true;
  await fails("STORE_FAILED", async () => {
    for (let from = 0; from < COUNT; from += 100) await index.searchMany(vectors.slice(from, from + 100), { k: 20 });
  });
  broken = false;
  assert.equal((await index.searchMany(queries, { k: 1 })).ids.length, 200);
  await index.close();
});
