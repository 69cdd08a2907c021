// Which instance begins to pack, and which only to compact: seen by the calls of the core's own exports.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { MapStore } from "./places.mjs";

const begun = [];
const { Instance, instantiate } = WebAssembly;
const watched = (exports) => Object.fromEntries(Object.entries(exports).map(([name, value]) => {
  const begins = /_(packStart|compactStart)$/.exec(name)?.[1];
  return [name, begins ? (...args) => (begun.push(begins), value(...args)) : value];
}));
WebAssembly.Instance = class {
  constructor(module, imports) {
    return { exports: watched(new Instance(module, imports).exports) };
  }
};
WebAssembly.instantiate = async (module, imports) => {
  const made = await instantiate(module, imports);
  return made.instance ? { ...made, instance: { exports: watched(made.instance.exports) } } : { exports: watched(made.exports) };
};
after(() => Object.assign(WebAssembly, { Instance, instantiate }));
const { VectorIndex } = await import("thermocline");

const DIMENSIONS = 16;
const vectors = Float32Array.from({ length: 3000 * DIMENSIONS }, (_, i) => Math.sin(i * i));
const makers = {
  memory: () => VectorIndex.memory({ dimensions: DIMENSIONS }),
  stored: () => VectorIndex.open("packing", { dimensions: DIMENSIONS, store: new MapStore(new Map()) }),
};

/** Packs an index in slices, and calls `meanwhile` after some of them. Returns what was begun. */
async function begunBy(make, meanwhile) {
  const index = await make();
  await index.insertMany({ vectors });
  begun.length = 0;
  let [slices, others] = [0, undefined];
  await index.compact({
    pack: true, sliceMs: 0.2,
    onProgress: () => {
      if (++slices === 5) others = meanwhile(index);
    },
  });
  await others;
  assert.equal((await index.check()).ok, true);
  const seen = begun.splice(0);
  await index.close();
  return seen;
}

for (const [place, make] of Object.entries(makers)) {
  /** The fresh instance has no code for packing, and once only compacted. */
  test(`${place}: packing that a reload interrupts starts over as packing`, async () => {
    const again = ["packStart", "packStart"];
    assert.deepEqual(await begunBy(make, (index) => index.reload()), again);
    assert.deepEqual(await begunBy(make, (index) => index.reload().then(() => index.compact())), again, "another call joins it");
    const maintained = (index) => index.reload().then(() => index.maintain({ timeRemaining: () => 2 }));
    assert.deepEqual(await begunBy(make, maintained), again, "a caller's own loop works on it");
  });
}
