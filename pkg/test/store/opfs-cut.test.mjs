// OPFS where closing a file is not atomic: pages die, or changes fail, with a part of the bytes in the file. And what
// follows from writing no file twice: pieces, which are joined when there are many.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LateFolder } from "./late.mjs";
import { after, bytes, contents, difference, equal, holds, isBeforeOrAfter, joined, take } from "./model.mjs";
import { diesOver, open, openOpfs, staysSo } from "./opfs-pages.mjs";

const [a, b, c] = [bytes(1, 100), bytes(2, 200), bytes(3, 300)];

/** What a close that is cut off leaves of a file of `old` bytes which was to have `all`. */
const CUTS = {
  "nothing": () => 0,
  "part of the old bytes": (old) => old >> 1,
  "the old bytes": (old) => old,
  "part of the new bytes": (old, all) => old + ((all - old) >> 1),
  "everything": (old, all) => all,
};

/** So many appends that the pieces are joined, except for a large one; then commits between appends. */
const STEPS = [
  { append: "other", bytes: a },
  { append: "other", bytes: b },
  ...Array.from({ length: 34 }, (_, i) => ({ append: "log", bytes: bytes(i, i === 10 ? 70_000 : 300) })),
  { puts: [["a", a], ["b", b]], deletes: [] },
  { append: "a", bytes: c },
  { append: "log", bytes: b },
  { puts: [["a", c]], deletes: ["log"] },
  { append: "log", bytes: b },
];

/** Takes the steps on a page. Returns the values that were acknowledged, and the step over which it died. */
async function takenBefore(page) {
  let values = new Map();
  const store = await Promise.race([open(page), page.died]);
  for (const step of STEPS) {
    const done = store && (await Promise.race([take(store, step).then(() => true), page.died]));
    if (!done) return { values, over: step };
    values = after(values, step);
  }
  return { values, over: undefined };
}

for (const [what, cut] of Object.entries(CUTS)) {
  test(`a page that dies at any change, of a close ${what} is in the file, loses nothing that was acknowledged`, async () => {
    let deaths = 0;
    for (let count = 0, isOver = false; !isOver; count++) {
      const folder = new LateFolder();
      const page = folder.page();
      let isClose = false;
      page.cut = cut;
      page.diesAt = (kind, _, asked) => {
        if (asked !== count) return false;
        isClose = kind === "close";
        return isClose || cut === CUTS.nothing;
      };
      const { values, over } = await takenBefore(page);
      isOver = !over && !page.dead && page.asked <= count;
      if (!page.dead) continue;
      deaths += 1;
      const next = await open(folder.page());
      const found = await contents(next);
      const wrong = over ? !isBeforeOrAfter(found, values, over) : difference(found, values);
      assert.ok(!wrong, `change ${count}${isClose ? ", a close" : ""}: ${difference(found, values)}`);
      await next.append("log", c);
      await (await staysSo(folder, next, after(found, { append: "log", bytes: c }))).close();
    }
    assert.ok(deaths > 50, `${deaths} deaths`);
  });

  test(`a change that fails, of a close ${what} is in the file, loses nothing that was acknowledged`, async () => {
    let failures = 0;
    for (let count = 0, isOver = false; !isOver; count++) {
      const folder = new LateFolder();
      const page = folder.page();
      let values = new Map();
      const store = await open(page);
      const first = page.asked;
      page.cut = cut;
      page.failsAt = (kind, _, asked) => asked === first + count && (kind === "close" || cut === CUTS.nothing);
      for (const step of STEPS) {
        const error = await take(store, step).then(() => undefined, (error) => error);
        if (!error) {
          values = after(values, step);
          continue;
        }
        failures += 1;
        const found = await contents(store);
        assert.ok(error.code === "STORE_FAILED" && isBeforeOrAfter(found, values, step), `change ${count}: ${difference(found, values)}`);
        values = found;
      }
      isOver = page.asked <= first + count;
      await staysSo(folder, store, values);
    }
    assert.ok(failures > 50, `${failures} failures`);
  });
}

test("the number of files is bounded, however many small appends there are", async () => {
  for (const length of [1, 2000]) {
    const folder = new LateFolder();
    let store = await open(folder.page());
    for (let i = 1; i <= 400; i++) {
      await store.append("log", bytes(i, length));
      assert.ok(folder.files.size <= 36 + (i * length) / 65_536, `${folder.files.size} files after ${i} appends`);
      if (i % 7 === 0) store = await open(folder.page());
    }
    await holds(store, new Map([["log", joined(...Array.from({ length: 400 }, (_, i) => bytes(i + 1, length)))]]));
  }
});

/** A handle as a list of files has it: whether the file is there turns out when it is used. */
function handleOf(folder, name) {
  return { getFile: async () => (await folder.getFileHandle(name)).getFile() };
}

test("a reader that looks while pieces are joined sees every acknowledged append", async () => {
  const folder = new LateFolder();
  const store = await open(folder.page());
  /** A folder whose names are listed one by one while it changes. */
  const root = async () => {
    const real = await (await folder.page().root()).getDirectoryHandle();
    async function* entries() {
      for (const name of [...folder.files.keys()].reverse()) {
        await new Promise((resolve) => setImmediate(resolve));
        if (folder.files.has(name)) yield [name, handleOf(real, name)];
      }
    }
    return { getDirectoryHandle: async () => ({ ...real, entries }) };
  };
  const reader = await openOpfs("reader", { mode: "readonly" }, root);
  let [acknowledged, isOver, reads] = [0, false, 0];
  const reading = (async () => {
    for (; !isOver; reads++) {
      const before = acknowledged;
      const [found = new Uint8Array()] = await reader.read(["log"]);
      assert.ok(found.length >= before, `${found.length} bytes, ${before} were acknowledged`);
      assert.ok(found.every((byte, i) => byte === (i & 255)));
    }
  })();
  const writing = (async () => {
    for (; acknowledged < 400; acknowledged++) await store.append("log", Uint8Array.of(acknowledged));
  })();
  await Promise.race([writing, reading]);
  isOver = true;
  await reading;
  assert.ok(reads > 5, `${reads} reads`);
});

// Each read of a reader used to list the whole folder, which takes longer than reading a value.
test("a reader lists the folder again only when a writer has stored another table, and misses nothing", async () => {
  const folder = new LateFolder();
  const store = await open(folder.page());
  await store.commit({ puts: [["a", a], ["b", b]], deletes: [] });
  let listed = 0;
  const real = await (await folder.page().root()).getDirectoryHandle();
  const entries = () => ((listed += 1), real.entries());
  const reader = await openOpfs("reader", { mode: "readonly" }, async () => ({ getDirectoryHandle: async () => ({ ...real, entries }) }));
  const values = new Map([["a", a], ["b", b]]);
  for (let round = 0; round < 3; round++) await holds(reader, values);
  assert.equal(listed, 1);
  for (const more of [c, b]) {
    await store.append("a", more);
    values.set("a", joined(values.get("a"), more));
    const both = await Promise.all([reader.read(["a", "b"]), reader.read(["a", "a"])]);
    for (const [found] of both) assert.ok(equal(found, values.get("a")));
    await holds(reader, values);
  }
  assert.equal(listed, 1);
  await store.commit({ puts: [["c", c]], deletes: ["b"] });
  values.set("c", c).delete("b");
  for (let round = 0; round < 3; round++) await holds(reader, values);
  assert.equal(listed, 2);
  await store.close();
  const next = await open(folder.page());
  await next.append("c", a);
  values.set("c", joined(c, a));
  await holds(reader, values);
  assert.equal(listed, 3);
});

test("a reader that has read a piece before it was written reads it again", async () => {
  const folder = new LateFolder();
  const page = folder.page();
  const store = await open(page);
  await store.append("log", a);
  const reader = await open(folder.page(), "readonly");
  await holds(reader, new Map([["log", a]]));
  // The file is there, and its bytes are not.
  await diesOver(page, /\.2$/, () => store.append("log", b));
  await holds(reader, new Map([["log", a]]));
  folder.land();
  await holds(reader, new Map([["log", joined(a, b)]]));
});

// The reader had looked for the table before, and took the piece for one that was never written.
test("a reader that looks for a piece which is joined meanwhile does not miss it", async () => {
  const folder = new LateFolder();
  const store = await open(folder.page());
  const appended = Array.from({ length: 33 }, (_, i) => bytes(i, 100));
  for (const bytes of appended.slice(0, 31)) await store.append("log", bytes);
  const real = await (await folder.page().root()).getDirectoryHandle();
  let join;
  const getFileHandle = async (name, options) => {
    if (name.endsWith(".32")) await join?.();
    return real.getFileHandle(name, options);
  };
  const reader = await openOpfs("reader", { mode: "readonly" }, async () => ({ getDirectoryHandle: async () => ({ ...real, getFileHandle }) }));
  await holds(reader, new Map([["log", joined(...appended.slice(0, 31))]]));
  await store.append("log", appended[31]);
  join = async () => {
    join = undefined;
    await store.append("log", appended[32]);
  };
  const [found] = await reader.read(["log"]);
  assert.equal(join, undefined);
  assert.ok(equal(found, joined(...appended)), `${found.length} bytes`);
});

// The other read returned that there are no values.
test("a read that fails does not take from another what that one has seen", async () => {
  const folder = new LateFolder();
  const store = await open(folder.page());
  await store.commit({ puts: [["a", a], ["b", b]], deletes: [] });
  const real = await (await folder.page().root()).getDirectoryHandle();
  let table = Promise.resolve();
  let isAsked = false;
  let fails = false;
  const fileOf = (handle) => ({
    getFile: async () => {
      if (!fails) return handle.getFile();
      fails = false;
      throw new DOMException("not now", "NotReadableError");
    },
  });
  const getFileHandle = async (name) => {
    if (name.startsWith("table.")) {
      isAsked = true;
      await table;
    }
    return fileOf(await real.getFileHandle(name));
  };
  async function* entries() {
    for await (const [name, handle] of real.entries()) yield [name, fileOf(handle)];
  }
  const reader = await openOpfs("reader", { mode: "readonly" }, async () => ({ getDirectoryHandle: async () => ({ getFileHandle, entries }) }));
  assert.ok(equal((await reader.read(["a"]))[0], a));
  let isThere;
  table = new Promise((resolve) => (isThere = resolve));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  isAsked = false;
  const one = reader.read(["a"]);
  while (!isAsked) await turn();
  fails = true;
  const other = reader.read(["b"]);
  while (fails) await turn();
  await turn();
  isThere();
  const found = [await one, await other];
  assert.ok(found[0][0], "it found nothing");
  assert.ok(equal(found[0][0], a) && equal(found[1][0], b));
});

test("a table is removed before its files, so that a reader that has not seen the next one misses nothing", async () => {
  for (const count of [1, 5, 20]) {
    const folder = new LateFolder();
    const page = folder.page();
    const store = await open(page);
    const appended = Array.from({ length: 32 }, (_, i) => bytes(i, 100));
    for (const bytes of appended) await store.append("log", bytes);
    await diesOver(page, /./, () => store.append("log", a), { kind: "remove", count });
    const newest = [...folder.files.keys()].filter((name) => name.startsWith("table.")).sort().at(-1);
    const real = await (await folder.page().root()).getDirectoryHandle();
    async function* entries() {
      for await (const entry of real.entries()) if (entry[0] !== newest) yield entry;
    }
    const reader = await openOpfs("reader", { mode: "readonly" }, async () => ({ getDirectoryHandle: async () => ({ ...real, entries }) }));
    for (const landing of [folder.late.slice(-1), folder.late]) {
      folder.land((ask) => landing.includes(ask));
      const found = await reader.read(["log"]).catch(() => undefined);
      assert.ok(!found || equal(found[0], joined(...appended)), `${found?.[0]?.length} bytes`);
    }
  }
});

test("a place opens whose last piece was written again with each append", async () => {
  const folder = new LateFolder();
  const large = bytes(5, 70_000);
  folder.files = new Map([
    ["table.7.x", new TextEncoder().encode('{"log":["w.1",["w.1.v.1",100],["w.1.w.1",200]],"a":["w.2"]}')],
    ["w.1", a], ["w.1.v.1", joined(a, c)], ["w.1.w.1", b], ["w.1.x.1", large], ["w.1.x.2", joined(b, c)], ["w.2", c], ["w.1.v.2", c],
  ]);
  const values = new Map([["log", joined(a, a, b, large, b, c)], ["a", c]]);
  await holds(await open(folder.page(), "readonly"), values);
  await staysSo(folder, await open(folder.page()), values);
  assert.deepEqual([...folder.files.keys()].filter((name) => name.startsWith("w.1.")), ["w.1.x.1", "w.1.x.2"], "the small ones are joined");
});

// Joining needs room for a copy of what it joins. Where there is none, a place that was full could not be opened again.
test("where there is no room to join pieces, they stay as they are", async () => {
  const folder = new LateFolder();
  const isJoined = (name) => /^\w+\.\d+$/.test(name);
  let store = await open(folder.page());
  const parts = Array.from({ length: 70 }, (_, i) => bytes(i, 100));
  for (const part of parts.slice(0, 5)) await store.append("log", part);
  const first = [...folder.files.keys()].filter(isJoined);
  for (let upTo = 5; upTo <= 70; upTo += 65) {
    const page = folder.page();
    page.failsAt = (kind, name) => kind === "close" && isJoined(name);
    store = await open(page);
    for (const part of parts.slice(5, upTo)) await store.append("log", part);
    await holds(store, new Map([["log", joined(...parts.slice(0, upTo))]]));
    assert.deepEqual([...folder.files.keys()].filter(isJoined), first, "nothing is left of the attempts");
  }
  store = await staysSo(folder, store, new Map([["log", joined(...parts)]]));
  assert.ok(folder.files.size < 6, `${folder.files.size} files, once there is room`);
});

// An engine may list a large folder in parts, and leave out a file between two parts if others are removed meanwhile.
test("a piece that a list of the files leaves out is looked for again", async () => {
  const folder = new LateFolder();
  const store = await open(folder.page());
  for (let i = 0; i < 9; i++) await store.append("log", bytes(i, 10));
  let lists = 0;
  const root = async () => {
    const real = await (await folder.page().root()).getDirectoryHandle();
    async function* entries() {
      lists += 1;
      for (const name of folder.files.keys()) if (lists > 2 || !name.endsWith(".4")) yield [name, handleOf(real, name)];
    }
    return { getDirectoryHandle: async () => ({ ...real, entries }) };
  };
  const reader = await openOpfs("reader", { mode: "readonly" }, root);
  await holds(reader, new Map([["log", joined(...Array.from({ length: 9 }, (_, i) => bytes(i, 10)))]]));
  assert.ok(lists > 2);
});

test("the files of a table that cannot be removed stay, since a reader may still take it", async () => {
  const folder = new LateFolder();
  const page = folder.page();
  const store = await open(page);
  for (let i = 0; i < 32; i++) await store.append("log", bytes(i, 10));
  const before = [...folder.files.keys()];
  page.failsAt = (kind, name) => kind === "remove" && name.startsWith("table.");
  await store.append("log", bytes(32, 10));
  for (const name of before) assert.ok(folder.files.has(name), name);
  page.failsAt = () => false;
  const next = await staysSo(folder, store, new Map([["log", joined(...Array.from({ length: 33 }, (_, i) => bytes(i, 10)))]]));
  assert.ok(folder.files.size < 8, `${folder.files.size} files`);
  await next.close();
});
