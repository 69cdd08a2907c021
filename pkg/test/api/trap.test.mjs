// Provoked faults inside WebAssembly: the index reports them from then on, and no other index is affected.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled } from "./helpers.mjs";

/** Creates an index while `WebAssembly.instantiate` is replaced by this function. */
async function whileInstantiating(instantiate, make) {
  const real = WebAssembly.instantiate;
  WebAssembly.instantiate = (...given) => instantiate(() => real(...given));
  try {
    return await make();
  } finally {
    WebAssembly.instantiate = real;
  }
}

/** Returns an index whose core traps in the call of this name once `armed` is set. */
async function trapping(name, error) {
  const state = { armed: false };
  const { index, vectors } = await whileInstantiating(
    async (real) => {
      const { exports } = await real();
      assert.equal(typeof exports[`rawindex_${name}`], "function");
      const trap = (...given) => {
        if (state.armed) throw error;
        return exports[`rawindex_${name}`](...given);
      };
      return { exports: { ...exports, [`rawindex_${name}`]: trap } };
    },
    () => filled(20),
  );
  return { index, vectors, state };
}

test("after a trap the index answers nothing but why, and can be closed", async () => {
  const faults = [new WebAssembly.RuntimeError("unreachable"), new RangeError("Maximum call stack size exceeded"), new Error("recursive use")];
  for (const error of faults) {
    const { index, vectors, state } = await trapping("search", error);
    const { index: other } = await filled(5);
    assert.equal((await index.search(vectors[0], { k: 1 }))[0].id, "r0");
    state.armed = true;
    const thrown = await fails("CORRUPT", () => index.search(vectors[0]), new RegExp(error.message));
    assert.equal(thrown.cause, error);
    state.armed = false;
    const calls = [
      () => index.search(vectors[0]), () => index.insert(vectors[0]), () => index.size, () => index.export(), () => index.compact(),
      () => index.compactWhenIdle(), () => index.dimensions,
    ];
    for (const call of calls) await fails("CORRUPT", call, /cannot be used any more/);
    assert.equal((await other.search(vectors[0], { k: 5 })).length, 5);
    await index.close();
    await fails("CLOSED", () => index.size);
  }
});

test("a trap while idle time is used stops the hook, and the next call tells", async () => {
  const { index, state } = await trapping("compactStep", new WebAssembly.RuntimeError("unreachable"));
  await index.deleteMany(Array.from({ length: 15 }, (_, i) => `r${i}`));
  state.armed = true;
  index.compactWhenIdle();
  await new Promise((resolve) => setTimeout(resolve, 60));
  await fails("CORRUPT", () => index.size);
  await index.close();
});

test("no room for another instance is OUT_OF_MEMORY, and the next try is a try", async () => {
  const error = new RangeError("WebAssembly.Memory(): could not allocate memory");
  const thrown = await fails("OUT_OF_MEMORY", () => whileInstantiating(() => Promise.reject(error), () => VectorIndex.memory({ dimensions: 2 })), /could not allocate/);
  assert.equal(thrown.cause, error);
  assert.equal((await VectorIndex.memory({ dimensions: 2 })).size, 0);
});
