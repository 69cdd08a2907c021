// Compaction of an index in a store: after the part in memory comes the one in the store.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, flat, rowsOf, whole } from "./helpers.mjs";
import { KINDS, MapStore } from "./places.mjs";

const DIMENSIONS = 64;
const COUNT = 3000;
const vectors = rowsOf(flat(COUNT, DIMENSIONS), DIMENSIONS);
const rows = vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i, text: "payload ".repeat(20) } }));
const DELETED = Array.from({ length: 1000 }, (_, i) => `r${3 * i}`);

async function fragmented(name, options) {
  const index = await VectorIndex.open(name, { dimensions: DIMENSIONS, ...options });
  await index.insertMany(rows);
  await index.flush();
  await index.deleteMany(DELETED);
  return index;
}

for (const { label, place } of KINDS) {
  test(`${label}: progress goes on in the store, to the end and never back`, async () => {
    for (const erase of [false, true]) {
      const index = await fragmented(...place()());
      const seen = [];
      const report = await index.compact({ erase, onProgress: (progress) => seen.push(progress) });
      assert.equal(report.tombstonesRemoved, 1000);
      const phases = [...new Set(seen.map(({ phase }) => phase))];
      assert.deepEqual(phases.slice(phases.indexOf("store")), erase ? ["store", "erase"] : ["store"]);
      assert.deepEqual([...new Set(seen.map(({ total }) => total))].length, 1);
      for (const [i, { done, total }] of seen.entries()) assert.ok(done >= (seen[i - 1]?.done ?? 0) && done <= total, `${i}: ${done} of ${total}`);
      assert.equal(seen.at(-1).done, seen.at(-1).total);
      // Idle time may have written a checkpoint just before, which leaves nothing to do; but not for erasing.
      const steps = new Set(seen.filter(({ phase }) => phase === "erase").map(({ done }) => done));
      if (erase) assert.ok(steps.size > 1, `${steps.size} steps`);
      if (!erase) assert.deepEqual((await index.stats()).lastCompaction, report);
      await whole(index, COUNT - 1000);
      await index.close();
    }
  });
}

test("the duration of a compaction includes what it waits for in the store", async () => {
  const store = new MapStore();
  const index = await fragmented("own", { store });
  const commit = store.commit.bind(store);
  let commits = 0;
  store.commit = async (batch) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    await commit(batch);
    commits += 1;
  };
  const { durationMs } = await index.compact();
  assert.ok(commits > 0);
  // Clocks may be rounded to milliseconds.
  assert.ok(durationMs >= 45 * commits, `${durationMs} ms, ${commits} commits`);
  await index.close();
});

test("progress never goes back, though the index changes in the middle and a job of idle time comes first", async () => {
  const index = await fragmented("own", { store: new MapStore() });
  const stop = index.compactWhenIdle({ sliceMs: 0.05 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  let next = 3 * 1000;
  await index.delete("r1");
  const seen = [];
  const changing = [];
  const onProgress = (progress) => {
    seen.push(progress);
    changing.push(index.upsert(`r${(next += 1)}`, vectors[next % COUNT]), index.delete(`r${next - 1500}`));
  };
  await index.compact({ erase: true, onProgress });
  stop();
  await Promise.all(changing);
  assert.equal(new Set(seen.map(({ total }) => total)).size, 1);
  for (const [i, { done, total }] of seen.entries()) assert.ok(done >= (seen[i - 1]?.done ?? 0) && done <= total, `${i}: ${done} of ${total}`);
  assert.equal(seen.at(-1).done, seen.at(-1).total);
  await whole(index, index.size);
  await index.close();
});

test("a second compact joins one that is being completed in the store", async () => {
  const index = await fragmented("own", { store: new MapStore() });
  let joined;
  const onProgress = ({ phase }) => {
    if (phase === "store") joined ??= index.compact();
  };
  const report = await index.compact({ onProgress });
  assert.equal(report.tombstonesRemoved, 1000);
  assert.deepEqual(await joined, report);
  assert.match(await index.metrics(), /^thermocline_compaction_duration_seconds_count 1$/m);
  // It joins none that leaves out what has been deleted since.
  await index.deleteMany(["r1", "r2"]);
  let later;
  await index.compact({
    async onProgress({ phase }) {
      if (phase !== "store" || later) return;
      later = index.delete("r4").then(() => index.compact());
    },
  });
  assert.equal((await later).tombstonesRemoved, 1);
  await whole(index, COUNT - 1003);
  await index.close();
});

test("an exception of onProgress in the store's part is the caller's own, and the compaction is completed", async () => {
  const index = await fragmented("own", { store: new MapStore() });
  const own = new Error("the caller's own");
  const onProgress = ({ phase }) => {
    if (phase === "store") throw own;
  };
  await assert.rejects(index.compact({ onProgress }), (error) => error === own);
  await index.flush();
  assert.equal((await index.stats()).lastCompaction.tombstonesRemoved, 1000);
  await whole(index, COUNT - 1000);
  await index.close();
});

test("a compaction that the store fails counts as a failure", async () => {
  const store = new MapStore();
  const index = await fragmented("own", { store });
  const failures = async () => Number(/^thermocline_compaction_failures_total (\d+)$/m.exec(await index.metrics())[1]);
  assert.equal(await failures(), 0);
  store.before = (name) => {
    if (name === "commit") throw new Error("no room today");
  };
  assert.equal((await index.compact()).tombstonesRemoved, 1000);
  assert.equal(await failures(), 1);
  await fails("STORE_FAILED", () => index.flush(), /no room today/);
  await fails("STORE_FAILED", () => index.compact({ erase: true }), /no room today/);
  assert.ok((await failures()) >= 2);
  store.before = () => {};
  await index.compact({ erase: true });
  await whole(index, COUNT - 1000);
  await index.close();
});
