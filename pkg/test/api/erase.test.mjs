// After compact({ erase: true }) no byte of a deleted record is left: the tests search the whole memory of every
// instance so far, and every value of the store.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, random, rowsOf, whole } from "./helpers.mjs";
import { KINDS, MapStore } from "./places.mjs";

const DIMENSIONS = 40;
const vectors = rowsOf(flat(400, DIMENSIONS), DIMENSIONS);
const encoder = new TextEncoder();

/** The memories of all instances created from here on. */
const memories = new Set();
const { instantiate, Instance } = WebAssembly;
const noted = (instance) => {
  for (const value of Object.values(instance.exports)) if (value instanceof WebAssembly.Memory) memories.add(value);
  return instance;
};
WebAssembly.instantiate = async (...given) => {
  const made = await instantiate(...given);
  noted(made.instance ?? made);
  return made;
};
WebAssembly.Instance = new Proxy(Instance, { construct: (target, given) => noted(Reflect.construct(target, given)) });

/** Returns whether `bytes` contains `needle`. It looks for a nonzero byte first, since most of a memory is 0. */
function has(bytes, needle) {
  const anchor = needle.findIndex((byte) => byte !== 0);
  for (let at = bytes.indexOf(needle[anchor], anchor); at >= 0; at = bytes.indexOf(needle[anchor], at + 1)) {
    let same = 0;
    while (same < needle.length && bytes[at - anchor + same] === needle[same]) same += 1;
    if (same === needle.length) return true;
  }
  return false;
}

const bytesOf = (typed) => new Uint8Array(typed.buffer.slice(typed.byteOffset, typed.byteOffset + typed.byteLength));

/** Returns the traces of a record that must not be found, by name. */
async function traces({ id, vector, payload }, options) {
  // Its code in an index that contains only this record: the second section of an export.
  const alone = await VectorIndex.memory({ dimensions: DIMENSIONS, ...options });
  await alone.insert(vector);
  const code = (await alone.export()).slice(576);
  await alone.close();
  const number = typeof id === "number" ? new Uint8Array(new BigUint64Array([BigInt(id)]).buffer) : encoder.encode(id);
  // Vectors around one centre share few components, but halves of their codes may be equal, so the trace is the first
  // twenty bytes.
  return { vector: bytesOf(vector.subarray(0, 6)), payload: encoder.encode(payload.secret), id: number, code: code.slice(0, 20) };
}

/** Returns the names of the traces found in any of these arrays. */
const found = (all, arrays) => all.flatMap((one) => Object.entries(one).filter(([, needle]) => arrays.some((bytes) => has(bytes, needle))).map(([name]) => name));
const inMemory = () => [...memories].map(({ buffer }) => new Uint8Array(buffer));

const next = random(77);
const word = () => Array.from({ length: 24 }, () => "abcdefghijklmnopqrstuvwxyz"[Math.floor(next() * 26)]).join("");

/** Makes a record that shares no data with any other. */
const secret = (i) => ({
  id: i % 2 ? `id ${word()}` : 2 ** 52 + Math.floor(next() * 2 ** 51),
  vector: Float32Array.from({ length: DIMENSIONS }, () => next() - 0.5),
  payload: { secret: word() },
});

for (const quantization of ["int8", "none"]) {
  test(`in memory, ${quantization}: nothing of a deleted or a replaced record is left`, async () => {
    memories.clear();
    const options = { quantization, metric: "l2" };
    const secrets = Array.from({ length: 9 }, (_, i) => secret(i));
    const all = await Promise.all(secrets.map((row) => traces(row, options)));
    for (const memory of memories) new Uint8Array(memory.buffer).fill(0);
    const { index } = await filled(300, { dimensions: DIMENSIONS, ...options });
    await index.insertMany(secrets);
    for (const { id, vector } of secrets) assert.equal((await index.search(vector, { k: 1 }))[0].id, id);
    const [replaced, ...deleted] = secrets;
    await index.upsert(replaced.id, vectors[399], { now: 1 });
    await index.deleteMany(deleted.map(({ id }) => id));
    assert.ok(found(all, inMemory()).length > 20, "before, they are");
    const report = await index.compact({ erase: true });
    assert.deepEqual([report.tombstonesRemoved, report.newSize], [9, 301]);
    // The id that was reused is not a trace.
    delete all[0].id;
    assert.deepEqual(found(all, inMemory()), []);
    await whole(index, 301);
    assert.deepEqual((await index.get(replaced.id)).payload, { now: 1 });
    await index.insert(vectors[1]);
    // And again, with nothing to do.
    const again = await index.compact({ erase: true });
    assert.deepEqual([again.tombstonesRemoved, again.newSize], [0, 302]);
    await whole(index, 302);
    await index.close();
  });
}

test("a record deleted while a compaction runs is erased by a call made after that", async () => {
  memories.clear();
  const one = secret(1);
  const all = [await traces(one, {})];
  for (const memory of memories) new Uint8Array(memory.buffer).fill(0);
  const { index } = await filled(400, { dimensions: DIMENSIONS });
  await index.insertMany([one]);
  await index.deleteMany(Array.from({ length: 200 }, (_, i) => `r${i}`));
  const first = index.compact({ sliceMs: 0.1 });
  await index.delete(one.id);
  const [, report] = await Promise.all([first, index.compact({ erase: true })]);
  assert.equal(report.tombstonesRemoved, 1);
  assert.deepEqual(found(all, inMemory()), []);
  await whole(index, 200);
  await index.close();
});

/** Returns every value of a place. */
async function valuesOf([name, { store }]) {
  if (store === "fs") {
    const { readdir, readFile } = await import("node:fs/promises");
    return Promise.all((await readdir(name)).map(async (file) => [file, new Uint8Array(await readFile(`${name}/${file}`))]));
  }
  if (typeof store === "object") return [...store.values];
  if (store === "opfs") {
    const all = [];
    const walk = async (folder) => {
      for await (const [at, handle] of folder.entries()) {
        if (handle.kind === "directory") await walk(handle);
        else all.push([at, new Uint8Array(await (await handle.getFile()).arrayBuffer())]);
      }
    };
    await walk(await navigator.storage.getDirectory());
    return all;
  }
  const all = [];
  const settled = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: () => reject(request.error) }));
  for (const { name: database } of await indexedDB.databases()) {
    const open = await settled(indexedDB.open(database));
    for (const table of open.objectStoreNames) {
      const objects = open.transaction(table).objectStore(table);
      const [keys, values] = await Promise.all([settled(objects.getAllKeys()), settled(objects.getAll())]);
      values.forEach((value, i) => all.push([String(keys[i]), new Uint8Array(value.buffer ?? value)]));
    }
    open.close();
  }
  return all;
}

for (const { label, place } of KINDS) {
  test(`${label}: nothing of a deleted record is left in the store, nor in memory`, async () => {
    memories.clear();
    const secrets = Array.from({ length: 12 }, (_, i) => secret(i));
    const all = await Promise.all(secrets.map((row) => traces(row, {})));
    for (const memory of memories) new Uint8Array(memory.buffer).fill(0);
    const at = place();
    const open = (options) => {
      const [name, own] = at();
      return VectorIndex.open(name, { ...own, ...options });
    };
    const values = async () => {
      const given = at();
      return valuesOf(given);
    };
    let index = await open({ dimensions: DIMENSIONS, maxBytes: 900_000 });
    const rows = (from, to) => vectors.slice(from, to).map((vector, i) => ({ id: `r${from + i}`, vector, payload: { n: from + i } }));
    // Half of the secrets are in blocks of a checkpoint, among other records, and half in the log.
    await index.insertMany([...rows(0, 100), ...secrets.slice(0, 6), ...rows(100, 200)]);
    await index.reload();
    await index.insertMany([...secrets.slice(6), ...rows(200, 300)]);
    for (const { id, vector } of secrets) assert.equal((await index.search(vector, { k: 1 }))[0].id, id);
    await index.deleteMany(secrets.slice(0, 3).map(({ id }) => id));
    await index.compact();
    await index.deleteMany(secrets.slice(3).map(({ id }) => id));
    // The ids and codes of the nine deleted last, at least: vectors and payloads may be in packed blocks.
    assert.ok(found(all, (await values()).map(([, bytes]) => bytes)).length >= 18, "before, the store has them");
    const report = await index.compact({ erase: true });
    assert.equal(report.newSize, 300);
    const left = await values();
    for (const [name, bytes] of left) assert.deepEqual(found(all, [bytes]), [], name);
    assert.deepEqual(found(all, left.map(([name]) => encoder.encode(name))), []);
    assert.deepEqual(found(all, inMemory()), [], "memory");
    await whole(index, 300);
    assert.deepEqual((await index.get("r250")).payload, { n: 250 });
    await index.insertWithId("after", vectors[399], { n: "after" });
    await index.close();

    index = await open();
    await whole(index, 301);
    assert.deepEqual([(await index.get("after")).payload, (await index.get("r7")).payload], [{ n: "after" }, { n: 7 }]);
    await index.close();
  });
}

test("an erasing compaction rejects if the store refuses it, and can be repeated", async () => {
  const values = new Map();
  const store = new MapStore(values);
  const index = await VectorIndex.open("own", { dimensions: DIMENSIONS, store });
  await index.insertMany(vectors.slice(0, 100).map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i } })));
  await index.reload();
  await index.deleteMany(Array.from({ length: 50 }, (_, i) => `r${i}`));
  store.before = (name) => {
    if (name === "commit") throw new Error("no more room");
  };
  await fails("STORE_FAILED", () => index.compact({ erase: true }), /no more room/);
  await whole(index, 50);
  store.before = () => {};
  assert.equal((await index.compact({ erase: true })).newSize, 50);
  assert.ok(![...values.values()].some((bytes) => has(bytes, encoder.encode('{"n":7}'))));
  await whole(index, 50);
  await index.close();
  await fails("CLOSED", () => index.compact({ erase: true }));
});

test("erase waits for the memory of an instance that was left before", async () => {
  memories.clear();
  const index = await VectorIndex.memory({ dimensions: DIMENSIONS });
  // All secrets begin alike, so that one search of the large memory finds any of them.
  const secret = word();
  const left = () => found([{ secret: encoder.encode(secret) }], inMemory());
  for (let i = 0; i < 600; i++) {
    const payload = new Uint8Array(60_000);
    payload.set(encoder.encode(`${secret} ${i}`));
    await index.insertWithId(i, vectors[i % vectors.length], payload);
  }
  assert.deepEqual(left(), ["secret"], "before, they are");
  await index.deleteMany(Array.from({ length: 600 }, (_, i) => i));
  // Its memory is still being overwritten after this resolves.
  await index.reload();
  await index.compact({ erase: true });
  assert.deepEqual(left(), []);
  await index.close();
});
