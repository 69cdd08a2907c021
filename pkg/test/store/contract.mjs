// The contract of every store. Runs in Node and in a page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { after, bytes, equal, fails, holds, joined, random, randomStep, take } from "./model.mjs";

const put = (...puts) => ({ puts, deletes: [] });

/**
 * Registers the tests. `place()` returns an unused place; `open(place, mode)` opens it. A store that `locks` allows one
 * writer at a time and can be opened for reading.
 */
export function contract(name, { place, open, locks = true }) {
  /** Registers a test with a new, open store; `reopen` closes it and opens it again. */
  const check = (what, run) =>
    test(`${name}: ${what}`, async () => {
      const at = place();
      let store = await open(at);
      const reopen = async () => {
        await store.close();
        return (store = await open(at));
      };
      await run(store, reopen, at);
      await store.close();
    });
  /** Checks that exactly these values are there, now and after reopening. */
  const keeps = async (store, reopen, values) => {
    const expected = new Map(Object.entries(values));
    await holds(store, expected);
    store = await reopen();
    await holds(store, expected, "opened again:");
    return store;
  };

  check("nothing is there at first", async (store) => {
    assert.deepEqual(await store.read([]), []);
    assert.deepEqual(await store.read(["a", "b/c"]), [undefined, undefined]);
    assert.deepEqual(await store.list(""), []);
  });

  check("values come in the order of the keys, and twice when asked for twice", async (store) => {
    const [a, b] = [bytes(1, 10), bytes(2, 20)];
    await store.commit(put(["a", a], ["b", b]));
    const values = await store.read(["b", "none", "a", "b", "a"]);
    const expected = [b, undefined, a, b, a];
    assert.equal(values.length, 5);
    for (const [i, value] of values.entries()) assert.ok(equal(value, expected[i]), `value ${i}`);
  });

  check("a commit puts, replaces and deletes at once", async (store, reopen) => {
    const [a, b, c, d] = [1, 2, 3, 4].map((seed) => bytes(seed, 100 * seed));
    await store.commit(put(["a", a], ["b", b], ["c", c]));
    store = await keeps(store, reopen, { a, b, c });
    await store.commit({ puts: [["b", d], ["d", a], ["c", a]], deletes: ["a", "was-never-there"] });
    store = await keeps(store, reopen, { b: d, c: a, d: a });
    await store.commit(put(["b", a]));
    store = await keeps(store, reopen, { b: a, c: a, d: a });
    await store.commit({ puts: [], deletes: ["c"] });
    store = await keeps(store, reopen, { b: a, d: a });
    await store.commit({ puts: [], deletes: [] });
    await store.commit({ puts: [], deletes: ["b", "d", "was-never-there"] });
    await keeps(store, reopen, {});
  });

  check("an append adds to nothing, to what was put and to what was appended", async (store, reopen) => {
    const [a, b, c] = [bytes(1, 7), bytes(2, 70_000), bytes(3, 70)];
    await store.commit(put(["put", b]));
    for (const piece of [a, b, c]) await store.append("log/1", piece);
    await store.append("put", a);
    await store.append("log/1", a);
    await store.append("put", c);
    store = await keeps(store, reopen, { put: joined(b, a, c), "log/1": joined(a, b, c, a) });
    await store.append("log/1", c);
    await store.append("put", c);
    await keeps(store, reopen, { put: joined(b, a, c, c), "log/1": joined(a, b, c, a, c) });
  });

  check("a commit replaces and deletes what was appended, and appends begin anew", async (store, reopen) => {
    const [a, b] = [bytes(1, 30), bytes(2, 50)];
    await store.append("log", a);
    await store.commit(put(["log", b]));
    await store.append("log", a);
    store = await keeps(store, reopen, { log: joined(b, a) });
    await store.append("log", a);
    await store.commit(put(["log", b], ["other", a]));
    await store.append("log", b);
    await store.commit({ puts: [["other", b]], deletes: ["log"] });
    store = await keeps(store, reopen, { other: b });
    await store.append("log", b);
    await store.commit({ puts: [], deletes: ["log"] });
    await store.append("log", a);
    await keeps(store, reopen, { log: a, other: b });
  });

  check("many small appends are one value", async (store, reopen) => {
    const pieces = Array.from({ length: 300 }, (_, i) => bytes(i, i));
    for (const piece of pieces) await store.append("log/0001", piece);
    await keeps(store, reopen, { "log/0001": joined(...pieces) });
  });

  check("list gives the keys of a prefix, each once", async (store) => {
    const keys = ["a", "a/b", "a/b.c", "ab", "b/a"];
    await store.commit(put(...keys.map((key) => [key, bytes(1, 3)])));
    await store.append("a/log", bytes(1, 3));
    await store.append("a/log", bytes(1, 3));
    const wanted = { "": [...keys, "a/log"], a: ["a", "a/b", "a/b.c", "a/log", "ab"], "a/": ["a/b", "a/b.c", "a/log"], "a/b": ["a/b", "a/b.c"], b: ["b/a"], c: [] };
    for (const [prefix, expected] of Object.entries(wanted)) assert.deepEqual((await store.list(prefix)).sort(), expected.sort());
  });

  check("an empty value is a value", async (store, reopen) => {
    const none = new Uint8Array();
    await store.commit(put(["one", none]));
    await store.commit(put(["two", none], ["three", bytes(1, 5)]));
    await store.append("log", none);
    store = await keeps(store, reopen, { one: none, two: none, three: bytes(1, 5), log: none });
    await store.append("log", none);
    await store.append("one", bytes(2, 2));
    await store.commit(put(["three", none]));
    await keeps(store, reopen, { one: bytes(2, 2), two: none, three: none, log: none });
  });

  check("values of several megabytes", async (store, reopen) => {
    const [big, bigger] = [bytes(1, 3 << 20), bytes(2, (5 << 20) + 1)];
    await store.commit(put(["big", big], ["bigger", bigger]));
    await store.append("log", big);
    await store.append("log", bigger);
    await keeps(store, reopen, { big, bigger, log: joined(big, bigger) });
  });

  check("2,000 keys in a commit", async (store, reopen) => {
    const keys = Array.from({ length: 2000 }, (_, i) => `segment/${i}`);
    await store.commit(put(...keys.map((key, i) => [key, bytes(i, 50)])));
    store = await reopen();
    const values = await store.read(keys);
    assert.ok(values.every((value, i) => equal(value, bytes(i, 50))));
    await store.commit({ puts: [["segment/0", bytes(9, 9)]], deletes: keys.slice(1) });
    await keeps(store, reopen, { "segment/0": bytes(9, 9) });
  });

  check("every character of a key, and 64 of them", async (store, reopen) => {
    const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    const keys = [
      ...[...alphabet].map((character) => `k${character}k`), ...[...alphabet.replace(".", "")], "a/b/c/d", "a.b/c.d", "a.", "-a/-b", "commits",
      "commit/a", "commit.a", "lock", "locks.a", "lock/a", "a/lock.b", "a/commit", "table", "1.1", "con", `${"long/".repeat(12)}abcd`, "k".repeat(64),
    ];
    const values = Object.fromEntries(keys.map((key, i) => [key, bytes(i, 20)]));
    await store.commit(put(...Object.entries(values)));
    await keeps(store, reopen, values);
  });

  check("the caller may change bytes that it passed or got, and of a view only its own bytes are stored", async (store, reopen) => {
    const large = bytes(1, 1000);
    const [a, b] = [large.slice(100, 200), large.slice(300, 350)];
    const [viewA, viewB] = [large.subarray(100, 200), large.subarray(300, 350)];
    await store.commit(put(["a", viewA], ["b", viewB]));
    await store.append("log", viewA);
    await store.append("log", viewB);
    large.fill(0);
    await store.commit(put(["c", viewA]));
    large.fill(1);
    for (const value of await store.read(["a", "b", "log"])) value.fill(7);
    await keeps(store, reopen, { a, b, c: new Uint8Array(100), log: joined(a, b) });
  });

  check("reads may overlap", async (store) => {
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    await store.commit(put(...keys.map((key, i) => [key, bytes(i, 1000)])));
    const all = await Promise.all([...keys.map((key) => store.read([key])), store.read(keys)]);
    assert.ok(all.every((values, i) => equal(values[0], bytes(i % 40, 1000))));
    assert.equal(all[40].length, 40);
  });

  for (const seed of [1, 2, 3]) {
    check(`random changes give the same values as in a map, ${seed}`, async (store, reopen) => {
      const next = random(seed);
      let model = new Map();
      for (let serial = 1; serial <= 120; serial++) {
        const step = randomStep(next, serial);
        await take(store, step);
        model = after(model, step);
        if (serial % 10 === 0) await holds(store, model, `step ${serial}:`);
        if (next() < 0.08) store = await reopen();
      }
      store = await reopen();
      await holds(store, model, "at the end:");
    });
  }

  if (!locks) return;

  check("the second writer is LOCKED, until the first closes", async (store, reopen, at) => {
    await store.commit(put(["a", bytes(1, 5)]));
    for (let i = 0; i < 3; i++) assert.ok((await fails("LOCKED", () => open(at))).message.length > 30);
    for (let i = 0; i < 20; i++) store = await reopen();
    await fails("LOCKED", () => open(at));
    await keeps(store, reopen, { a: bytes(1, 5) });
  });

  check("a reader sees what is there, beside a writer, and writes nothing", async (store, reopen, at) => {
    const [a, b] = [bytes(1, 5), bytes(2, 6)];
    await store.commit(put(["a", a], ["b", b]));
    await store.append("log", a);
    const reader = await open(at, "readonly");
    const other = await open(at, "readonly");
    await holds(reader, new Map(Object.entries({ a, b, log: a })));
    assert.deepEqual((await reader.list("l")), ["log"]);
    await fails("READ_ONLY", () => reader.commit(put(["a", b])));
    await fails("READ_ONLY", () => reader.append("a", b));
    await store.commit({ puts: [["a", b]], deletes: ["b"] });
    await store.append("log", b);
    await holds(reader, new Map(Object.entries({ a: b, log: joined(a, b) })));
    await reader.close();
    await other.close();
    await keeps(store, reopen, { a: b, log: joined(a, b) });
  });

  test(`${name}: a place that was never written is empty to a reader, which creates nothing`, async () => {
    const at = place();
    const reader = await open(at, "readonly");
    await holds(reader, new Map());
    assert.deepEqual(await reader.read(["a"]), [undefined]);
    await reader.close();
  });

  check("after close a store is CLOSED", async (store, reopen, at) => {
    await reopen();
    for (const call of [() => store.read(["a"]), () => store.list(""), () => store.commit(put(["a", bytes(1, 1)])), () => store.append("a", bytes(1, 1))]) {
      await fails("CLOSED", call);
    }
    await holds(await open(at, "readonly"), new Map());
  });
}
