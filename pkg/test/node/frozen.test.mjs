// A directory written by a native program, opened in Node. tests/fixtures/v1/README.md describes its content.
import assert from "node:assert/strict";
import { cp, readFile } from "node:fs/promises";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { whole } from "./helpers.mjs";
import { fresh } from "./places.mjs";

test("an index that a native program has stored is opened, searched, changed and opened again", async () => {
  const path = fresh();
  await cp(`${process.env.THERMOCLINE_FIXTURES}/place`, path, { recursive: true });
  let index = await VectorIndex.open(path, { maxBytes: 60_000 });
  await whole(index, 34);
  assert.deepEqual([index.dimensions, index.metric, index.deletedCount], [20, "cosine", 7]);
  const { vector, payload } = await index.get("row 20");
  assert.deepEqual(payload, { row: 20, name: "глосса" });
  assert.equal((await index.search(vector, { k: 1 }))[0].id, "row 20");
  // The id of row 12 is a number three times as large.
  assert.deepEqual((await index.get(36)).payload, { row: 12, name: "глосса" });
  assert.deepEqual([await index.has("row 50"), await index.has(153), await index.has(0)], [true, true, false], "from the log");
  assert.deepEqual((await index.get(4503599627370443)).payload, { row: 52, name: "глосса" });
  assert.deepEqual([...(await index.get("строка 41 ☃")).payload], Array.from({ length: 41 }, (_, i) => (i * 37) % 256));
  await index.insertWithId("from Node", vector, [1, 2]);
  await index.close();
  index = await VectorIndex.open(path);
  await whole(index, 35);
  assert.deepEqual((await index.get("from Node")).payload, [1, 2]);
  await index.close();
});

test("records that have expired since a native program stored them are gone", async () => {
  const path = fresh();
  await cp(`${process.env.THERMOCLINE_FIXTURES}/expiring`, path, { recursive: true });
  for (const mode of ["readonly", "readwrite"]) {
    const index = await VectorIndex.open(path, { mode });
    await whole(index, 4);
    assert.equal(index.deletedCount, 3);
    await index.close();
  }
  const exported = await VectorIndex.import(await readFile(`${process.env.THERMOCLINE_FIXTURES}/expiring.thermo`));
  await whole(exported, 35);
});
