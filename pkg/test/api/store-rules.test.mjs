// What a store is left with after failures, and what it is told and not told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ThermoclineError, VectorIndex } from "thermocline";
import { fails, flat, rowsOf, until, whole } from "./helpers.mjs";
import { MapStore } from "./places.mjs";

const DIMENSIONS = 64;
const vectors = rowsOf(flat(1500, DIMENSIONS), DIMENSIONS);
const payload = (i) => ({ i, text: "x".repeat(8000) });

/** A store whose commits fail if they contain a manifest, as long as `refuses`. */
class Refusing extends MapStore {
  refuses = false;
  refused = 0;

  commit(batch) {
    if (!this.refuses || !batch.puts.some(([key]) => key.startsWith("m/"))) return super.commit(batch);
    this.refused += 1;
    return Promise.reject(new Error("no manifest"));
  }

  get bytes() {
    return [...this.values.values()].reduce((bytes, { length }) => bytes + length, 0);
  }
}

test("checkpoints that fail leave no more behind than one of them", async () => {
  const store = new Refusing();
  const open = () => VectorIndex.open("own", { dimensions: DIMENSIONS, store, maxBytes: 900_000 });
  let index = await open();
  for (let i = 0; i < 600; i += 20) {
    await index.insertMany(vectors.slice(i, i + 20).map((vector, at) => ({ vector, payload: payload(i + at) })));
  }
  await index.flush();
  const { bytes } = store;
  store.refuses = true;
  for (let i = 0; i < 60; i++) {
    await index.upsert(i, vectors[i], payload(-i));
    // Told, so that the next change may try again.
    await index.flush().catch(() => {});
  }
  assert.ok(store.refused > 10, `${store.refused} checkpoints have failed`);
  assert.ok(store.bytes < 2 * bytes, `${store.bytes} after ${bytes}`);
  await index.close().catch(() => {});
  // Others find what the last attempt has left, and delete it before they write as much.
  store.calls.close = 0;
  index = await open();
  await index.upsert(1, vectors[1], payload(1));
  await index.compact();
  await index.flush().catch(() => {});
  assert.ok(store.bytes < 2 * bytes, `${store.bytes} after ${bytes}`);
  store.refuses = false;
  await index.compact({ erase: true });
  await whole(index, 600);
  assert.ok(store.bytes < 1.2 * bytes, `${store.bytes} after ${bytes}`);
  for (let i = 2; i < 60; i++) assert.equal((await index.get(i)).payload.i, -i);
  await index.close();
});

test("under a budget, the next commit repeats a checkpoint that has failed once, so memory stays within it", async () => {
  const store = new Refusing();
  const maxBytes = 1_200_000;
  const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, store, maxBytes });
  let most = 0;
  for (let i = 0; i < 600; i += 20) {
    store.refuses = i >= 200 && store.refused === 0;
    await index.insertMany(vectors.slice(i, i + 20).map((vector, at) => ({ vector, payload: payload(i + at) })));
    if (!store.refuses) most = Math.max(most, (await index.stats()).bytes.total);
  }
  assert.equal(store.refused, 1);
  assert.ok(most <= maxBytes, `${most} bytes`);
  // Another has succeeded since.
  await index.flush();
  await index.close();
});

test("under a budget, few of many commits repeat a checkpoint that keeps failing", async () => {
  const store = new Refusing();
  const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, store, maxBytes: 700_000 });
  store.refuses = true;
  for (let i = 0; i < 200; i++) await index.insert(vectors[i], payload(i));
  assert.ok(store.refused >= 2 && store.refused <= 12, `${store.refused} attempts`);
  store.refuses = false;
  await fails("STORE_FAILED", () => index.flush(), /no manifest/);
  await index.close();
});

/** While product codes are untrained they take much memory, and training frees it. */
for (const count of [20, 400]) {
  test(`${count} rows for which memory must be freed are one change all the same`, async () => {
    const store = new MapStore();
    const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, quantization: "product", store, maxBytes: 1_200_000 });
    for (let i = 0; i < 1010; i += 101) await index.insertMany(vectors.slice(i, i + 101).map((vector) => ({ vector })));
    await index.flush();
    const states = [];
    store.before = () => void states.push(new Map(store.values));
    const rows = vectors.slice(1010, 1010 + count).map((vector, i) => ({ id: `n${i}`, vector }));
    const call = index.insertMany(rows);
    if (count === 20) {
      // The caller's next calls see all rows.
      assert.equal(await index.has("n19"), true);
      assert.equal(await index.delete("n18"), true);
    }
    await call;
    await index.close();
    states.push(new Map(store.values));
    for (const values of states) {
      const again = await VectorIndex.open("own", { store: new MapStore(values) });
      let there = 0;
      for (const { id } of rows) if (id !== "n18" && (await again.has(id))) there += 1;
      assert.ok(there === 0 || there === count - 1, `${there} of ${count - 1}`);
      await again.close();
    }
  });
}

test("rows for which there is no memory are refused at once: what waits to be linked is not linked for them", async () => {
  const store = new MapStore();
  const filled = await VectorIndex.open("own", { dimensions: DIMENSIONS, store });
  await filled.insertMany({ vectors: flat(3000, DIMENSIONS) });
  await filled.close();
  for (const count of [3, 30]) {
    const index = await VectorIndex.open("own", { store: new MapStore(new Map(store.values)), maxBytes: 500_000 });
    const { pending } = await index.stats();
    assert.ok(pending > 2500, `${pending} wait`);
    await fails("OUT_OF_MEMORY", () => index.insertMany(vectors.slice(0, count).map((vector) => ({ vector }))), /maxBytes/);
    const after = (await index.stats()).pending;
    assert.ok(after > pending - 500, `${after} of ${pending} wait after ${count} rows`);
    await index.close();
  }
});

test("a reader says that the index was replaced by another, and takes no record for lost", async () => {
  const store = new MapStore();
  const fill = async (from, text) => {
    const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, store });
    const rows = vectors.slice(from, from + 500).map((vector, i) => ({ id: `r${i}`, vector, payload: { text: text.repeat(50) } }));
    await index.insertMany(rows);
    await index.compact({ pack: true });
    await index.close();
    store.calls.close = 0;
  };
  await fill(0, "old");
  const reader = await VectorIndex.open("own", { store, mode: "readonly", maxBytes: 200_000 });
  await VectorIndex.destroy("own", { store });
  await fill(500, "new");
  let refused = 0;
  for (let i = 0; i < 500; i += 10) {
    await reader.get(`r${i}`).then(({ payload }) => assert.equal(payload.text, "old".repeat(50)), (error) => {
      assert.equal(error.code, "STORE_FAILED", error.message);
      assert.match(error.message, /written to since/);
      refused += 1;
    });
  }
  assert.ok(refused > 0);
  await whole(reader, 500);
  await reader.reload();
  assert.equal((await reader.get("r0")).payload.text, "new".repeat(50));
  await reader.close();
});

test("the last of several indexes closes a store that they share", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, store });
  await index.insert(vectors[0]);
  const readers = [];
  for (let i = 0; i < 2; i++) readers.push(await VectorIndex.open("own", { store, mode: "readonly" }));
  await readers[0].close();
  assert.equal(store.calls.close, 0);
  await index.insert(vectors[1]);
  await index.close();
  assert.equal(store.calls.close, 0);
  assert.equal(readers[1].size, 1);
  await readers[1].close();
  assert.equal(store.calls.close, 1);
  assert.equal(store.broken, undefined);
});

test("the last of several closes a store that they share, even if it has not come to have an index", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, store });
  await index.insert(vectors[0]);
  let fail;
  const failing = new Promise((_, reject) => (fail = reject));
  failing.catch(() => {});
  store.before = (name) => (name === "list" ? failing : undefined);
  store.calls.list = 0;
  const reader = VectorIndex.open("own", { store, mode: "readonly" });
  await until(() => store.calls.list > 0, "the reader's call");
  await index.close();
  assert.equal(store.calls.close, 0);
  fail(new Error("no list"));
  await fails("STORE_FAILED", () => reader, /no list/);
  assert.equal(store.calls.close, 1);
  // It is as it was before anybody used it: whoever has no index in it leaves it open.
  store.calls.close = 0;
  await fails("STORE_FAILED", () => VectorIndex.open("own", { store, mode: "readonly" }), /no list/);
  assert.equal(store.calls.close, 0);
});

test("a store's own NOT_FOUND does not mean that there is no index", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, store });
  await index.insert(vectors[0]);
  await index.close();
  store.calls.close = 0;
  store.before = (name) => {
    if (name === "read") throw new ThermoclineError("NOT_FOUND", "the bucket is gone");
  };
  await fails("STORE_FAILED", () => VectorIndex.open("own", { store }), /bucket is gone/);
  store.before = () => {};
  await until(async () => (await VectorIndex.open("own", { store }).then((opened) => opened.close().then(() => true))), "the store to be released");
});

test("destroying leaves what is not the index's", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, store });
  await index.insert(vectors[0]);
  await index.close();
  assert.ok([...store.values.keys()].length > 1);
  store.values.set("mine", Uint8Array.of(1));
  await VectorIndex.destroy("own", { store });
  assert.deepEqual([...store.values.keys()], ["mine"]);
});
