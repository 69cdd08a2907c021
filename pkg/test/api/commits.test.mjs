// How changes reach the store: together, one commit after the other; and what happens if that fails.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ThermoclineError, VectorIndex } from "thermocline";
import { fails, flat, pause, rowsOf, until, whole } from "./helpers.mjs";
import { MapStore } from "./places.mjs";

const vectors = rowsOf(flat(1000, 16), 16);

/** Opens an index in a MapStore, which the test can control. */
async function stored(options = {}, store = new MapStore()) {
  const index = await VectorIndex.open("own", { store, dimensions: 16, ...options });
  return { index, store, written: () => store.calls.append + store.calls.commit };
}

/** Opens the index again, in a store that works. */
async function reopened({ values }, use) {
  const index = await VectorIndex.open("own", { store: new MapStore(values) });
  try {
    await use(index);
  } finally {
    await index.close();
  }
}

for (const appends of [true, false]) {
  test(`1,000 concurrent inserts share commits, ${appends ? "with" : "without"} append`, async () => {
    const { index, store, written } = await stored({}, new MapStore(new Map(), appends));
    const before = written();
    await Promise.all(vectors.map((vector, i) => index.insertWithId(`r${i}`, vector)));
    assert.ok(written() - before <= 20, `${written() - before} writes`);
    await reopenedCopy(store, (copy) => whole(copy, 1000));
    await index.close();
    assert.equal(store.broken, undefined);
  });
}

/** Opens a copy of what would be stored if the process ended now. */
async function reopenedCopy({ values }, use) {
  return reopened({ values: new Map(values) }, use);
}

test("a change resolves after its commit, and is seen by searches before", async () => {
  const { index, store } = await stored();
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  store.before = (name) => (["append", "commit"].includes(name) ? gate : undefined);
  const settled = [];
  const changes = [index.insertWithId("a", vectors[0]), index.upsert("b", vectors[1]), index.insert(vectors[2]), index.delete("b")];
  changes.forEach((change, i) => change.then(() => settled.push(i)));
  const flushed = index.flush().then(() => settled.push("flush"));
  await pause(20);
  assert.deepEqual([settled, index.size, (await index.search(vectors[0], { k: 1 }))[0].id], [[], 2, "a"]);
  open();
  await Promise.all([...changes, flushed]);
  await reopenedCopy(store, (copy) => whole(copy, 2));
  await index.close();
});

test("changes made while a commit runs wait for the next one", async () => {
  const { index, store } = await stored();
  const gates = [];
  store.before = (name) => (["append", "commit"].includes(name) ? new Promise((resolve) => gates.push(resolve)) : undefined);
  const first = index.insertWithId("a", vectors[0]);
  await until(() => gates.length === 1, "the first commit");
  let later = 0;
  const others = [1, 2, 3].map((i) => index.insertWithId(`r${i}`, vectors[i]).then(() => (later += 1)));
  gates[0]();
  await first;
  await pause(10);
  assert.deepEqual([later, gates.length], [0, 2]);
  gates[1]();
  await Promise.all(others);
  assert.equal(gates.length, 2, "one for the three");
  store.before = () => {};
  await index.close();
});

test("a delete of an absent record waits for the commit of the delete that removed it", async () => {
  const { index, store } = await stored();
  await index.insertWithId("a", vectors[0]);
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  store.before = () => gate;
  const settled = [];
  const both = [index.delete("a"), index.delete("a")].map((call, i) => call.then((was) => settled.push([i, was])));
  await pause(10);
  assert.deepEqual(settled, []);
  open();
  await Promise.all(both);
  assert.deepEqual(settled.sort(), [[0, true], [1, false]]);
  store.before = () => {};
  const { append } = store.calls;
  assert.equal(await index.delete("a"), false);
  assert.equal(store.calls.append, append, "nothing to write");
  await index.close();
});

test("insertMany is at most one commit ahead of the store, and all of it is there when it resolves", async () => {
  const { index, store } = await stored();
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  store.before = (name) => (["append", "commit"].includes(name) ? gate : undefined);
  const wide = Array.from({ length: 8 }, () => vectors).flat().map((vector) => ({ vector }));
  let resolved = false;
  const inserting = index.insertMany(wide).then(() => (resolved = true));
  // The rows being committed, and the next ones.
  await until(() => index.size === 1000 || resolved, "it to wait");
  await pause(50);
  assert.deepEqual([index.size, resolved], [1000, false]);
  open();
  await inserting;
  await reopenedCopy(store, (copy) => assert.equal(copy.size, wide.length));
  await index.close();
});

/** Opens the index as if the process had been killed after writing this many bytes of the newest log. */
async function cutAfter(values, bytes, use) {
  const log = [...values.keys()].filter((key) => key.startsWith("log/")).sort().at(-1);
  await reopened({ values: new Map(values).set(log, values.get(log).slice(0, bytes)) }, use);
  return values.get(log).length;
}

test("up to 500 rows or ids of one call are stored all or none, wherever a kill cuts the log off", async () => {
  const store = new MapStore();
  const { index } = await stored({}, store);
  const some = vectors.slice(0, 500);
  await index.insertMany(some.map((vector, i) => ({ id: `old${i}`, vector, payload: i })));
  const calls = [
    ["insertMany", () => index.insertMany(some.map((vector, i) => ({ id: i % 2 ? `r${i}` : undefined, vector, payload: { i } }))), 500],
    ["upsert", () => index.insertMany(some.map((vector, i) => ({ id: `old${i}`, vector, payload: "new" })), { upsert: true }), 0],
    ["deleteMany", () => index.deleteMany(some.map((_, i) => `old${i}`)), -500],
  ];
  for (const [what, call, more] of calls) {
    const size = index.size;
    const before = await cutAfter(store.values, Infinity, (copy) => assert.equal(copy.size, size));
    await call();
    const after = await cutAfter(store.values, Infinity, async (copy) => {
      assert.equal(copy.size, size + more, what);
      if (what === "upsert") for (const i of [0, 250, 499]) assert.equal((await copy.get(`old${i}`)).payload, "new");
    });
    assert.ok(after > before, what);
    for (const share of [0, 0.01, 0.5, 0.99]) {
      await cutAfter(store.values, before + Math.floor(share * (after - before - 1)), async (copy) => {
        assert.equal(copy.size, size, `${what}, of which ${share} is there`);
        if (what === "upsert") for (const i of [0, 250, 499]) assert.equal((await copy.get(`old${i}`)).payload, i);
      });
    }
  }
  await index.close();
});

test("other changes during an insertMany are stored when acknowledged, and continue after it is aborted", async () => {
  const { index, store } = await stored();
  const many = Array.from({ length: 32 }, () => vectors).flat().map((vector) => ({ vector }));
  // Makes the call take seconds on any machine: it is at most one change ahead of what is stored.
  store.before = (name) => (name === "append" ? pause(100) : undefined);
  const controller = new AbortController();
  let told = 0;
  const running = index.insertMany(many, { signal: controller.signal, onProgress: ({ done }) => (told = done) });
  for (let i = 0; i < 5; i++) {
    await until(() => told > 100 * i, "some of them");
    await index.insertWithId(`beside${i}`, vectors[i]);
    await reopenedCopy(store, async (copy) => assert.ok(await copy.has(`beside${i}`), `${i}`));
  }
  const [done] = await Promise.all([index.deleteMany(["beside0", "beside1", "no"]), index.flush()]);
  assert.equal(done, 2);
  controller.abort();
  await fails("ABORTED", () => running);
  const { size } = index;
  assert.ok(size < many.length, "it was under way");
  store.before = () => {};
  await index.insertMany(many.slice(0, 3));
  await reopenedCopy(store, (copy) => whole(copy, size + 3));
  // Inserted at once, so that a following close or delete finds it.
  const last = [index.insertMany([{ id: "last", vector: vectors[0] }, { id: "gone", vector: vectors[0] }]), index.delete("gone")];
  const closing = index.close();
  assert.deepEqual(await Promise.all(last), [["last", "gone"], true]);
  await closing;
  await reopened(store, (again) => whole(again, size + 4));
});

test("a single insert is acknowledged between large insertMany calls that run one after the other", async () => {
  const { index, store } = await stored();
  let ended = 0;
  const many = Array.from({ length: 6 }, () => index.insertMany(vectors.slice(0, 500).map((vector) => ({ vector }))).then(() => (ended += 1)));
  await index.insertWithId("beside", vectors[0]);
  assert.ok(ended < 3, `after ${ended} of them`);
  await reopenedCopy(store, async (copy) => assert.ok(await copy.has("beside")));
  await Promise.all(many);
  await whole(index, 3001);
  await index.close();
});

test("an insertMany that waits for a checkpoint that hangs can be aborted, and closing ends its wait", async () => {
  const { index, store } = await stored();
  await index.insertMany(vectors.map((vector) => ({ vector, payload: new Uint8Array(2000) })));
  let hung = false;
  store.before = (name) => (name === "commit" ? ((hung = true), new Promise(() => {})) : undefined);
  await until(() => hung, "a checkpoint");
  const controller = new AbortController();
  const rows = vectors.slice(0, 30).map((vector) => ({ vector }));
  const aborted = index.insertMany(rows, { signal: controller.signal });
  const waiting = index.insertMany(rows);
  waiting.catch(() => {});
  await pause(20);
  controller.abort();
  await fails("ABORTED", () => aborted);
  assert.equal((await index.search(vectors[0], { k: 1 })).length, 1);
  await index.close({ timeoutMs: 50 });
  await fails("STORE_FAILED", () => waiting);
});

test("a few rows or ids are applied at once while a checkpoint is written, and the next call sees them", async () => {
  const { index, store } = await stored();
  await index.insertMany(vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: new Uint8Array(2000) })));
  let open;
  let writing = false;
  const gate = new Promise((resolve) => (open = resolve));
  store.before = (name) => (name === "commit" ? ((writing = true), gate) : undefined);
  await until(() => writing, "a checkpoint");
  const calls = [
    index.deleteMany(["r0", "r1"]), index.insertWithId("r0", vectors[0]), index.insertMany([{ id: "r1", vector: vectors[1] }, { id: "new", vector: vectors[2] }]), index.delete("new"),
  ];
  assert.equal(index.size, 1000);
  const many = index.insertMany(vectors.slice(0, 100).map((vector) => ({ vector })));
  await pause(20);
  assert.equal(index.size, 1000, "more wait for it");
  open();
  assert.deepEqual(await Promise.all(calls), [2, "r0", ["r1", "new"], true]);
  await many;
  await reopenedCopy(store, (copy) => whole(copy, 1100));
  await index.close();
});

test("a few rows are inserted before the next call, however long it takes to read them", async () => {
  const { index, store } = await stored();
  const slow = {
    id: "a",
    get vector() {
      for (const end = performance.now() + 10; performance.now() < end; );
      return vectors[0];
    },
  };
  const many = index.insertMany([slow, { id: "b", vector: vectors[1], payload: "old" }], { upsert: true });
  const one = index.upsert("b", vectors[2], "new");
  await Promise.all([many, one]);
  await reopenedCopy(store, async (copy) => assert.equal((await copy.get("b")).payload, "new"));
  await index.close();
});

test("a signal that fires while a few rows are read, or before the last few of many, aborts the call", async () => {
  const { index, store } = await stored();
  const one = new AbortController();
  const aborting = {
    get vector() {
      one.abort();
      return vectors[0];
    },
  };
  await fails("ABORTED", () => index.insertMany([aborting], { signal: one.signal }));
  assert.equal(index.size, 0);
  const two = new AbortController();
  store.before = (call) => {
    if (call === "append") two.abort();
  };
  // The first ones are stored once the next 500 are inserted, and ten are left.
  await fails("ABORTED", () => index.insertMany([...vectors, ...vectors.slice(0, 10)].map((vector) => ({ vector })), { signal: two.signal }));
  await index.flush();
  await whole(index, 1000);
  await reopenedCopy(store, (copy) => whole(copy, 1000));
  await index.close();
});

/** Makes the store's call of this number, of those that are counted, wait until `go` is called. */
function hanging(store, number = 0, isCounted = () => true) {
  const held = { isReached: false };
  const gate = new Promise((go) => (held.go = go));
  store.before = (name) => {
    if (isCounted(name) && number-- === 0) {
      held.isReached = true;
      return gate;
    }
  };
  return held;
}

// A signal must also be heard while a call waits for a commit, not only between slices: a store may never answer.
test("a signal ends insertMany's wait for its store, and the rows inserted so far stay", async () => {
  const some = (count) => vectors.slice(0, count).map((vector) => ({ vector }));
  for (const rows of [() => some(10), () => some(600), () => some(1000).values(), async function* () { yield* some(10); }, async function* () { yield* some(1000); }]) {
    const { index, store } = await stored();
    const held = hanging(store, 0, (name) => name === "append");
    const controller = new AbortController();
    const running = index.insertMany(rows(), { signal: controller.signal });
    await until(() => held.isReached, "a commit");
    controller.abort();
    await fails("ABORTED", () => running);
    held.go();
    await index.flush();
    const { size } = index;
    assert.ok(size > 0);
    await reopenedCopy(store, (copy) => whole(copy, size));
    await index.close();
  }
});

test("a signal ends an erasing compaction's wait for its store, whichever of the store's calls hangs", async () => {
  let aborted = 0;
  for (let number = 0, isReached = true; isReached; number++) {
    const { index, store } = await stored();
    await index.insertMany(vectors.slice(0, 100).map((vector, i) => ({ id: `r${i}`, vector })));
    await index.deleteMany(Array.from({ length: 50 }, (_, i) => `r${i}`));
    const held = hanging(store, number);
    const controller = new AbortController();
    const running = index.compact({ erase: true, signal: controller.signal });
    let isOver = false;
    const over = () => (isOver = true);
    running.then(over, over);
    await until(() => held.isReached || isOver, "a call of the store");
    ({ isReached } = held);
    controller.abort();
    // It does not wait for what is read in idle time.
    await running.then(() => {}, ({ code }) => (assert.equal(code, "ABORTED"), (aborted += 1)));
    held.go();
    assert.equal((await index.compact({ erase: true })).newSize, 50);
    await whole(index, 50);
    await index.close();
    assert.equal(store.broken, undefined);
  }
  assert.ok(aborted > 5, `${aborted} calls`);
});

test("a call that does not end before the index is closed is CLOSED", async () => {
  const { index } = await stored();
  await index.insertMany(vectors.map((vector) => ({ vector, ttlMs: 20 })));
  await index.insertWithId("last", vectors[0]);
  await pause(40);
  // Records expiring meanwhile may use up its slice.
  const calls = [index.deleteMany(["last"]), index.deleteMany(vectors.map((_, i) => `r${i}`)), index.insertMany(vectors.map((vector) => ({ vector })))];
  const ended = Promise.allSettled(calls);
  await index.close();
  for (const { status, reason } of await ended) assert.ok(status === "fulfilled" || reason.code === "CLOSED", reason?.stack);
});

test("an export while rows are being replaced shows the index at one moment", async () => {
  const values = new Map();
  const old = await VectorIndex.open("own", { store: new MapStore(values), dimensions: 16 });
  const text = (of, i) => `${of} ${i} `.repeat(40);
  await old.insertMany(vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: text("old", i) })));
  await old.insertWithId("long", vectors[0], new Uint8Array(2 << 20));
  await old.close();
  const store = new MapStore(values);
  const index = await VectorIndex.open("own", { store, maxBytes: 60_000_000 });
  await index.get("r0");
  store.before = (name) => (name === "read" ? pause(0) : undefined);
  const rows = vectors.slice(0, 450).map((vector, i) => ({ id: `r${(i * 7) % 1000}`, vector, payload: text("new", i) }));
  const replacing = index.insertMany(rows, { upsert: true });
  const copy = await VectorIndex.import(await index.export());
  await whole(copy, 1001);
  for (let i = 0; i < 1000; i++) assert.match((await copy.get(`r${i}`)).payload, /^(old|new) /);
  await copy.close();
  await replacing;
  await index.close();
});

test("insertMany works while a checkpoint is written and other calls change the index", async () => {
  const store = new MapStore();
  const { index } = await stored({}, store);
  await index.insertMany(vectors.map((vector, i) => ({ id: `old${i}`, vector, payload: new Uint8Array(2000) })));
  // The log is long enough for a checkpoint, whose steps are slow.
  let commits = 0;
  store.before = async (name) => {
    if (name === "commit") await pause((commits += 1) % 3);
  };
  const many = Array.from({ length: 4 }, (_, n) => index.insertMany(vectors.map((vector, i) => ({ id: `${n}-${i}`, vector, payload: new Uint8Array(700) }))));
  const singles = vectors.slice(0, 300).map((vector, i) => index.upsert(`old${i}`, vector));
  const compacted = index.compact();
  const [deleted] = await Promise.all([index.deleteMany(vectors.slice(600).map((_, i) => `old${600 + i}`)), ...many, ...singles, compacted]);
  assert.equal(deleted, 400);
  await until(() => [...store.values.keys()].some((key) => key.startsWith("b/")), "a checkpoint");
  await whole(index, 4600);
  await reopenedCopy(store, (copy) => whole(copy, 4600));
  await index.close();
  assert.equal(store.broken, undefined);
});

test("rows that insertMany inserted before it was aborted are stored", async () => {
  const { index, store } = await stored();
  const controller = new AbortController();
  const rows = vectors.map((vector, i) => ({ id: `r${i}`, vector }));
  const source = (async function* () {
    for (const [i, row] of rows.entries()) {
      if (i === 300) controller.abort();
      yield row;
    }
  })();
  await fails("ABORTED", () => index.insertMany(source, { signal: controller.signal }));
  const { size } = index;
  assert.ok(size > 0 && size <= 300);
  await index.flush();
  await reopenedCopy(store, (copy) => whole(copy, size));
  await index.close();
});

test("a store that fails: those who wait are told, changes are refused, searches go on, and all that was acknowledged is there", async () => {
  const errors = [
    [new Error("the disk is gone"), "STORE_FAILED", /the disk is gone/],
    [new ThermoclineError("QUOTA_EXCEEDED", "no room for it"), "QUOTA_EXCEEDED", /no room for it/],
    [Object.assign(new Error("full"), { name: "QuotaExceededError" }), "QUOTA_EXCEEDED"],
    [new ThermoclineError("CORRUPT", "its own words"), "CORRUPT", /its own words/],
    ["a string", "STORE_FAILED"],
    [undefined, "STORE_FAILED"],
  ];
  for (const [n, [error, code, words]] of errors.entries()) {
    for (const appends of [true, false]) {
      const { index, store } = await stored({}, new MapStore(new Map(), appends));
      const acknowledged = [];
      let left = 3 + n;
      store.before = (name) => {
        if (["append", "commit"].includes(name) && left-- <= 0) throw error;
      };
      let failure;
      for (let i = 0; failure === undefined; i++) {
        const both = [index.insertWithId(`r${i}`, vectors[i]), index.upsert(`s${i}`, vectors[i])];
        const outcomes = await Promise.allSettled(both);
        if (outcomes.every(({ status }) => status === "fulfilled")) acknowledged.push(`r${i}`, `s${i}`);
        else failure = outcomes.map(({ reason }) => reason);
      }
      for (const { name, code: told } of failure) assert.deepEqual([name, told], ["ThermoclineError", code]);
      if (words) assert.match(failure[0].message, words);
      store.before = () => {};
      const changes = [
        () => index.insert(vectors[0]), () => index.insertWithId("x", vectors[0]), () => index.upsert("r0", vectors[0]), () => index.insertMany([{ vector: vectors[0] }]),
        () => index.delete("r0"), () => index.deleteMany(["r0"]), () => index.clear(), () => index.flush(), () => index.compact(),
      ];
      for (const change of changes) await fails(code, change, /opened again/);
      assert.equal((await index.search(vectors[0], { k: 2 })).length, 2);
      await whole(index, acknowledged.length + 2);
      await index.close();
      assert.deepEqual([store.calls.close, store.broken], [1, undefined]);
      await reopened(store, async (again) => {
        for (const id of acknowledged) assert.ok(await again.has(id), `${id} was acknowledged`);
        assert.ok((await again.check()).ok && again.size <= acknowledged.length + 2);
        await again.insertWithId("after", vectors[0]);
      });
    }
  }
});

test("a store that fails at any of its calls: opening fails and leaves it open, or all that was acknowledged is there", async () => {
  let failures = 0;
  for (let failing = 0, done = false; !done; failing++) {
    const values = new Map();
    const acknowledged = new Set();
    for (const round of [0, 1]) {
      const store = new MapStore(values);
      let calls = 0;
      store.before = (name) => {
        if (name !== "close" && calls++ === failing) throw new Error(`call ${failing} fails`);
      };
      const index = await VectorIndex.open("own", { store, dimensions: 16 }).catch((error) => {
        assert.equal(error.code, "STORE_FAILED");
      });
      if (index) {
        for (let i = 0; i < 6; i++) {
          const id = `${round}-${i}`;
          await index.insertWithId(id, vectors[i]).then(() => acknowledged.add(id), ({ code }) => assert.equal(code, "STORE_FAILED"));
        }
        await index.close();
      }
      assert.deepEqual([store.calls.close, store.broken], [index ? 1 : 0, undefined], `call ${failing}`);
      done = calls <= failing;
      failures += done ? 0 : 1;
    }
    await reopened({ values }, async (again) => {
      for (const id of acknowledged) assert.ok(await again.has(id), `call ${failing}: ${id} was acknowledged`);
      assert.ok((await again.check()).ok);
    }).catch((error) => {
      // Nothing was ever stored.
      if (error.code !== "NOT_FOUND" || acknowledged.size) throw error;
    });
  }
  assert.ok(failures > 10, `${failures} failures`);
});

test("a compaction that is refused after a failure of the store is counted as a failure", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("x", { dimensions: 2, store });
  await index.insertMany(Array.from({ length: 20 }, (_, i) => ({ vector: [1, i] })));
  await index.deleteMany(Array.from({ length: 15 }, (_, i) => i));
  store.before = () => Promise.reject(new Error("no room"));
  await fails("STORE_FAILED", () => index.insert([1, 2]));
  await fails("STORE_FAILED", () => index.compact());
  assert.match(await index.metrics(), /^thermocline_compaction_failures_total 1$/m);
  store.before = () => {};
  await index.close();
  await fails("CLOSED", () => index.metrics());
});
