// The data that is shipped: it decodes, its rows match its vectors, and it says what README.md promises.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Dataset, loadDataset } from "../src/common/dataset.js";
import { exactNearest, recall } from "../src/common/exact.js";
import { decodeNpy, halfToFloat, normalizeRows } from "../src/common/npy.js";

const wordnet = new URL("../../data/wordnet/", import.meta.url);

test("float16 bits become the numbers that IEEE 754 says", () => {
  const cases = [[0x3c00, 1], [0xc000, -2], [0x3555, 0.333251953125], [0x7bff, 65504], [0x0001, 2 ** -24], [0x03ff, 1023 * 2 ** -24], [0x0400, 2 ** -14]];
  for (const [bits, value] of cases) assert.equal(halfToFloat(bits), value);
  assert.equal(halfToFloat(0x7c00), Infinity);
  assert.ok(Number.isNaN(halfToFloat(0x7e00)));
  assert.ok(Object.is(halfToFloat(0x8000), -0));
});

for (const [name, rows] of [["base", 5000], ["queries", 200]]) {
  test(`${name}.f16.npy: ${rows} finite vectors of unit length to 1e-3`, async () => {
    const matrix = decodeNpy(await readFile(new URL(`${name}.f16.npy`, wordnet)));
    assert.deepEqual([matrix.rows, matrix.columns], [rows, 384]);
    for (let row = 0; row < rows; row++) {
      const norm = Math.hypot(...matrix.values.subarray(row * 384, (row + 1) * 384));
      assert.ok(Math.abs(norm - 1) < 1e-3, `row ${row} has length ${norm}`);
    }
  });
}

test("every row is complete, its id unique, and all 45 lexnames occur", async () => {
  const { base, queries } = await loadDataset((url) => readFile(url));
  assert.equal(base.rowOfId.size, 5000);
  assert.equal(queries.rowOfId.size, 200);
  assert.equal(new Set(base.rows.map((row) => row.lexname)).size, 45);
  assert.ok(queries.rows.every((row) => !base.rowOfId.has(row.id)), "a held-out query is in the base");
  for (const { id, word, pos, lexname, text } of [...base.rows, ...queries.rows]) {
    assert.match(id, /^(adj|adv|noun|verb)\.\d{8}$/);
    assert.ok(word && text.startsWith(word) && lexname.startsWith(pos), id);
  }
});

test("the licence is there and grants redistribution", async () => {
  const licence = await readFile(new URL("WORDNET-LICENSE.txt", wordnet), "utf8");
  assert.match(licence, /WordNet 3\.0 Copyright 2006 by Princeton University/);
  assert.match(licence, /Permission to use, copy, modify and distribute/);
});

test("files that are not what they should be are refused", async () => {
  const good = await readFile(new URL("queries.f16.npy", wordnet));
  assert.throws(() => decodeNpy(new Uint8Array(200)), /not an \.npy file/);
  assert.throws(() => decodeNpy(good.subarray(0, good.length - 1)), /cut short/);
  const other = Buffer.from(good);
  other.write("<i4", good.indexOf("<f2"), "latin1");
  assert.throws(() => decodeNpy(other), /<f2 or <f4/);
});

test("exact search orders by distance, ties to the lower row, and recall counts by id", () => {
  const rows = ["a", "b", "c", "d"].map((id) => ({ id }));
  const data = new Dataset(rows, normalizeRows(Float32Array.of(0, 2, 1, 1, 3, 0, 5, 0), 2), 2);
  const query = Float32Array.of(1, 0);
  assert.deepEqual(exactNearest(data, query, 3).map(({ row }) => row), [2, 3, 1]);
  assert.deepEqual(exactNearest(data, query, 3, (row) => row !== 2).map(({ row }) => row), [3, 1, 0]);
  assert.equal(recall([{ id: "c" }, { id: "a" }], exactNearest(data, query, 2), data), 0.5);
});
