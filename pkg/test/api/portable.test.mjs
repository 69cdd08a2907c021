// export and import: the portable bytes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, random, rowsOf, whole } from "./helpers.mjs";

test("an imported index gives the answers of the exported one, and accepts changes", async () => {
  for (const options of [{}, { metric: "l2", quantization: "none" }, { metric: "dot" }, { quantization: "binary" }]) {
    const { index, vectors } = await filled(300, options);
    await index.insertWithId(77, vectors[0], new Uint8Array([5, 6]));
    await index.insert(vectors[1]);
    await index.deleteMany(["r3", "r4"]);
    const copy = await VectorIndex.import(await index.export());
    assert.deepEqual([copy.size, copy.dimensions, copy.metric], [300, 16, options.metric ?? "cosine"]);
    for (const query of vectors.slice(0, 20)) {
      assert.deepEqual(await copy.search(query, { include: { vector: true } }), await index.search(query, { include: { vector: true } }));
    }
    assert.deepEqual([...(await copy.get(77)).payload], [5, 6]);
    assert.equal(await copy.has("r3"), false);
    assert.equal(await copy.insert(vectors[2]), 79);
    await copy.delete("r5");
    await copy.compact();
    await whole(copy, 300);
    await whole(index, 300);
  }
});

test("the same input, order and seed: the same bytes; and again after import", async () => {
  const make = async (seed) => {
    const index = await VectorIndex.memory({ dimensions: 8, seed });
    await index.insertMany({ vectors: flat(200, 8) });
    return index.export();
  };
  const bytes = await make(3);
  assert.deepEqual(await make(3), bytes);
  assert.deepEqual(await (await VectorIndex.import(bytes)).export(), bytes);
  const reseeded = await (await VectorIndex.import(bytes, { seed: 4 })).export();
  assert.notEqual(reseeded.join(), bytes.join());
  assert.deepEqual(await (await VectorIndex.import(reseeded, { seed: 3 })).export(), bytes);
});

test("an empty index can be exported and imported", async () => {
  const index = await VectorIndex.memory({ dimensions: 5, metric: "dot" });
  const copy = await VectorIndex.import(await index.export());
  assert.deepEqual([copy.size, copy.dimensions, copy.metric], [0, 5, "dot"]);
  assert.equal(await copy.insert([1, 2, 3, 4, 5]), 0);
});

test("options of import: what may differ and what must not", async () => {
  const { index } = await filled(20);
  const bytes = await index.export();
  const copy = await VectorIndex.import(bytes, { dimensions: 16, metric: "cosine", ef: 30, compactionThreshold: 0.5 });
  assert.ok(Math.abs(copy.compactionThreshold - 0.5) < 1e-6);
  await fails("INVALID_OPTION", () => VectorIndex.import(bytes, { metric: "l2" }));
  await assert.rejects(VectorIndex.import(bytes, { dimensions: 8 }), ({ code }) => code === "DIMENSION_MISMATCH" || code === "INVALID_OPTION");
  for (const options of [null, 5, { ef: 0 }, { store: "fs" }, { durability: "strict" }, { mode: "readonly" }, { maxBytes: 1 }, { signal: 5 }]) {
    await fails("INVALID_OPTION", () => VectorIndex.import(bytes, options));
  }
  await fails("ABORTED", () => VectorIndex.import(bytes, { signal: AbortSignal.abort() }));
});

test("import refuses values and bytes that are not an export", async () => {
  for (const bytes of [undefined, null, "bytes", [1, 2, 3], new ArrayBuffer(9), new Float32Array(9), {}]) {
    await fails("INVALID_OPTION", () => VectorIndex.import(bytes));
  }
  const next = random(9);
  for (const length of [0, 1, 3, 8, 64, 1000]) {
    await fails("CORRUPT", () => VectorIndex.import(Uint8Array.from({ length }, () => next() * 256)));
  }
});

test("bytes cut short, lengthened, or with any bit flipped", async () => {
  const index = await VectorIndex.memory({ dimensions: 4 });
  await index.insertMany(rowsOf(flat(6, 4), 4).map((vector, i) => ({ id: `r${i}`, vector, payload: { i } })));
  const bytes = await index.export();
  const refused = (wrong, what) => assert.rejects(
    VectorIndex.import(wrong),
    ({ name, code }) => name === "ThermoclineError" && (code === "CORRUPT" || code === "UNSUPPORTED_VERSION"),
    what,
  );
  const cuts = Array.from({ length: 40 }, (_, i) => Math.floor((i / 40) * bytes.length));
  for (const length of [...cuts, bytes.length - 1]) await refused(bytes.slice(0, length), `cut to ${length}`);
  await refused(Uint8Array.of(...bytes, 0), "lengthened");
  const step = Math.max(1, Math.floor(bytes.length / 300));
  for (let at = 0; at < bytes.length; at += step) {
    const flipped = bytes.slice();
    flipped[at] ^= 1 << (at % 8);
    await refused(flipped, `bit ${at % 8} of byte ${at} of ${bytes.length}`);
  }
});

test("bytes in the middle of a larger buffer", async () => {
  const { index } = await filled(20);
  const bytes = await index.export();
  const larger = new Uint8Array(bytes.length + 13);
  larger.set(bytes, 7);
  const copy = await VectorIndex.import(larger.subarray(7, 7 + bytes.length));
  await whole(copy, 20);
});
