// Indexes in a store: opened, changed, closed, and opened again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ThermoclineError, VectorIndex } from "thermocline";
import { fails, filled, flat, pause, rowsOf, until, whole } from "./helpers.mjs";
import { exists, fresh, KINDS, MapStore, NAMES } from "./places.mjs";

const DIMENSIONS = 16;
const vectors = rowsOf(flat(400, DIMENSIONS), DIMENSIONS);
const rows = (from, to) => vectors.slice(from, to).map((vector, i) => ({ id: `r${from + i}`, vector, payload: { n: from + i } }));

/** Returns a function that opens the index of a place, with additional options. */
const opener = (place) => (options) => {
  const [name, at] = place();
  return VectorIndex.open(name, { ...at, ...options });
};

for (const store of NAMES) {
  test(`${store}: an opening that fails leaves nothing behind, and what it finds stays`, async () => {
    const name = fresh();
    const refused = [
      ["NOT_FOUND", {}], ["NOT_FOUND", { mode: "readonly" }], ["INVALID_OPTION", { dimensions: 0 }],
      ["INVALID_OPTION", { dimensions: 4, ef: 0 }],
    ];
    for (const [code, options] of refused) {
      await fails(code, () => VectorIndex.open(name, { store, ...options }));
      assert.equal(await exists(store, name), false, JSON.stringify(options));
    }
    const index = await VectorIndex.open(name, { store, dimensions: 4 });
    await index.insert([1, 2, 3, 4]);
    await index.close();
    await fails("INVALID_OPTION", () => VectorIndex.open(name, { store, dimensions: 4, ef: 0 }));
    await fails("DIMENSION_MISMATCH", () => VectorIndex.open(name, { store, dimensions: 5 }));
    const again = await VectorIndex.open(name, { store });
    assert.equal(again.size, 1);
    await again.close();
    await VectorIndex.destroy(name, { store });
    assert.equal(await exists(store, name), false);
  });
}

for (const { label, place } of KINDS) {
  test(`${label}: every change is there after opening again`, async () => {
    const open = opener(place());
    let index = await open({ dimensions: DIMENSIONS, metric: "l2", quantization: "none" });
    assert.equal(await index.insert(vectors[0], "first"), 0);
    assert.equal(await index.insertWithId("a", vectors[1], new Uint8Array([1, 2])), "a");
    assert.equal(await index.upsert("a", vectors[2], { again: true }), "a");
    assert.deepEqual(await index.insertMany(rows(10, 200)), rows(10, 200).map(({ id }) => id));
    assert.equal(await index.delete("r10"), true);
    assert.equal(await index.delete("r10"), false);
    assert.equal(await index.deleteMany(["r11", "r12", "absent"]), 2);
    await index.flush();
    const before = await index.search(vectors[20], { k: 20, ef: 300 });
    await index.close();
    await fails("CLOSED", () => index.size);

    index = await open();
    await whole(index, 189);
    assert.deepEqual([index.dimensions, index.metric], [DIMENSIONS, "l2"]);
    assert.deepEqual(await index.search(vectors[20], { k: 20, ef: 300 }), before);
    assert.deepEqual([(await index.get(0)).payload, (await index.get("a")).payload, await index.has("r12")], ["first", { again: true }, false]);
    assert.equal(await index.insert(vectors[3]), 1);
    await index.clear();
    await index.insertWithId("last", vectors[4]);
    await index.close();

    index = await open({ dimensions: DIMENSIONS });
    await whole(index, 1);
    assert.equal(await index.insert(vectors[5]), 2, "numbers given out before are not given out again");
    await index.close();
  });

  test(`${label}: a compacted index is there after opening again`, async () => {
    const open = opener(place());
    let index = await open({ dimensions: DIMENSIONS });
    await index.insertMany(rows(0, 400));
    await index.deleteMany(rows(0, 200).map(({ id }) => id));
    const report = await index.compact();
    assert.equal(report.tombstonesRemoved, 200);
    await index.insertMany(rows(0, 20));
    await index.close();
    index = await open();
    await whole(index, 220);
    assert.deepEqual((await index.search(vectors[300], { k: 1 }))[0].payload, { n: 300 });
    await index.close();
  });

  test(`${label}: a missing index is NOT_FOUND without dimensions or to a reader`, async () => {
    const open = opener(place());
    for (const options of [undefined, { metric: "l2" }, { mode: "readonly" }, { mode: "readonly", dimensions: 4 }]) await fails("NOT_FOUND", () => open(options));
    const index = await open({ dimensions: DIMENSIONS });
    await index.close();
    await (await open({ mode: "readonly" })).close();
  });

  test(`${label}: options that contradict the stored index are refused, and the place is free afterwards`, async () => {
    const open = opener(place());
    await (await open({ dimensions: DIMENSIONS, metric: "dot" })).close();
    await fails("DIMENSION_MISMATCH", () => open({ dimensions: 8 }));
    await fails("INVALID_OPTION", () => open({ metric: "cosine" }), /metric/);
    await fails("INVALID_OPTION", () => open({ quantization: "none" }), /quantization/);
    await fails("INVALID_OPTION", () => open({ ef: 0 }));
    const index = await open({ dimensions: DIMENSIONS, metric: "dot", quantization: "int8", compactionThreshold: 0.5 });
    assert.ok(Math.abs(index.compactionThreshold - 0.5) < 1e-6);
    await index.close();
    const again = await open();
    assert.ok(Math.abs(again.compactionThreshold - 0.5) < 1e-6, "what is left out keeps the value that it had last");
    await again.close();
  });

  test(`${label}: a reader beside the writer sees what was stored, and every change is READ_ONLY`, async () => {
    const open = opener(place());
    const writer = await open({ dimensions: DIMENSIONS });
    await writer.insertMany(rows(0, 30));
    const reader = await open({ mode: "readonly" });
    await whole(reader, 30);
    const [vector] = vectors;
    const changes = [
      () => reader.insert(vector), () => reader.insertWithId("x", vector), () => reader.upsert("r0", vector), () => reader.insertMany([{ vector }]),
      () => reader.delete("r0"), () => reader.deleteMany(["r0"]), () => reader.clear(), () => reader.compact(),
    ];
    for (const change of changes) await fails("READ_ONLY", change);
    await whole(reader, 30);
    await writer.insertMany(rows(30, 40));
    assert.equal(reader.size, 30);
    await reader.flush();
    await reader.close();
    await writer.close();
    const later = await open({ mode: "readonly" });
    await whole(later, 40);
    await later.close();
  });

  test(`${label}: destroying removes the index, and does nothing if there is none`, async () => {
    const at = place();
    const destroy = () => VectorIndex.destroy(...at());
    await destroy();
    const open = opener(at);
    const index = await open({ dimensions: DIMENSIONS });
    await index.insertMany(rows(0, 30));
    await index.close();
    await destroy();
    await fails("NOT_FOUND", () => open());
    const anew = await open({ dimensions: 3 });
    assert.equal(anew.size, 0);
    await anew.close();
    await destroy();
    await destroy();
  });

  test(`${label}: an import into a place is stored, and only an empty place accepts one`, async () => {
    const { index: source } = await filled(50);
    const bytes = await source.export();
    const at = place();
    const importInto = (options) => {
      const [name, store] = at();
      return VectorIndex.import(bytes, { name, ...store, ...options });
    };
    for (const options of [{ metric: "l2" }, { dimensions: 8 }]) await assert.rejects(importInto(options));
    await fails("INVALID_OPTION", () => importInto({ mode: "readonly" }), /mode/);
    const index = await importInto();
    assert.equal((await index.search(vectors[0], { k: 1 })).length, 1);
    const seen = await opener(at)({ mode: "readonly" });
    await whole(seen, 50);
    await seen.close();
    await index.insertMany([{ id: "more", vector: vectors[0] }]);
    await index.close();
    await fails("INVALID_OPTION", () => importInto());
    const again = await opener(at)();
    await whole(again, 51);
    assert.deepEqual((await again.get("r7")).payload, { n: 7 });
    await again.close();
  });

  test(`${label}: an opening aborted before or while it runs leaves the place free`, async () => {
    const at = place();
    const open = opener(at);
    await fails("ABORTED", () => open({ dimensions: DIMENSIONS, signal: AbortSignal.abort() }));
    for (const turns of [0, 1, 2, 5, 10, 30]) {
      const controller = new AbortController();
      const opening = open({ dimensions: DIMENSIONS, signal: controller.signal }).then(async (index) => {
        await index.close();
        return "opened";
      }, ({ code }) => code);
      for (let i = 0; i < turns; i++) await (turns < 10 ? null : pause());
      controller.abort();
      assert.ok(["ABORTED", "opened"].includes(await opening));
    }
    const index = await open({ dimensions: DIMENSIONS, signal: new AbortController().signal });
    await index.close();
  });
}

test("a Store that hangs while it is opened: an abort is heard, and the place is free once it answers", async () => {
  const full = new MapStore();
  const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, store: full });
  await index.insertMany(rows(0, 20));
  await index.close();
  for (const [hanging, values] of [["list", full.values], ["read", full.values], ["commit", new Map()]]) {
    const store = new MapStore(values);
    let answer;
    store.before = (name) => (name === hanging && !answer ? new Promise((resolve) => (answer = resolve)) : undefined);
    const controller = new AbortController();
    const opening = VectorIndex.open("own", { dimensions: DIMENSIONS, store, signal: controller.signal });
    opening.catch(() => {});
    for (let i = 0; i < 200 && !answer; i++) await pause(5);
    assert.ok(answer, hanging);
    controller.abort();
    await fails("ABORTED", () => opening);
    const open = () => VectorIndex.open("own", { dimensions: DIMENSIONS, store });
    await fails("LOCKED", open);
    answer();
    let again;
    await until(async () => (again = await open().catch(({ code }) => assert.equal(code, "LOCKED"))), "the place");
    await again.close();
    assert.deepEqual([store.calls.close, store.broken], [1, undefined]);
  }
});

for (const store of NAMES) {
  test(`${store}: a second writer is LOCKED, until the first has closed`, async () => {
    const name = fresh();
    const index = await VectorIndex.open(name, { dimensions: 2, store });
    await fails("LOCKED", () => VectorIndex.open(name, { store }));
    await fails("LOCKED", () => VectorIndex.destroy(name, { store }));
    await fails("LOCKED", async () => VectorIndex.import(await index.export(), { name, store }));
    await index.insert([1, 2]);
    await index.close();
    const next = await VectorIndex.open(name, { store });
    assert.equal(next.size, 1);
    await next.close();
  });

  test(`${store}: different names are different indexes`, async () => {
    const [a, b] = [fresh(), fresh()];
    const indexes = await Promise.all([a, b].map((name, i) => VectorIndex.open(name, { dimensions: i + 2, store })));
    assert.deepEqual(indexes.map(({ dimensions }) => dimensions), [2, 3]);
    for (const index of indexes) await index.close();
  });
}

test("an opening or import that is aborted with an error of this package as the reason is ABORTED by that reason", async () => {
  const { index: filledIndex } = await filled(5);
  const bytes = await filledIndex.export();
  const makers = [(options) => VectorIndex.open("own", { dimensions: DIMENSIONS, ...options }), (options) => VectorIndex.import(bytes, { name: "own", ...options })];
  // The second looks like one of another realm.
  for (const reason of [new ThermoclineError("LOCKED", "a sibling was locked"), Object.assign(new Error("full"), { name: "ThermoclineError", code: "QUOTA_EXCEEDED" })]) {
    for (const make of makers) {
      const controller = new AbortController();
      const making = make({ store: new MapStore(), signal: controller.signal });
      controller.abort(reason);
      assert.equal((await fails("ABORTED", () => making)).cause, reason);
    }
  }
});

test("opening an index that does not exist names it, and says how to create it", async () => {
  const open = (options) => VectorIndex.open("nobody's", { store: new MapStore(), ...options });
  await fails("NOT_FOUND", () => open(), /no index nobody's; pass dimensions to create it$/);
  await fails("NOT_FOUND", () => open({ mode: "readonly", dimensions: 3 }), /no index nobody's$/);
});

test("the default store", async () => {
  const name = fresh();
  await (await VectorIndex.open(name, { dimensions: 2 })).close();
  await (await VectorIndex.open(name, { store: NAMES[0] })).close();
  await VectorIndex.destroy(name);
  await fails("NOT_FOUND", () => VectorIndex.open(name, { store: NAMES[0] }));
});

test("strict durability, where the platform can wait for the medium", async () => {
  const name = fresh();
  const index = await VectorIndex.open(name, { dimensions: 2, durability: "strict" });
  await index.insert([1, 2]);
  await index.close();
  const again = await VectorIndex.open(name);
  assert.equal(again.size, 1);
  await again.close();
  if (NAMES.includes("opfs")) await fails("INVALID_OPTION", () => VectorIndex.open(fresh(), { dimensions: 2, store: "opfs", durability: "strict" }), /medium/);
});

test("invalid names, stores and options", async () => {
  const calls = [];
  for (const name of ["", undefined, null, 5, {}, "\ud800"]) calls.push(() => VectorIndex.open(name, { dimensions: 2 }), () => VectorIndex.destroy(name));
  const { index } = await filled(3);
  const bytes = await index.export();
  for (const name of ["", null, 5, {}]) calls.push(() => VectorIndex.import(bytes, { name }));
  const absent = ["fs", "indexeddb", "opfs"].filter((store) => !NAMES.includes(store));
  const method = () => {};
  const stores = [
    ...absent, "memory", 5, null, {}, { read: method }, { read: method, commit: method, list: method }, { read: method, commit: method, list: method, close: 5 },
    { read: method, commit: method, list: method, close: method, append: "yes" },
  ];
  const name = fresh();
  for (const store of stores) {
    calls.push(() => VectorIndex.open(name, { dimensions: 2, store }), () => VectorIndex.destroy(name, { store }), () => VectorIndex.import(bytes, { name, store }));
  }
  for (const options of [{ durability: "safe" }, { durability: true }, { mode: "write" }, { mode: null }, { signal: 5 }]) {
    calls.push(() => VectorIndex.open(name, { dimensions: 2, ...options }));
  }
  for (const options of [null, 5]) calls.push(() => VectorIndex.open(name, options), () => VectorIndex.destroy(name, options));
  for (const call of calls) await fails("INVALID_OPTION", call);
  for (const store of absent) await fails("INVALID_OPTION", () => VectorIndex.open(name, { dimensions: 2, store }), new RegExp(NAMES[0]));
  await fails("NOT_FOUND", () => VectorIndex.open(name, { mode: "readonly" }));
});

test("options are read when the call is made, whatever the caller does to them afterwards", async () => {
  const store = new MapStore();
  const options = { store, dimensions: 2, ef: 20 };
  const opening = VectorIndex.open("own", options);
  Object.assign(options, { store: 5, dimensions: 3, mode: "readonly" });
  const index = await opening;
  assert.equal(index.dimensions, 2);
  await index.insert([1, 2]);
  await index.close();
  assert.ok(store.values.size > 0);
});

test("a store object that is open for writing is LOCKED, and free after an opening that failed", async () => {
  const store = new MapStore();
  await fails("NOT_FOUND", () => VectorIndex.open("own", { store }));
  await (await VectorIndex.open("own", { store, dimensions: 2 })).close();
  const values = new Map();
  const first = new MapStore(values);
  const index = await VectorIndex.open("own", { store: first, dimensions: 2 });
  await fails("LOCKED", () => VectorIndex.open("own", { store: first }));
  await fails("LOCKED", () => VectorIndex.destroy("own", { store: first }));
  await index.close();
  assert.deepEqual([first.calls.close, first.broken], [1, undefined]);
});

// A program may try to open an index, and create one if there is none. If the failed opening or `destroy` closed the
// store, the next opening of a store that really closes would be STORE_FAILED.
test("a store object stays open after any call that returns no index, and is closed with the index", async () => {
  const store = new MapStore();
  await fails("NOT_FOUND", () => VectorIndex.open("own", { store }));
  await fails("NOT_FOUND", () => VectorIndex.open("own", { store, mode: "readonly" }));
  await fails("INVALID_OPTION", () => VectorIndex.open("own", { store, dimensions: DIMENSIONS, m: 3 }));
  const controller = new AbortController();
  store.before = () => controller.abort();
  await fails("ABORTED", () => VectorIndex.open("own", { store, dimensions: DIMENSIONS, signal: controller.signal }));
  store.before = () => {};
  await VectorIndex.destroy("own", { store });
  assert.deepEqual([store.calls.close, store.broken], [0, undefined]);
  const index = await VectorIndex.open("own", { store, dimensions: DIMENSIONS });
  await index.insertMany(rows(0, 20));
  const bytes = await index.export();
  await index.close();
  assert.deepEqual([store.calls.close, store.broken], [1, undefined]);

  const next = new MapStore(store.values);
  await fails("DIMENSION_MISMATCH", () => VectorIndex.open("own", { store: next, dimensions: DIMENSIONS + 1 }));
  await fails("INVALID_OPTION", () => VectorIndex.import(bytes, { name: "own", store: next }));
  next.before = (name) => { if (name === "read") throw new Error("not now"); };
  await fails("STORE_FAILED", () => VectorIndex.open("own", { store: next }));
  next.before = () => {};
  const reader = await VectorIndex.open("own", { store: next, mode: "readonly" });
  await whole(reader, 20);
  await reader.close();
  assert.deepEqual([next.calls.close, next.broken], [1, undefined]);
});

test("an index in memory can be flushed and closed, and refuses the options of stores", async () => {
  const { index } = await filled(3);
  await index.flush();
  await whole(index, 3);
  await index.close();
  for (const option of [{ store: new MapStore() }, { durability: "strict" }, { mode: "readonly" }, { name: "x" }]) {
    await fails("INVALID_OPTION", () => VectorIndex.memory({ dimensions: 2, ...option }), /in memory/);
  }
});
