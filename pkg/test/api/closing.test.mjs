// Checkpoints, and closing an index in a store.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ThermoclineError, VectorIndex } from "thermocline";
import { asyncDispose, fails, flat, pause, rowsOf, unheard, until, whole } from "./helpers.mjs";
import { MapStore } from "./places.mjs";

const WIDE = 256;
const vectors = rowsOf(flat(600, WIDE), WIDE);
const rows = (from, to) => vectors.slice(from, to).map((vector, i) => ({ id: `r${from + i}`, vector }));
const payload = new Uint8Array(20_000).fill(7);

const open = (store, options) => VectorIndex.open("own", { store, dimensions: WIDE, ...options });
const manifests = ({ values }) => [...values.keys()].filter((key) => key.startsWith("m/")).sort().join();

/** Changes records, all in one commit, until a checkpoint is due by the core's rule, which `isSeen` detects. */
async function fill(index, isSeen) {
  for (let round = 0; !isSeen(); round++) {
    assert.ok(round < 8, "a checkpoint becomes due");
    await Promise.all(vectors.map((vector, i) => index.upsert(`r${i}`, vector, payload)));
    for (let i = 0; i < 20 && !isSeen(); i++) await pause(5);
  }
}

test("a checkpoint is made in idle time once the log has grown, and changes are still accepted", async () => {
  const store = new MapStore();
  const index = await open(store);
  const first = manifests(store);
  await fill(index, () => manifests(store) !== first);
  await index.insertMany(rows(0, 50).map((row) => ({ ...row, id: `after ${row.id}` })));
  const { size } = index;
  const copy = await open(new MapStore(new Map(store.values)));
  await whole(copy, size);
  await copy.close();
  await index.close();
  assert.equal(store.broken, undefined);
});

test("a failed checkpoint is reported by the next flush, loses nothing, and is retried later", async () => {
  const store = new MapStore();
  const index = await open(store);
  const first = manifests(store);
  let failed = 0;
  store.before = (name) => {
    if (name !== "commit") return;
    failed += 1;
    throw new Error("no checkpoint today");
  };
  await fill(index, () => failed > 0);
  await pause(50);
  await index.insertWithId("during", vectors[0]);
  await pause(50);
  assert.equal(failed, 1, "not tried over and over");
  await fails("STORE_FAILED", () => index.flush(), /no checkpoint today/);
  await index.flush();
  const { size } = index;
  const copy = await open(new MapStore(new Map(store.values)));
  await whole(copy, size);
  await copy.close();
  store.before = () => {};
  await index.insertWithId("later", vectors[1]);
  await until(() => manifests(store) !== first, "the next checkpoint");
  await index.close();
});

/** Intercepts timers of several seconds, and runs `body` with them: the callback and the delay of each. */
async function withLongTimers(body) {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const waiting = [];
  globalThis.setTimeout = (run, ms, ...rest) => {
    if (ms < 5000) return set(run, ms, ...rest);
    const timer = { run, ms };
    waiting.push(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => {
    if (waiting.includes(timer)) waiting.splice(waiting.indexOf(timer), 1);
    else clear(timer);
  };
  try {
    await body(waiting);
  } finally {
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  }
}

/**
 * Returns an index whose checkpoint failed once in idle time. `failed` returns how often it failed, and `mend` stops
 * the failures.
 */
async function withFailedCheckpoint() {
  const store = new MapStore();
  const index = await open(store);
  const first = manifests(store);
  let failed = 0;
  store.before = (name) => {
    if (name === "commit") throw new Error(`no ${(failed += 1)}`);
  };
  await fill(index, () => failed > 0);
  return { store, index, first, failed: () => failed, mend: () => (store.before = () => {}) };
}

test("a checkpoint that has failed is tried again although nobody asks, later each time, until it succeeds", () => withLongTimers(async (waiting) => {
  const { store, index, first, failed, mend } = await withFailedCheckpoint();
  for (const [tries, ms] of [[1, 5000], [2, 10_000], [3, 20_000]]) {
    await until(() => waiting.length === 1, "the plan of another try");
    assert.deepEqual([failed(), waiting[0].ms], [tries, ms]);
    if (tries === 3) mend();
    waiting.pop().run();
  }
  await until(() => manifests(store) !== first, "the checkpoint");
  await index.flush();
  assert.equal(waiting.length, 0);
  await index.close();
}));

test("a failure that a later checkpoint has mended is told to nobody, and is not tried again", () => withLongTimers(async (waiting) => {
  const { index, mend } = await withFailedCheckpoint();
  await until(() => waiting.length === 1, "the plan of another try");
  mend();
  await index.reload();
  await index.flush();
  assert.equal(waiting.length, 0);
  await index.close();
}));

test("a failure is told while the checkpoint is tried again", () => withLongTimers(async (waiting) => {
  const { store, index, first } = await withFailedCheckpoint();
  await until(() => waiting.length === 1, "the plan of another try");
  let go;
  store.before = (name) => (name === "commit" ? new Promise((resolve) => (go = resolve)) : undefined);
  waiting.pop().run();
  await until(() => go, "the other try");
  await fails("STORE_FAILED", () => index.flush(), /no 1/);
  store.before = () => {};
  go();
  await until(() => manifests(store) !== first, "the checkpoint");
  await index.flush();
  await index.close();
}));

test("a compaction that writes nothing to the store mends no failed checkpoint", async () => {
  const { index, mend } = await withFailedCheckpoint();
  assert.equal((await index.compact()).reclaimedBytes.cold, 0);
  await fails("STORE_FAILED", () => index.flush(), /no 1/);
  await index.flush();
  mend();
  await index.close();
});

test("compactions in idle time are reported to nobody after stop or close, although the store answers later", async () => {
  for (const end of [(index, stop) => stop(), (index) => index.close()]) {
    const store = new MapStore();
    const index = await open(store);
    await index.insertMany(rows(0, 200));
    await index.deleteMany(rows(0, 150).map(({ id }) => id));
    let go;
    store.before = (name) => (name === "commit" ? new Promise((resolve) => (go = resolve)) : undefined);
    const reports = [];
    const stop = index.compactWhenIdle({ onReport: (report) => reports.push(report) });
    await until(() => go, "the commit");
    const ending = end(index, stop);
    store.before = () => {};
    go();
    await ending;
    await pause(50);
    assert.deepEqual(reports, []);
    if (!ending) await index.close();
  }
});

test("a closed index tries no checkpoint again", () => withLongTimers(async (waiting) => {
  const { store, index } = await withFailedCheckpoint();
  await until(() => waiting.length === 1, "the plan of another try");
  const [{ run }] = waiting;
  await fails("STORE_FAILED", () => index.close({ timeoutMs: 4000 }));
  assert.equal(waiting.length, 0);
  const calls = JSON.stringify(store.calls);
  run();
  await pause(50);
  assert.equal(JSON.stringify(store.calls), calls);
}));

test("closing makes the checkpoint that is due; if that fails it rejects, but the index is closed", async () => {
  for (const fail of [false, true]) {
    const store = new MapStore();
    let index = await open(store);
    let failed = 0;
    store.before = (name) => {
      if (name === "commit") throw new Error(`no ${(failed += 1)}`);
    };
    await fill(index, () => failed > 0);
    const { size } = index;
    const first = manifests(store);
    if (fail) {
      await fails("STORE_FAILED", () => index.close(), /no 2/);
    } else {
      store.before = () => {};
      await index.close();
      assert.notEqual(manifests(store), first);
    }
    assert.equal(store.calls.close, 1);
    index = await open(new MapStore(store.values));
    await whole(index, size);
    await index.close();
  }
});

test("closing stores changes that nobody has waited for", async () => {
  const store = new MapStore();
  const index = await open(store);
  const unawaited = [index.insertWithId("a", vectors[0]), index.insertWithId("b", vectors[1])];
  await index.close();
  await Promise.all(unawaited);
  const again = await open(new MapStore(store.values));
  await whole(again, 2);
  await again.close();
});

test("closing rejects if changes could not be stored and no caller has been told", async () => {
  const store = new MapStore();
  const index = await open(store);
  store.before = (name) => {
    if (name === "append" || name === "commit") throw new Error("no more");
  };
  const unawaited = index.insertWithId("a", vectors[0]);
  unawaited.catch(() => {});
  await fails("STORE_FAILED", () => index.close(), /no more/);
  await fails("STORE_FAILED", () => unawaited);
  assert.equal(store.calls.close, 1);
  await fails("CLOSED", () => index.size);
});

/** Aborts an insert while the store appends its rows, and then fails the append: nobody learns of it. */
async function loseAborted(index, store) {
  let fail;
  store.before = (name) => (name === "append" ? new Promise((_, reject) => (fail = reject)) : undefined);
  const controller = new AbortController();
  const aborted = index.insertMany(rows(0, 2), { signal: controller.signal });
  await until(() => fail, "the append");
  controller.abort();
  await fails("ABORTED", () => aborted);
  fail(new Error("no more"));
  await pause(20);
}

test("closing rejects if changes of an aborted call could not be stored, unless a later call has reported that", async () => {
  for (const isTold of [false, true]) {
    const store = new MapStore();
    const index = await open(store);
    await loseAborted(index, store);
    if (isTold) {
      await fails("STORE_FAILED", () => index.insert(vectors[0]), /no more/);
      await index.close();
    } else await fails("STORE_FAILED", () => index.close(), /no more/);
    assert.equal(store.calls.close, 1);
  }
});

test("closing rejects if changes could not be stored, although a caller got another error with the same code", async () => {
  const store = new MapStore();
  const index = await open(store);
  await loseAborted(index, store);
  const source = async function* () {
    throw new ThermoclineError("STORE_FAILED", "the store of its own rows");
  };
  await fails("STORE_FAILED", () => index.insertMany(source()), /of its own rows/);
  await fails("STORE_FAILED", () => index.close(), /no more/);
});

// On a full disk the checkpoint often fails first. It has lost nothing: the log has every acknowledged change.
test("closing resolves once a caller was told that changes could not be stored, although a checkpoint failed before", async () => {
  const { store, index } = await withFailedCheckpoint();
  const { size } = index;
  store.before = (name) => {
    if (name === "append") throw new Error("no more");
  };
  await fails("STORE_FAILED", () => index.insertWithId("lost", vectors[0]), /no more/);
  await index.close();
  assert.equal(store.calls.close, 1);
  const again = await open(new MapStore(store.values));
  await whole(again, size);
  await again.close();
});

test("closing rejects with the store's message if the store cannot be closed", async () => {
  const store = new MapStore();
  const index = await open(store);
  store.before = (name) => {
    if (name === "close") throw new Error("it will not close");
  };
  await fails("STORE_FAILED", () => index.close(), /it will not close/);
  assert.equal(store.calls.close, 1);
});

test("closing waits for a store for five seconds, unless told otherwise", async () => {
  const store = new MapStore();
  const index = await open(store);
  store.before = (name) => (name === "append" ? new Promise(() => {}) : undefined);
  const hanging = index.insertWithId("a", vectors[1]);
  hanging.catch(() => {});
  await until(() => store.calls.append > 0, "the append");
  await fails("STORE_FAILED", () => index.close(), /5000 ms/);
  await fails("STORE_FAILED", () => hanging);
});

test("closing returns in time although the store hangs, and closes the store once it answers", async () => {
  const store = new MapStore();
  const index = await open(store);
  await index.insertWithId("stored", vectors[0]);
  let answer;
  store.before = (name) => (name === "append" ? new Promise((resolve) => (answer = resolve)) : undefined);
  const hanging = index.insertWithId("a", vectors[1]);
  hanging.catch(() => {});
  await until(() => answer, "the append");
  const began = performance.now();
  await fails("STORE_FAILED", () => index.close({ timeoutMs: 60 }), /60 ms/);
  assert.ok(performance.now() - began < 1000);
  await fails("STORE_FAILED", () => hanging);
  await fails("LOCKED", () => open(store));
  assert.equal(store.calls.close, 0, "not while it is at work");
  answer();
  await until(() => store.calls.close === 1, "the store's close");
  assert.equal(store.broken, undefined);
  const again = await open(new MapStore(store.values));
  assert.ok(await again.has("stored"));
  await again.close();
});

// The second part of an erasing compaction must not begin after all waits have been ended: it would wait forever.
test("an erasing compaction ends with the index although its store hangs", async () => {
  for (const hanging of ["commit", "append"]) {
    const store = new MapStore();
    const index = await open(store);
    await index.insertMany(rows(0, 400));
    await index.flush();
    await index.deleteMany(rows(0, 200).map(({ id }) => id));
    store.before = (name) => (name === hanging ? new Promise(() => {}) : undefined);
    const lost = hanging === "append" && index.insertWithId("lost", vectors[0]).catch((error) => error.code);
    const erasing = index.compact({ erase: true }).catch((error) => error.code);
    await pause(50);
    await index.close({ timeoutMs: 60 }).catch(() => {});
    assert.match(await erasing, /^(CLOSED|STORE_FAILED)$/, hanging);
    if (lost) assert.equal(await lost, "STORE_FAILED");
  }
});

test("calls that wait for a move that hangs end with the index", async () => {
  const store = new MapStore();
  const index = await open(store);
  await index.insertMany(rows(0, 100));
  await index.delete("r1");
  let hangs = false;
  store.before = (name) => name === "list" && ((hangs = true), new Promise(() => {}));
  const calls = [index.reload()];
  await until(() => hangs, "the move");
  calls.push(index.upsert("r0", vectors[1]), index.delete("r2"), index.insertMany(rows(200, 202)), index.insertMany(rows(300, 400)), index.compact(), index.clear());
  const told = calls.map((call) => call.catch((error) => error.code));
  await pause(20);
  await index.close({ timeoutMs: 60 }).catch(() => {});
  for (const code of await Promise.all(told)) assert.match(String(code), /^(CLOSED|STORE_FAILED)$/);
});

test("a store may throw a value that cannot be read", async () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const unreadable = {
    get message() {
      throw new Error("no message");
    },
  };
  for (const [i, thrown] of [undefined, null, Symbol("s"), Object.create(null), unreadable, proxy, 5].entries()) {
    const store = new MapStore();
    const index = await open(store);
    const failing = async () => fails("STORE_FAILED", () => index.insert(vectors[0]));
    store.before = (name) => name === "append" && Promise.reject(thrown);
    await failing().catch((error) => assert.fail(`${i}: ${error.message}`));
    store.before = (name) => name === "close" && Promise.reject(thrown);
    await fails("STORE_FAILED", () => index.close());
    const other = new MapStore(store.values);
    other.before = (name) => name === "commit" && Promise.reject(thrown);
    await fails("STORE_FAILED", () => VectorIndex.destroy("own", { store: other }));
    other.before = (name) => name === "list" && Promise.reject(thrown);
    await fails("STORE_FAILED", () => open(other));
  }
});

test("a checkpoint that does not end in time is given up; nothing is lost, so closing succeeds", async () => {
  const store = new MapStore();
  const index = await open(store);
  let answer;
  store.before = (name) => (name === "commit" ? new Promise((resolve) => (answer = resolve)) : undefined);
  await fill(index, () => answer);
  await until(() => answer, "the checkpoint");
  const { size } = index;
  await index.close({ timeoutMs: 50 });
  const calls = { ...store.calls };
  answer();
  await until(() => store.calls.close === 1, "the store's close");
  assert.deepEqual(store.calls, { ...calls, close: 1 }, "no other call reached it");
  const again = await open(new MapStore(store.values));
  await whole(again, size);
  await again.close();
});

test("a store that fails after closing took too long causes no unhandled rejection", async () => {
  const values = new Map();
  const filled = await open(new MapStore(values));
  await fill(filled, () => [...values.keys()].some((key) => key.startsWith("b/")));
  await filled.close();
  const uses = {
    append: (index) => index.insert(vectors[0]),
    commit: (index, isSeen) => fill(index, isSeen),
    read: (index) => index.get("r0"),
    close: () => {},
  };
  for (const [name, use] of Object.entries(uses)) {
    const heard = unheard();
    const store = new MapStore(new Map(values));
    const index = await open(store, { maxBytes: 1e8 });
    let fail;
    store.before = (called) => (called === name ? new Promise((_, reject) => (fail = reject)) : undefined);
    const using = Promise.resolve(use(index, () => fail)).catch(() => {});
    if (name !== "close") await until(() => fail, name);
    await index.close({ timeoutMs: 30 }).catch((error) => assert.equal(error.code, "STORE_FAILED"));
    await using;
    fail(new Error(`a late ${name}`));
    const reasons = await heard();
    assert.deepEqual(reasons.map(String), [], name);
    assert.equal(store.calls.close, 1, "and the store is closed in the end");
  }
});

test("a store whose close hangs does not hold up closing", async () => {
  const store = new MapStore();
  const index = await open(store);
  store.before = (name) => (name === "close" ? new Promise(() => {}) : undefined);
  const began = performance.now();
  await index.close({ timeoutMs: 30 });
  assert.ok(performance.now() - began < 1000);
});

test("running calls end before the index does, and their changes are stored", async () => {
  const values = new Map();
  const filled = await open(new MapStore(values));
  await fill(filled, () => [...values.keys()].some((key) => key.startsWith("b/")));
  await filled.close();
  const store = new MapStore(values);
  const index = await open(store, { maxBytes: 1e8 });
  const flatRows = { vectors: new Float32Array(2000 * WIDE).map((_, i) => (i * 7919) % 1000 - 500) };
  const calls = {
    insert: index.insert(vectors[5]), insertMany: index.insertMany(flatRows), deleteMany: index.deleteMany(rows(100, 600).map(({ id }) => id)),
    get: index.get("r7"), search: index.search(vectors[9], { k: 3, include: { vector: true } }), filtered: index.search(vectors[9], { k: 3, filter: { n: 1 } }),
    searchMany: index.searchMany(vectors, { k: 1 }), exported: index.export(), flush: index.flush(),
  };
  const told = Promise.allSettled(Object.values(calls));
  const closing = index.close({ timeoutMs: 60_000 });
  for (const use of [() => index.size, () => index.insert(vectors[0]), () => index.search(vectors[0]), () => index.close(), () => index.compact()]) await fails("CLOSED", use);
  await closing;
  for (const [i, { reason }] of (await told).entries()) assert.equal(reason, undefined, Object.keys(calls)[i]);
  assert.deepEqual((await calls.get).payload, payload);
  assert.equal((await calls.search)[0].id, "r9");
  assert.equal((await calls.insertMany).length, 2000);
  assert.equal(await calls.deleteMany, 500);
  assert.equal(store.broken, undefined);
  const again = await open(new MapStore(values));
  await whole(again, 100 + 1 + 2000);
  await again.close();
});

test("async rows that have not arrived do not hold up closing", async () => {
  const index = await open(new MapStore());
  async function* endless() {
    yield { vector: vectors[0] };
    await new Promise(() => {});
  }
  const inserting = fails("CLOSED", () => index.insertMany(endless()));
  await until(() => index.has(0), "the first row");
  await index.close();
  await inserting;
});

test("what is still under way after half of the time is CLOSED, and disposing waits for the end", async () => {
  const store = new MapStore();
  const index = await open(store);
  await index.insertMany(rows(0, 600));
  await index.deleteMany(rows(0, 300).map(({ id }) => id));
  const running = [index.compact({ sliceMs: 0.5 }), index.insertMany(Array.from({ length: 20 }, () => rows(0, 600).map(({ vector }) => ({ vector }))).flat())];
  const settled = Promise.allSettled(running);
  await pause(20);
  const closing = index.close({ timeoutMs: 400 });
  await fails("CLOSED", () => index.close());
  await fails("CLOSED", () => index.flush());
  await index[asyncDispose]();
  assert.equal(store.calls.close, 1);
  await closing;
  const [compacting, inserting] = await settled;
  assert.equal(inserting.reason?.code, "CLOSED");
  // The compaction may have ended earlier.
  if (compacting.reason) assert.equal(compacting.reason.code, "CLOSED");
  const again = await open(new MapStore(store.values));
  assert.ok(again.size >= 300 && (await again.check()).ok);
  await again.close();
});
