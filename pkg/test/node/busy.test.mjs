// What only shows in a program that runs for long, or in a page that is never idle.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { VectorIndex } from "thermocline";
import { flat, rowsOf, until, whole } from "./helpers.mjs";
import { MapStore } from "./places.mjs";

/** The answers of the filter used last were kept for every id that had ever been asked about. */
test("answers of a filter about records that are gone are forgotten", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const index = await VectorIndex.memory({ dimensions: 4 });
  const vectors = flat(2000, 4);
  const round = async () => {
    const ids = await index.insertMany({ vectors, payloads: new Array(2000).fill({ lang: "de" }) });
    assert.deepEqual(await index.search(vectors.subarray(0, 4), { filter: { lang: "en" } }), []);
    await index.deleteMany(ids);
    await index.compact();
  };
  const held = async (rounds) => {
    for (let i = 0; i < rounds; i++) await round();
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await held(10);
  const grown = (await held(100)) - before;
  assert.ok(grown < 3e6, `${grown} bytes for 200,000 records that are gone`);
  await index.close();
});

/** There idle callbacks come by their timeout, and say that no time is left. */
test("records of a log are linked in a page that is never idle", async () => {
  const vectors = rowsOf(flat(900, 16), 16);
  const store = new MapStore(new Map());
  let index = await VectorIndex.open("busy", { store, dimensions: 16 });
  await index.insertMany(vectors.map((vector) => ({ vector })));
  await index.close();
  const { requestIdleCallback, cancelIdleCallback } = globalThis;
  globalThis.requestIdleCallback = (run) => setTimeout(() => run({ didTimeout: true, timeRemaining: () => 0 }), 20);
  globalThis.cancelIdleCallback = clearTimeout;
  try {
    index = await VectorIndex.open("busy", { store: new MapStore(store.values) });
    assert.equal((await index.stats()).pending, 900);
    await until(async () => (await index.stats()).pending === 0, "all to be linked");
    await whole(index, 900);
    await index.close();
  } finally {
    Object.assign(globalThis, { requestIdleCallback, cancelIdleCallback });
  }
});
