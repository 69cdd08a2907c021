// Automatic compaction: in idle time, and in a caller's own loop.
import assert from "node:assert/strict";
import { test } from "node:test";
import { filled, pause, unheard, until, whole } from "./helpers.mjs";

const some = (count, from = 0) => Array.from({ length: count }, (_, i) => `r${from + i}`);

test("compactWhenIdle compacts what is there, reports, and sleeps", async () => {
  const { index } = await filled(800);
  await index.deleteMany(some(400));
  const reports = [];
  const stop = index.compactWhenIdle({ sliceMs: 2, onReport: (report) => reports.push(report) });
  await until(() => reports.length === 1, "a report");
  assert.deepEqual([reports[0].tombstonesRemoved, reports[0].newSize, index.deletedCount], [400, 400, 0]);
  await pause(30);
  assert.equal(reports.length, 1, "nothing more to do");
  stop();
  await whole(index, 400);
});

test("deletes, upserts and a new threshold wake compactWhenIdle", async () => {
  const { index, vectors } = await filled(400);
  const reports = [];
  const stop = index.compactWhenIdle({ onReport: (report) => reports.push(report) });
  await pause(20);
  assert.equal(reports.length, 0);
  await index.deleteMany(some(200));
  await until(() => reports.length === 1, "the report after deletes");
  for (let i = 200; i < 350; i++) await index.upsert(`r${i}`, vectors[i]);
  await until(() => reports.length === 2, "the report after upserts");
  await until(() => !index.needsCompaction, "quiet");
  const before = reports.length;
  await index.deleteMany(some(20, 200));
  index.compactionThreshold = 0.01;
  await until(() => reports.length > before, "the report after a new threshold");
  stop();
  await whole(index, 180);
});

test("stop ends compactWhenIdle", async () => {
  const { index } = await filled(400);
  const reports = [];
  const stop = index.compactWhenIdle({ onReport: (report) => reports.push(report) });
  stop();
  stop();
  await index.deleteMany(some(300));
  await pause(50);
  assert.equal(reports.length, 0);
  assert.equal(index.deletedCount, 300);
});

test("compactWhenIdle and compact share a compaction, which ends, and whose report all get", async () => {
  let removed = 0;
  // Idle time may end the compaction before the call comes. Then the next has less of it.
  for (const idleMs of [15, 5, 1, 0]) {
    const { index } = await filled(1500);
    await index.deleteMany(some(700));
    const reports = [[], []];
    const stops = reports.map((list) => index.compactWhenIdle({ sliceMs: 0.05, onReport: (report) => list.push(report) }));
    await pause(idleMs);
    const report = await index.compact({ sliceMs: 20 });
    await until(() => reports.every((list) => list.length === 1), "both reports");
    assert.deepEqual(reports.map(([{ tombstonesRemoved }]) => tombstonesRemoved), [700, 700]);
    for (const stop of stops) stop();
    await whole(index, 800);
    await index.close();
    removed = report.tombstonesRemoved;
    if (removed > 0) break;
  }
  assert.equal(removed, 700);
});

test("a slice in idle time that fails does not undo the work of a compact that is under way", async () => {
  const { index } = await filled(3000);
  await index.deleteMany(some(1000));
  const { measure } = performance;
  const { requestIdleCallback: request, cancelIdleCallback: cancel } = globalThis;
  let idle;
  Object.assign(globalThis, { requestIdleCallback: (run) => ((idle = run), 1), cancelIdleCallback: () => {} });
  const seen = [];
  let failed;
  let thrown = 0;
  const onProgress = ({ done, total }) => {
    seen.push(done / total);
    if (failed !== undefined || done < total / 3) return;
    failed = seen.length;
    performance.measure = () => {
      thrown += 1;
      throw new Error("no measure");
    };
    idle({ timeRemaining: () => 1 });
    performance.measure = measure;
  };
  try {
    index.compactWhenIdle();
    assert.equal((await index.compact({ sliceMs: 0.2, onProgress })).tombstonesRemoved, 1000);
  } finally {
    Object.assign(globalThis, { requestIdleCallback: request, cancelIdleCallback: cancel });
    performance.measure = measure;
  }
  assert.equal(thrown, 1);
  assert.ok(seen[failed] >= seen[failed - 1], `${seen[failed]} after ${seen[failed - 1]}`);
  await whole(index, 2000);
  await index.close();
});

test("compactWhenIdle ends with the index, without an error", async () => {
  const heard = unheard();
  const { index } = await filled(1500);
  await index.deleteMany(some(700));
  const reports = [];
  index.compactWhenIdle({ sliceMs: 0.5, onReport: (report) => reports.push(report) });
  await pause(3);
  await index.close();
  const before = reports.length;
  await pause(30);
  assert.deepEqual(await heard(), []);
  assert.equal(reports.length, before, "no report after the end");
});

test("maintain: slices for a caller's own loop, and only when needed", async () => {
  const { index } = await filled(1500);
  let asked = 0;
  const deadline = { timeRemaining: () => ((asked += 1), 1) };
  assert.equal(index.maintain(deadline), false);
  await index.deleteMany(some(100));
  assert.equal(index.maintain(deadline), false, "below the threshold");
  assert.equal(asked, 0);
  await index.deleteMany(some(600, 100));
  assert.equal(index.maintain({ timeRemaining: () => 0 }), true, "no time, but work");
  assert.equal(index.deletedCount, 700);
  let slices = 1;
  while (index.maintain(deadline)) slices += 1;
  assert.ok(slices >= 2, `${slices} slices`);
  assert.equal(index.deletedCount, 0);
  assert.equal(index.maintain(deadline), false);
  await whole(index, 800);
});

test("maintain carries on what an idle hook began, and the reverse", async () => {
  const { index } = await filled(1500);
  await index.deleteMany(some(700));
  assert.equal(index.maintain({ timeRemaining: () => 0.5 }), true);
  const reports = [];
  const stop = index.compactWhenIdle({ onReport: (report) => reports.push(report) });
  await until(() => reports.length === 1, "the report");
  assert.equal(reports[0].tombstonesRemoved, 700);
  stop();
});

test("compactions in idle time are at least a second apart, and stop ends the wait", async () => {
  const { index } = await filled(60);
  const ended = [];
  const stop = index.compactWhenIdle({ onReport: () => ended.push(performance.now()) });
  for (let round = 0; round < 2; round++) {
    await index.deleteMany(Array.from({ length: 20 }, (_, i) => `r${20 * round + i}`));
    await until(() => ended.length > round, "a compaction");
  }
  assert.ok(ended[1] - ended[0] > 900, `${ended[1] - ended[0]} ms`);
  await index.deleteMany(Array.from({ length: 10 }, (_, i) => `r${40 + i}`));
  assert.ok(index.needsCompaction);
  stop();
  await pause(1200);
  assert.deepEqual([ended.length, index.deletedCount], [2, 10]);
  // An explicit call need not wait.
  assert.equal((await index.compact()).tombstonesRemoved, 10);
  await index.close();
});
