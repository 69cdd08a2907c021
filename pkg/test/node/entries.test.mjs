// One Store object that indexes of several entries of the package use at once.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as esm from "thermocline";
import * as worker from "thermocline/worker";
import { MapStore } from "./places.mjs";

const require = createRequire(import.meta.url);
const ENTRIES = {
  thermocline: esm, "thermocline/worker": worker, "thermocline as CommonJS": require("thermocline"),
  "thermocline/worker as CommonJS": require("thermocline/worker"),
};

for (const [writes, { VectorIndex: Writer }] of Object.entries(ENTRIES)) {
  for (const [reads, { VectorIndex: Reader }] of Object.entries(ENTRIES)) {
    test(`${writes} writes and ${reads} reads: one writes at a time, and the last of them closes the store`, async () => {
      for (const first of ["reader", "writer"]) {
        const store = new MapStore();
        const index = await Writer.open("own", { dimensions: 3, store });
        await index.insert([1, 2, 3]);
        assert.equal(await Reader.open("own", { store }).catch(({ code }) => code), "LOCKED");
        const reader = await Reader.open("own", { store, mode: "readonly" });
        if (first === "reader") await reader.close();
        assert.equal(store.calls.close, 0);
        await index.insert([1, 2, 4]);
        await index.close();
        if (first === "writer") {
          assert.equal(store.calls.close, 0);
          assert.equal((await reader.search([1, 2, 3], { k: 5 })).length, 1);
          await reader.close();
        }
        assert.equal(store.calls.close, 1);
        assert.equal(store.broken, undefined);
      }
    });
  }
}

test("the payload may be a Buffer", async () => {
  for (const { VectorIndex } of Object.values(ENTRIES)) {
    const index = await VectorIndex.memory({ dimensions: 2 });
    await index.insertWithId("a", [1, 2], Buffer.from("some bytes"));
    await index.insertMany([{ id: "b", vector: [1, 2], payload: Buffer.from("some bytes").subarray(5) }, { id: "c", vector: [1, 2], payload: Buffer.alloc(0) }]);
    const found = await Promise.all(["a", "b", "c"].map(async (id) => Buffer.from((await index.get(id)).payload).toString()));
    assert.deepEqual(found, ["some bytes", "bytes", ""]);
    await index.close();
  }
});
