// Records that opening finds in logs: searched at once, linked later.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, flat, pause, rowsOf, until, whole } from "./helpers.mjs";
import { KINDS, MapStore } from "./places.mjs";

const DIMENSIONS = 16;
const COUNT = 900;
const vectors = rowsOf(flat(COUNT, DIMENSIONS), DIMENSIONS);
const rows = vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i } }));

const opener = (place) => (options) => {
  const [name, at] = place();
  return VectorIndex.open(name, { ...at, ...options });
};
const pending = async (index) => (await index.stats()).pending;

for (const { label, place } of KINDS) {
  test(`${label}: what the log tells of is found at once, and in the end the bytes are those of an index that was never closed`, async () => {
    const open = opener(place());
    const never = await VectorIndex.memory({ dimensions: DIMENSIONS });
    let index = await open({ dimensions: DIMENSIONS });
    for (const each of [never, index]) {
      await each.insertMany(rows);
      await each.deleteMany(["r1", "r500"]);
    }
    await index.close();
    index = await open();
    assert.equal(await pending(index), COUNT, "opening links nothing");
    for (let i = 2; i < COUNT; i += 90) {
      const [hit] = await index.search(vectors[i], { k: 1 });
      assert.deepEqual([hit.id, hit.payload], [`r${i}`, { n: i }]);
    }
    await whole(index, COUNT - 2);
    for (const each of [never, index]) await each.insertWithId("new", vectors[1]);
    assert.ok((await pending(index)) < COUNT, "an insert links some");
    assert.deepEqual(await index.export(), await never.export());
    assert.equal(await pending(index), 0);
    await index.close();
    await never.close();
  });
}

/** Returns the values of a store whose log contains all rows. */
async function stored() {
  const values = new Map();
  const index = await VectorIndex.open("own", { store: new MapStore(values), dimensions: DIMENSIONS });
  await index.insertMany(rows);
  await index.close();
  return values;
}

for (const mode of ["readwrite", "readonly"]) {
  test(`${mode}: all records from the log are linked in idle time`, async () => {
    const index = await VectorIndex.open("own", { store: new MapStore(await stored()), mode });
    await until(async () => (await pending(index)) === 0);
    await whole(index, COUNT);
    await index.close();
  });
}

test("a checkpoint and a move first link all pending records", async () => {
  const values = await stored();
  const index = await VectorIndex.open("own", { store: new MapStore(values) });
  // Exceeds the limit of the log, so that a checkpoint follows the commit.
  await index.insertWithId("long", vectors[0], new Uint8Array(2 << 20));
  await index.close();
  assert.ok([...values.keys()].some((key) => key.startsWith("b/")), "closing has made a checkpoint, for which all was linked");

  const moving = await VectorIndex.open("own", { store: new MapStore(await stored()) });
  const [moved, found] = await Promise.all([moving.reload(), moving.search(vectors[7], { k: 1 })]);
  assert.ok(moved.returnedBytes >= 0);
  assert.equal(found[0].id, "r7");
  assert.equal(await pending(moving), 0, "it was read from a checkpoint");
  await whole(moving, COUNT);
  await moving.close();
});

test("a compaction first links all pending records, in its own slices", async () => {
  const index = await VectorIndex.open("own", { store: new MapStore(await stored()) });
  await index.deleteMany(rows.slice(0, 400).map(({ id }) => id));
  const seen = [];
  const report = await index.compact({ sliceMs: 1, onProgress: ({ done, total }) => seen.push(done / total) });
  assert.deepEqual([report.tombstonesRemoved, report.newSize, await pending(index)], [400, COUNT - 400, 0]);
  assert.ok(seen.length > 3 && seen.every((share, i) => share >= (seen[i - 1] ?? 0) && share <= 1), `${seen}`);
  await whole(index, COUNT - 400);
  await index.close();
});

test("closing does not link pending records unless a checkpoint is due", async () => {
  const store = new MapStore(await stored());
  const index = await VectorIndex.open("own", { store });
  const before = store.calls.commit;
  await index.close();
  assert.equal(store.calls.commit, before);
  await fails("CLOSED", () => index.size);
  await pause(20);
  assert.equal(store.broken, undefined);
});
