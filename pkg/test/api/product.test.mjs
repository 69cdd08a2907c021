// Product codes: untrained, trained in slices, and then exact hits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, rowsOf, whole } from "./helpers.mjs";

const DIMENSIONS = 24;

test("a search is UNTRAINED until there are enough records, and trains then", async () => {
  const { index, vectors } = await filled(1023, { dimensions: DIMENSIONS, quantization: "product" });
  await fails("UNTRAINED", () => index.search(vectors[0]), /1024.*1023/);
  await fails("UNTRAINED", () => index.searchMany(vectors.slice(0, 3)), /1024/);
  assert.deepEqual((await index.get("r5")).payload, { n: 5 });
  const untrained = await VectorIndex.import(await index.export());
  await fails("UNTRAINED", () => untrained.search(vectors[0]));
  for (const one of [index, untrained]) {
    await one.insert(vectors[0]);
    const [first, many] = await Promise.all([one.search(vectors[9], { k: 1 }), one.searchMany(vectors.slice(0, 40), { k: 1 })]);
    assert.deepEqual(first, [{ id: "r9", distance: first[0].distance, payload: { n: 9 } }]);
    assert.ok(many.distances.every((distance) => distance < 1e-6));
    assert.equal((await one.stats()).pending, 0);
    await whole(one, 1024);
  }
});

test("a search that trains first ends with ABORTED when its signal fires", async () => {
  for (const search of ["search", "searchMany"]) {
    const { index, vectors } = await filled(1023, { dimensions: 192, quantization: "product" });
    await index.insert(vectors[0]);
    const aborter = new AbortController();
    const query = search === "search" ? vectors[3] : vectors.slice(0, 2);
    const call = index[search](query, { signal: aborter.signal });
    aborter.abort();
    await fails("ABORTED", () => call);
    assert.ok(await index[search](query));
    await whole(index, 1024);
  }
});

test("the hits are those of int8, and a code is one cache line", async () => {
  const [product, int8] = await Promise.all(["product", "int8"].map(async (quantization) => (await filled(2000, { dimensions: DIMENSIONS, quantization })).index));
  for (const query of rowsOf(flat(2000, DIMENSIONS), DIMENSIONS).slice(0, 20)) {
    const [hits, expected] = await Promise.all([product, int8].map((index) => index.search(query, { ef: 300 })));
    assert.deepEqual(hits, expected);
  }
  const { codes } = (await product.stats()).bytes;
  assert.ok(codes > 2000 * 64 && codes < 2048 * 64 + 263_000, `${codes} bytes`);
});

test("an imported index has the codebook, and exports the same bytes", async () => {
  const { index, vectors } = await filled(1500, { dimensions: DIMENSIONS, quantization: "product", metric: "l2" });
  await index.search(vectors[0]);
  await index.deleteMany(["r1", "r2"]);
  await index.compact();
  const bytes = await index.export();
  const copy = await VectorIndex.import(bytes, { quantization: "product" });
  assert.deepEqual(await copy.export(), bytes);
  assert.deepEqual(await copy.searchMany(vectors.slice(0, 50)), await index.searchMany(vectors.slice(0, 50)));
  await fails("INVALID_OPTION", () => VectorIndex.import(bytes, { quantization: "binary" }), /product/);
  await copy.clear();
  await fails("UNTRAINED", () => copy.search(vectors[0]));
});

// It consists of averages, deleted vectors' among them, and without it no code means anything.
test("erase leaves the codebook as it is", async () => {
  const { index, vectors } = await filled(1500, { dimensions: DIMENSIONS, quantization: "product" });
  await index.search(vectors[0]);
  const before = codebook(await index.export());
  await index.deleteMany(Array.from({ length: 1000 }, (_, i) => `r${i}`));
  assert.equal((await index.compact({ erase: true })).tombstonesRemoved, 1000);
  assert.deepEqual(codebook(await index.export()), before);
  assert.equal((await index.search(vectors[1200], { k: 1 }))[0].id, "r1200");
});

/** Returns the section of an export that holds a product index's codebook, found as docs/FORMAT.md says. */
function codebook(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [header, entry, kind] = [64, 32, 3];
  const at = header + entry * (kind - 1);
  assert.equal(view.getBigUint64(at, true), BigInt(kind));
  const [start, length] = [8, 16].map((field) => Number(view.getBigUint64(at + field, true)));
  assert.ok(length > 256 * 16, `${length} bytes`);
  return bytes.slice(start, start + length);
}
