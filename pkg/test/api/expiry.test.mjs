// Expired records: never returned by any call, no matter how long the index was closed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, pause, rowsOf, state, until, whole } from "./helpers.mjs";
import { KINDS } from "./places.mjs";

const DIMENSIONS = 16;
const vectors = rowsOf(flat(300, DIMENSIONS), DIMENSIONS);
/** Longer than any test takes. */
const LONG_MS = 3_600_000;

/** Runs `use` with a clock that advances only when and as far as `use` says. */
async function withClock(use) {
  const { now } = Date;
  let ahead = 0;
  const start = Date.now();
  Date.now = () => start + ahead;
  try {
    await use((ms) => (ahead += ms));
  } finally {
    Date.now = now;
  }
}

test("an expired record is returned by nothing, swept or not", async () => {
  await withClock(async (pass) => {
    const { index } = await filled(50, { dimensions: DIMENSIONS });
    assert.equal(await index.insert(vectors[60], "number", { ttlMs: 1000 }), 0);
    await index.insertWithId("with id", vectors[61], undefined, { ttlMs: 1000 });
    await index.upsert("r3", vectors[62], undefined, { ttlMs: 1000 });
    await index.insertMany([{ id: "row", vector: vectors[63], ttlMs: 1000 }, { id: "stays", vector: vectors[64], ttlMs: LONG_MS }]);
    await whole(index, 54);
    const asked = (filter) => index.search(vectors[60], { k: 100, ef: 400, filter });
    assert.equal((await asked()).length, 54);
    pass(999);
    await whole(index, 54);
    pass(1);
    assert.equal(index.size, 50, "a property that is read first");
    assert.equal(index.deletedCount, 5);
    const gone = [0, "with id", "r3", "row"];
    for (const id of gone) assert.deepEqual([await index.has(id), await index.get(id), await index.delete(id)], [false, undefined, false]);
    for (const hits of [await asked(), await asked(() => true)]) {
      assert.equal(hits.length, 50);
      assert.ok(!hits.some(({ id }) => gone.includes(id)));
    }
    assert.equal((await VectorIndex.import(await index.export())).size, 50);
    assert.ok(await index.has("stays"));
    // The ids are free, and numbers continue.
    await index.insertWithId("row", vectors[63]);
    assert.equal(await index.insert(vectors[60]), 1);
    const report = await index.compact();
    assert.deepEqual([report.tombstonesRemoved, report.newSize, index.deletedCount], [5, 52, 0]);
    await whole(index, 52);
  });
});

test("what expires while nobody asks is swept by the compaction, and each call finds it gone", async () => {
  await withClock(async (pass) => {
    for (const first of [
      async (index) => assert.equal((await index.compact()).tombstonesRemoved, 1),
      async (index) => assert.equal((await index.search(vectors[0], { k: 9 })).length, 1),
      async (index) => assert.equal((await index.stats()).size, 1),
      async (index) => assert.equal((await index.check()).live, 1),
      async (index) => assert.equal(await index.deleteMany(["brief", "other"]), 1),
      async (index) => assert.deepEqual(await index.insertMany([{ id: "brief", vector: vectors[1] }]), ["brief"]),
      async (index) => assert.equal(await index.insertWithId("brief", vectors[1]), "brief"),
      async (index) => assert.equal((await VectorIndex.import(await index.export())).size, 1),
      async (index) => assert.ok(index.needsCompaction),
    ]) {
      const index = await VectorIndex.memory({ dimensions: DIMENSIONS });
      await index.insertMany([{ id: "brief", vector: vectors[0], ttlMs: 5 }, { id: "other", vector: vectors[1] }]);
      pass(5);
      await first(index);
      await index.close();
    }
  });
});

test("an upsert without ttlMs makes a record stay, and one with it is counted anew", async () => {
  await withClock(async (pass) => {
    const index = await VectorIndex.memory({ dimensions: DIMENSIONS });
    for (const id of ["stays", "prolonged", "shortened"]) await index.upsert(id, vectors[0], undefined, { ttlMs: 1000 });
    await index.upsert("stays", vectors[1]);
    await index.insertMany([{ id: "prolonged", vector: vectors[2], ttlMs: 5000 }], { upsert: true });
    await index.upsert("shortened", vectors[3], undefined, { ttlMs: 1 });
    pass(500);
    assert.deepEqual([index.size, await index.has("shortened")], [2, false]);
    pass(1000);
    assert.equal(index.size, 2);
    pass(5000);
    assert.deepEqual([index.size, await index.has("stays")], [1, true]);
  });
});

test("an invalid ttlMs is refused and changes nothing", async () => {
  const { index } = await filled(5);
  const before = await state(index);
  for (const ttlMs of [0, -1, NaN, Infinity, -Infinity, "5", null, {}, 5n]) {
    const options = { ttlMs };
    await fails("INVALID_OPTION", () => index.insert(vectors[0], undefined, options), /ttlMs/);
    await fails("INVALID_OPTION", () => index.insertWithId("new", vectors[0], undefined, options), /ttlMs/);
    await fails("INVALID_OPTION", () => index.upsert("r1", vectors[0], undefined, options), /ttlMs/);
    await fails("INVALID_OPTION", () => index.insertMany([{ vector: vectors[0] }, { vector: vectors[1], ttlMs }]), /row 1.*ttlMs/);
  }
  assert.deepEqual(await state(index), before);
  // The longest and the shortest possible times.
  await index.insert(vectors[0], undefined, { ttlMs: Number.MAX_VALUE });
  await index.insert(vectors[1], undefined, { ttlMs: Number.MIN_VALUE });
  await pause(2);
  await whole(index, 6);
});

test("compacting in idle time wakes up when records have expired", async () => {
  await withClock(async (pass) => {
    const { index } = await filled(30, { dimensions: DIMENSIONS });
    await index.insertMany(vectors.slice(100, 200).map((vector) => ({ vector, ttlMs: 1000 })));
    const reports = [];
    const stop = index.compactWhenIdle({ onReport: (report) => reports.push(report) });
    pass(1000);
    assert.equal(index.size, 30);
    await until(() => reports.length > 0, "a compaction");
    assert.equal(reports[0].tombstonesRemoved, 100);
    stop();
    await whole(index, 30);
    await index.close();
  });
});

test("an index that moves into another instance keeps the moments", async () => {
  await withClock(async (pass) => {
    const { index } = await filled(20, { dimensions: DIMENSIONS });
    await index.insertWithId("brief", vectors[0], undefined, { ttlMs: 1000 });
    const moving = index.reload();
    const inserted = index.insertWithId("meanwhile", vectors[1], undefined, { ttlMs: 2000 });
    await Promise.all([moving, inserted]);
    assert.equal(index.size, 22);
    pass(1000);
    assert.equal(index.size, 21);
    pass(1000);
    assert.equal(index.size, 20);
  });
});

for (const { label, place } of KINDS) {
  test(`${label}: what expires while the index is closed is gone when it is opened`, async () => {
    await withClock(async (pass) => {
      const at = place();
      const open = (options) => {
        const [name, own] = at();
        return VectorIndex.open(name, { ...own, ...options });
      };
      let index = await open({ dimensions: DIMENSIONS });
      const rows = vectors.slice(0, 200).map((vector, i) => ({ id: `r${i}`, vector, payload: i, ttlMs: i % 4 === 0 ? 10_000 : undefined }));
      await index.insertMany(rows);
      // The first rows are in a checkpoint, the later ones in the log.
      assert.ok((await index.reload()).returnedBytes >= 0);
      await index.insertMany(vectors.slice(200).map((vector, i) => ({ id: `later ${i}`, vector, ttlMs: i % 4 === 0 ? 20_000 : LONG_MS })));
      await index.upsert("r4", vectors[4]);
      await whole(index, 300);
      await index.close();
      pass(10_000);

      for (const mode of ["readonly", "readwrite"]) {
        index = await open({ mode });
        assert.equal(index.size, 251, mode);
        assert.deepEqual([await index.has("r0"), await index.get("r8"), await index.has("r4"), await index.has("later 0")], [false, undefined, true, true]);
        const hits = await index.search(vectors[0], { k: 300, ef: 600 });
        assert.ok(hits.length === 251 && hits.every(({ id }) => !/^r\d*[02468]$/.test(id) || Number(id.slice(1)) % 4 !== 0 || id === "r4"));
        if (mode === "readonly") await index.close();
      }
      pass(10_000);
      await whole(index, 226);
      const report = await index.compact();
      assert.equal(report.newSize, 226);
      await index.reload();
      await whole(index, 226);
      await index.close();

      index = await open({ maxBytes: 400_000 });
      await whole(index, 226);
      pass(LONG_MS);
      await whole(index, 151);
      await index.close();
    });
  });
}
