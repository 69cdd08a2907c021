// Nothing that an index registers with its platform is left after it is closed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, flat, pause, rowsOf, until } from "./helpers.mjs";
import { watch } from "./owned.mjs";
import { fresh, KINDS, MapStore, NAMES } from "./places.mjs";

const DIMENSIONS = 64;
const vectors = rowsOf(flat(600, DIMENSIONS), DIMENSIONS);
const rows = vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: "payload ".repeat(60) }));

/** What a turn of the event loop is requested with: a browser has no `setImmediate`. */
const TURNS = ["setImmediate", "MessageChannel"];

/** Returns the Web Locks held or requested; none without Web Locks. */
async function locks() {
  const { held = [], pending = [] } = (await globalThis.navigator?.locks?.query?.()) ?? {};
  return [...held, ...pending].map(({ name }) => name).sort();
}

/**
 * Starts everything at once: idle compaction, a compaction and an insert with signals, a planned checkpoint, reading
 * ahead.
 */
async function begin(index) {
  const { signal } = new AbortController();
  index.compactWhenIdle();
  await index.insertMany(rows, { upsert: true });
  await index.deleteMany(rows.slice(0, 400).map(({ id }) => id));
  const endless = (async function* () {
    for (;;) yield { vector: vectors[0] };
  })();
  // `allSettled` handles calls that reject before their outcomes are awaited.
  const outcomes = Promise.allSettled([index.compact({ sliceMs: 0.5, signal }), index.insertMany(endless, { signal }), index.search(vectors[0])]);
  return { outcomes };
}

for (const { label, place } of [{ label: "memory" }, ...KINDS]) {
  test(`${label}: an index closed in the middle of everything leaves nothing pending`, async () => {
    const held = await locks();
    const at = place?.();
    for (const round of [0, 1]) {
      const seen = watch();
      try {
        const open = ([name, options]) => VectorIndex.open(name, { dimensions: DIMENSIONS, ...options });
        const index = at ? await open(at()) : await VectorIndex.memory({ dimensions: DIMENSIONS });
        const { outcomes } = await begin(index);
        for (let turn = 0; turn < 100 && !seen.waiting().includes("listener"); turn++) await pause();
        const before = seen.waiting();
        if (round) await pause(20);
        await index.close();
        assert.ok(before.includes("listener"), `before: ${before}`);
        assert.ok((await outcomes).some(({ reason }) => reason?.code === "CLOSED"));
        // A turn that was requested just before closing still comes, at once.
        await until(() => !TURNS.some((turn) => seen.waiting().includes(turn)), "the last turn");
        assert.deepEqual(seen.waiting(), []);
      } finally {
        seen.end();
      }
      assert.deepEqual(await locks(), held);
    }
  });
}

test("a checkpoint and a reading ahead that are planned are taken back, and so is the idle turn of a hook that stops", async () => {
  const values = new Map();
  const first = await VectorIndex.open("own", { store: new MapStore(values), dimensions: DIMENSIONS });
  for (let round = 0; round < 4; round++) await first.insertMany(rows, { upsert: true });
  await first.close();
  const seen = watch();
  try {
    const index = await VectorIndex.open("own", { store: new MapStore(values) });
    // Reading ahead and linking wait for their first idle turn.
    assert.equal(seen.waiting().length, 2, seen.waiting().join());
    await index.close();
    assert.deepEqual(seen.waiting(), []);
    const memory = await VectorIndex.memory({ dimensions: DIMENSIONS });
    await memory.insertMany(rows);
    await memory.deleteMany(rows.slice(0, 400).map(({ id }) => id));
    const stop = memory.compactWhenIdle();
    assert.equal(seen.waiting().length, 1, seen.waiting().join());
    stop();
    assert.deepEqual(seen.waiting(), []);
    stop();
    await pause(20);
    assert.equal(memory.deletedCount, 400, "it does not run any more");
    memory.compactWhenIdle();
    await until(() => memory.deletedCount === 0, "another hook's compaction");
    await memory.close();
  } finally {
    seen.end();
  }
});

test("without requestIdleCallback idle time is asked for by a task or a timer, which are taken back", async (t) => {
  if (typeof setImmediate === "function") return t.skip("only a browser has them");
  const { requestIdleCallback } = globalThis;
  const scheduler = Object.getOwnPropertyDescriptor(globalThis, "scheduler");
  globalThis.requestIdleCallback = undefined;
  try {
    for (const kind of ["postTask", "setTimeout"]) {
      if (kind === "setTimeout") Object.defineProperty(globalThis, "scheduler", { value: undefined, configurable: true });
      else if (!globalThis.scheduler?.postTask) continue;
      const index = await VectorIndex.memory({ dimensions: DIMENSIONS });
      await index.insertMany(rows);
      await index.deleteMany(rows.slice(0, 400).map(({ id }) => id));
      const seen = watch();
      try {
        const stop = index.compactWhenIdle();
        assert.deepEqual(seen.waiting(), [kind]);
        stop();
        assert.deepEqual(seen.waiting(), []);
        index.compactWhenIdle();
        assert.deepEqual(seen.waiting(), [kind]);
        await index.close();
        assert.deepEqual(seen.waiting(), []);
      } finally {
        seen.end();
      }
    }
  } finally {
    globalThis.requestIdleCallback = requestIdleCallback;
    if (scheduler) Object.defineProperty(globalThis, "scheduler", scheduler);
    else delete globalThis.scheduler;
  }
});

test("without Web Locks the channel of a writer is closed with its index, and that of one that is LOCKED at once", async (t) => {
  if (typeof Navigator !== "function" || !NAMES.includes("indexeddb")) return t.skip("only a browser has such locks");
  const locks = Object.getOwnPropertyDescriptor(Navigator.prototype, "locks");
  delete Navigator.prototype.locks;
  try {
    for (const store of NAMES) {
      const name = fresh();
      const seen = watch();
      const channels = () => seen.waiting().filter((kind) => kind === "BroadcastChannel").length;
      // As a page that has the lock.
      const other = { close: () => {} };
      const { BroadcastChannel } = globalThis;
      try {
        const open = () => VectorIndex.open(name, { store, dimensions: DIMENSIONS });
        const index = await open();
        assert.equal(channels(), 1);
        await fails("LOCKED", open);
        assert.equal(channels(), 1, "the page itself has the lock, and asks nobody");
        await index.insertMany(rows);
        await index.close();
        await until(() => !seen.waiting().includes("MessageChannel"), "the last turn");
        assert.deepEqual(seen.waiting(), []);
        // Who asks next is refused by an owner that listens on the same channel.
        globalThis.BroadcastChannel = function (named) {
          const owner = new BroadcastChannel(named);
          owner.onmessage = ({ data: { asks } }) => owner.postMessage({ refuses: asks });
          other.close = () => owner.close();
          return new BroadcastChannel(named);
        };
        await fails("LOCKED", open);
        assert.equal(channels(), 1, "that of the owner");
        other.close();
        assert.deepEqual(seen.waiting(), []);
      } finally {
        globalThis.BroadcastChannel = BroadcastChannel;
        seen.end();
        await VectorIndex.destroy(name, { store });
      }
    }
  } finally {
    Object.defineProperty(Navigator.prototype, "locks", locks);
  }
});
