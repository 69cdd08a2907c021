// OPFS and Web Locks, in a page: the contract, a commit stopped after each step, and the lock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { contract } from "./contract.mjs";
import { after, bytes, contents, difference, equal, fails, holds } from "./model.mjs";
import { destroyOpfs, openOpfs, takeWebLock } from "./stores.js";

let made = 0;
const place = () => `${performance.timeOrigin}/${made++} é%`;
const origin = () => navigator.storage.getDirectory();
/** The folder of a name without capitals. */
const folderOf = (name) => `thermocline-${encodeURIComponent(name).toLowerCase()}`;

contract("OPFS", { place, open: (name, mode) => openOpfs(name, { mode }) });

/** Returns the origin's root, on which each change counts as a step; those beyond `steps` fail, as after a kill. */
function stopping(steps) {
  const state = { taken: 0, steps };
  const step = (run) => {
    if (state.taken >= state.steps) return Promise.reject(new DOMException("stopped", "AbortError"));
    state.taken += 1;
    return run();
  };
  const folder = (real) => ({
    getDirectoryHandle: async (name, options) => folder(await real.getDirectoryHandle(name, options)),
    getFileHandle: async (name, options) => file(await (options?.create ? step(() => real.getFileHandle(name, options)) : real.getFileHandle(name))),
    removeEntry: (name, options) => step(() => real.removeEntry(name, options)),
    async *entries() {
      for await (const [name, handle] of real.entries()) yield [name, file(handle)];
    },
  });
  const file = (real) => ({
    getFile: () => real.getFile(),
    createWritable: async (options) => {
      const writable = await step(() => real.createWritable(options));
      return { write: (data) => step(() => writable.write(data)), close: () => step(() => writable.close()), abort: () => writable.abort() };
    },
  });
  return { state, root: async () => folder(await origin()) };
}

test("OPFS: a commit that stops after any step has changed everything or nothing", async () => {
  const [a, b, c] = [bytes(1, 100), bytes(2, 200), bytes(3, 300)];
  const before = new Map(Object.entries({ a, b, log: c }));
  const change = { puts: [["a", c], ["c", b]], deletes: ["b", "log"] };
  const outcomes = { nothing: 0, everything: 0 };
  for (let steps = 0, done = false; !done; steps++) {
    const name = place();
    let store = await openOpfs(name);
    await store.commit({ puts: [["a", a], ["b", b]], deletes: [] });
    await store.append("log", c);
    await store.close();

    const { state, root } = stopping(Infinity);
    store = await openOpfs(name, {}, root);
    state.steps = state.taken + steps;
    done = await store.commit(change).then(() => state.taken < state.steps, () => false);
    const reader = await openOpfs(name, { mode: "readonly" });
    const left = await contents(reader);
    const changed = difference(left, before) !== undefined;
    assert.ok(!changed || !difference(left, after(before, change)), `${steps} steps: ${difference(left, after(before, change))}`);
    outcomes[changed ? "everything" : "nothing"] += 1;
    await store.close();

    store = await openOpfs(name);
    await holds(store, left, `${steps} steps, opened again:`);
    await store.commit({ puts: [["d", a]], deletes: [] });
    await store.append("log", b);
    assert.ok(equal((await store.read(["log"]))[0], changed ? b : new Uint8Array([...c, ...b])));
    await store.close();
    let files = 0;
    for await (const entry of (await (await origin()).getDirectoryHandle(folderOf(name))).keys()) files += entry ? 1 : 0;
    assert.equal(files, changed ? 6 : 7, "files: the table, a value each, and what was appended");
  }
  assert.ok(outcomes.nothing > 8 && outcomes.everything > 1, JSON.stringify(outcomes));
});

test("OPFS: after a step that fails, the store continues without the commit, which can be repeated", async () => {
  const [a, b] = [bytes(1, 100), bytes(2, 200)];
  for (let failing = 0; failing < 8; failing++) {
    const name = place();
    const { state, root } = stopping(Infinity);
    const store = await openOpfs(name, {}, root);
    await store.commit({ puts: [["a", a]], deletes: [] });
    state.steps = state.taken + failing;
    const error = await fails("STORE_FAILED", () => store.commit({ puts: [["b", b]], deletes: ["a"] }));
    assert.match(error.message, /stopped/);
    assert.equal(error.cause.name, "AbortError");
    state.steps = Infinity;
    await holds(store, new Map([["a", a]]));
    await store.commit({ puts: [["b", b]], deletes: ["a"] });
    await holds(store, new Map([["b", b]]));
    await store.close();
  }
});

test("OPFS: a table that cannot be decoded is CORRUPT", async () => {
  for (const text of ["{", "[1.5]", '{"a":"1"}', "null"]) {
    const name = place();
    const store = await openOpfs(name);
    await store.commit({ puts: [["a", new Uint8Array(3)]], deletes: [] });
    await store.close();
    const folder = await (await origin()).getDirectoryHandle(folderOf(name));
    const table = (await Array.fromAsync(folder.keys())).find((file) => file.startsWith("table."));
    const writable = await (await folder.getFileHandle(table)).createWritable();
    await writable.write(text);
    await writable.close();
    await fails("CORRUPT", () => openOpfs(name));
    await fails("CORRUPT", () => openOpfs(name));
  }
});

test("OPFS: a table or a value that is being written does not count until it is closed", async () => {
  const name = place();
  const folder = await (await origin()).getDirectoryHandle(folderOf(name), { create: true });
  const writing = async (file, text) => {
    const writable = await (await folder.getFileHandle(file, { create: true })).createWritable();
    await writable.write(text);
    return writable;
  };
  const first = await writing("table.1.dead", '{"a":["dead.1"]}');
  let store = await openOpfs(name);
  await holds(store, new Map());
  await store.commit({ puts: [["a", bytes(1, 5)]], deletes: [] });
  await store.close();
  const second = await writing("table.9.dead", "{}");
  const value = await writing("dead.1", "x");
  store = await openOpfs(name);
  await Promise.allSettled([first, second, value].map((writable) => writable.close()));
  await holds(store, new Map([["a", bytes(1, 5)]]));
  await store.close();
  await holds(await openOpfs(name), new Map([["a", bytes(1, 5)]]));
});

test("OPFS: a reader beside a writer that appends sees every acknowledged append", async () => {
  const name = place();
  const store = await openOpfs(name);
  const all = bytes(1, 100 * 500);
  const reader = await openOpfs(name, { mode: "readonly" });
  let [acknowledged, reads] = [0, 0];
  const reading = (async () => {
    for (; acknowledged < all.length; reads++) {
      const before = acknowledged;
      const [found = new Uint8Array()] = await reader.read(["log"]);
      assert.ok(found.length >= before && equal(found, all.subarray(0, found.length)), `${found.length} bytes of ${before}`);
    }
  })();
  const writing = (async () => {
    for (; acknowledged < all.length; acknowledged += 500) await store.append("log", all.subarray(acknowledged, acknowledged + 500));
  })();
  await Promise.all([reading, writing]);
  assert.ok(reads > 3, `${reads} reads`);
  await store.close();
});

test("OPFS: destroying removes everything, and is LOCKED while there is a writer", async () => {
  const name = place();
  await destroyOpfs(name);
  const store = await openOpfs(name);
  await store.commit({ puts: [["a", bytes(1, 5)]], deletes: [] });
  await fails("LOCKED", () => destroyOpfs(name));
  await holds(store, new Map([["a", bytes(1, 5)]]));
  await store.close();
  await destroyOpfs(name);
  for await (const entry of (await origin()).keys()) assert.ok(entry !== folderOf(name));
  await holds(await openOpfs(name, { mode: "readonly" }), new Map());
});

// The file systems that some browsers keep these folders in do not distinguish capitals.
test("OPFS: names that differ in capitals only have folders that differ in more", async () => {
  const start = place();
  const names = ["Notes", "notes", "%4eotes"].map((name) => `${start} ${name}`);
  const stores = await Promise.all(names.map((name) => openOpfs(name)));
  for (const [i, store] of stores.entries()) await store.commit({ puts: [["a", bytes(i, 5)]], deletes: [] });
  const folders = (await Array.fromAsync((await origin()).keys())).filter((folder) => /otes$/.test(folder));
  assert.equal(new Set(folders.map((folder) => folder.toLowerCase())).size, 3);
  for (const [i, store] of stores.entries()) {
    await holds(store, new Map([["a", bytes(i, 5)]]));
    await store.close();
    await destroyOpfs(names[i]);
  }
});

for (const kind of ["with Web Locks", "without"]) {
  test(`a lock is held until it is given back, ${kind}`, async () => {
    if (kind === "without") Object.defineProperty(navigator, "locks", { value: undefined, configurable: true });
    try {
      const release = await takeWebLock("thermocline:x");
      for (let i = 0; i < 3; i++) assert.match((await fails("LOCKED", () => takeWebLock("thermocline:x"))).message, /thermocline:x/);
      const other = await takeWebLock("thermocline:y");
      await release();
      await (await takeWebLock("thermocline:x"))();
      await fails("LOCKED", () => takeWebLock("thermocline:y"));
      await other();
      const both = await Promise.allSettled([takeWebLock("thermocline:z"), takeWebLock("thermocline:z")]);
      assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    } finally {
      delete navigator.locks;
    }
  });
}
