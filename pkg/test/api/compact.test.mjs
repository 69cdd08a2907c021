// The usual test cases for compaction, each under its own name, and those of this package's additional features.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fails, filled, pause, recall, until, whole } from "./helpers.mjs";
import { VectorIndex } from "thermocline";

const some = (count, from = 0) => Array.from({ length: count }, (_, i) => `r${from + i}`);

test("compaction removes all tombstones", async () => {
  const { index } = await filled(300);
  await index.deleteMany(some(100));
  assert.equal(index.deletedCount, 100);
  await index.compact();
  assert.equal(index.deletedCount, 0);
  await whole(index, 200);
});

/** A job removes the tombstones of its beginning, and a call would have joined one that idle time had begun before it. */
test("compaction removes all tombstones also while one that idle time has begun is under way", async () => {
  const { index } = await filled(3000);
  await index.deleteMany(some(1200));
  assert.equal(index.maintain({ timeRemaining: () => 0.5 }), true);
  await index.deleteMany(some(600, 1200));
  const report = await index.compact();
  assert.deepEqual([index.deletedCount, report.newSize, report.tombstonesRemoved], [0, 1200, 1800]);
  const { total, ...parts } = report.reclaimedBytes;
  assert.equal(total, Object.values(parts).reduce((sum, bytes) => sum + bytes, 0));
  await whole(index, 1200);
});

/** No other call would tell of what that one removed. */
for (const option of ["pack", "erase"]) {
  test(`the report of a call with ${option} has what one that idle time has begun removes meanwhile`, async () => {
    const { index } = await filled(3000);
    await index.deleteMany(some(1200));
    assert.equal(index.maintain({ timeRemaining: () => 0.5 }), true);
    const { tombstonesRemoved, newSize, reclaimedBytes } = await index.compact({ [option]: true });
    assert.deepEqual([index.deletedCount, newSize, tombstonesRemoved], [0, 1800, 1200]);
    assert.ok(reclaimedBytes.total > 1200 * 4, `${reclaimedBytes.total} bytes`);
    await whole(index, 1800);
  });
}

test("compaction preserves content: ids, vectors, payloads", async () => {
  const { index, vectors } = await filled(300);
  await index.deleteMany(some(100));
  await index.compact();
  for (let i = 0; i < 300; i++) {
    const record = await index.get(`r${i}`);
    if (i < 100) assert.equal(record, undefined);
    else assert.deepEqual([record.id, record.payload, [...record.vector]], [`r${i}`, { n: i }, [...vectors[i]]]);
  }
  const hits = await index.search(vectors[150], { k: 200, ef: 300 });
  assert.equal(hits.length, 200);
  for (const hit of hits) assert.deepEqual(hit.payload, { n: Number(hit.id.slice(1)) });
});

test("compaction keeps the quality of search", async () => {
  const { index, vectors } = await filled(1500);
  const live = (i) => i >= 500;
  await index.deleteMany(some(500));
  const queries = vectors.slice(0, 60);
  const before = await recall(index, vectors, queries, live);
  await index.compact();
  const after = await recall(index, vectors, queries, live);
  assert.ok(after >= 0.95 && after >= before - 0.02, `recall ${before} before, ${after} after`);
});

test("compaction with nothing deleted does nothing", async () => {
  const { index } = await filled(50);
  const before = await index.export();
  const report = await index.compact();
  assert.equal(report.tombstonesRemoved, 0);
  assert.equal(report.newSize, 50);
  assert.deepEqual(report.reclaimedBytes, { graph: 0, codes: 0, warm: 0, cold: 0, total: 0 });
  assert.deepEqual(await index.export(), before);
});

test("the threshold decides whether compaction is needed", async () => {
  const { index } = await filled(100, { compactionThreshold: 0.5 });
  await index.deleteMany(some(49));
  assert.equal(index.needsCompaction, false);
  await index.deleteMany(some(3, 49));
  assert.equal(index.needsCompaction, true);
  await index.compact();
  assert.equal(index.needsCompaction, false);
});

test("the threshold can be set at any time", async () => {
  const { index } = await filled(100);
  await index.deleteMany(some(20));
  assert.equal(index.needsCompaction, false);
  index.compactionThreshold = 0.1;
  assert.ok(Math.abs(index.compactionThreshold - 0.1) < 1e-6);
  assert.equal(index.needsCompaction, true);
});

test("the threshold is clamped", async () => {
  const { index } = await filled(1);
  for (const [set, expected] of [[-1, 0.01], [0, 0.01], [2, 0.99], [Infinity, 0.99], [-Infinity, 0.01]]) {
    index.compactionThreshold = set;
    assert.ok(Math.abs(index.compactionThreshold - expected) < 1e-6, `${set}`);
  }
});

test("insertWithId after compaction: a valid id", async () => {
  const { index, vectors } = await filled(100);
  await index.deleteMany(some(40));
  await index.compact();
  assert.equal(await index.insertWithId("r5", vectors[5], "again"), "r5");
  assert.equal((await index.search(vectors[5], { k: 1 }))[0].payload, "again");
  await whole(index, 61);
});

test("insertWithId after compaction: a duplicate id", async () => {
  const { index, vectors } = await filled(100);
  await index.deleteMany(some(40));
  await index.compact();
  await fails("DUPLICATE_ID", () => index.insertWithId("r50", vectors[5]));
  await whole(index, 60);
});

test("insertWithId after compaction: an invalid id", async () => {
  const { index, vectors } = await filled(100);
  await index.deleteMany(some(40));
  await index.compact();
  await fails("INVALID_ID", () => index.insertWithId(-1, vectors[5]));
  await whole(index, 60);
});

test("insertWithId after compaction: a wrong dimension", async () => {
  const { index } = await filled(100);
  await index.deleteMany(some(40));
  await index.compact();
  await fails("DIMENSION_MISMATCH", () => index.insertWithId("new", [1]));
  await whole(index, 60);
});

test("compaction of an empty index", async () => {
  const { index } = await filled(0);
  const report = await index.compact();
  assert.deepEqual([report.tombstonesRemoved, report.newSize, report.reclaimedBytes.total], [0, 0, 0]);
  await whole(index, 0);
});

test("compaction with all deleted", async () => {
  const { index, vectors } = await filled(100);
  await index.deleteMany(some(100));
  const report = await index.compact();
  assert.deepEqual([report.tombstonesRemoved, report.newSize], [100, 0]);
  assert.deepEqual(await index.search(vectors[0]), []);
  await whole(index, 0);
  await index.insertWithId("r0", vectors[0]);
  assert.equal((await index.search(vectors[0]))[0].id, "r0");
  await whole(index, 1);
});

test("compaction preserves the threshold setting", async () => {
  const { index } = await filled(100, { compactionThreshold: 0.15 });
  await index.deleteMany(some(40));
  await index.compact();
  assert.ok(Math.abs(index.compactionThreshold - 0.15) < 1e-6);
});

test("compaction several times over", async () => {
  const { index, vectors } = await filled(200);
  for (let round = 0; round < 6; round++) {
    await index.deleteMany(some(20, round * 20));
    const report = await index.compact();
    assert.deepEqual([report.tombstonesRemoved, report.newSize], [20, 180]);
    await index.insertMany(some(20, round * 20).map((id, i) => ({ id, vector: vectors[round * 20 + i], payload: { n: round * 20 + i } })));
    await whole(index, 200);
  }
  assert.ok((await recall(index, vectors, vectors.slice(0, 40))) >= 0.95);
});

test("the report's fields are right", async () => {
  const { index } = await filled(400);
  await index.deleteMany(some(150));
  const report = await index.compact();
  assert.deepEqual(Object.keys(report).sort(), ["durationMs", "longestSliceMs", "newSize", "reclaimedBytes", "slices", "tombstonesRemoved"]);
  assert.deepEqual([report.tombstonesRemoved, report.newSize], [150, 250]);
  const { graph, codes, warm, cold, total } = report.reclaimedBytes;
  assert.equal(graph + codes + warm + cold, total);
  assert.ok(total > 0);
  assert.ok(Number.isInteger(report.slices) && report.slices >= 1);
  assert.ok(report.longestSliceMs >= 0 && report.durationMs >= report.longestSliceMs);
  const { lastCompaction } = await index.stats();
  assert.deepEqual(lastCompaction, report);
  lastCompaction.reclaimedBytes.total = -1;
  assert.deepEqual((await index.stats()).lastCompaction, report, "what stats returns is the caller's");
});

test("in slices: searches, inserts and deletes are legal between them", async () => {
  const { index, vectors } = await filled(3000);
  await index.deleteMany(some(1000));
  const progress = [];
  const running = index.compact({ sliceMs: 1, onProgress: (p) => progress.push(p) });
  let report;
  void running.then((r) => (report = r));
  let turns = 0;
  while (!report) {
    await pause();
    if (report) break;
    turns += 1;
    const hits = await index.search(vectors[2000 + turns], { k: 10 });
    assert.equal(hits.length, 10);
    for (const { id } of hits) assert.equal(await index.has(id), true, `${id} came back deleted`);
    await index.insertWithId(`r${turns}`, vectors[turns], { n: turns });
    await index.delete(`r${1500 + turns}`);
  }
  assert.ok(turns >= 3, `${turns} turns`);
  assert.ok(report.slices >= 3, `${report.slices} slices`);
  assert.ok(report.tombstonesRemoved >= 1000);
  for (const p of progress) assert.ok(p.done <= p.total && typeof p.phase === "string");
  assert.equal(progress.at(-1).done, progress.at(-1).total);
  await whole(index, 2000);
  for (let i = 1; i <= turns; i++) {
    assert.deepEqual((await index.get(`r${i}`)).payload, { n: i });
    assert.equal(await index.has(`r${1500 + i}`), false);
  }
});

test("clear between slices", async () => {
  const { index, vectors } = await filled(2000);
  await index.deleteMany(some(800));
  const running = index.compact({ sliceMs: 0.5 });
  await index.clear();
  await index.insertWithId("after", vectors[0]);
  await running;
  await whole(index, 1);
});

test("a second compact joins the one that runs", async () => {
  const { index } = await filled(1500);
  await index.deleteMany(some(600));
  const progress = [[], []];
  const [a, b] = await Promise.all(
    progress.map((all, i) => index.compact({ sliceMs: i + 1, onProgress: (now) => all.push(now) })),
  );
  assert.deepEqual(a, b);
  assert.equal(a.tombstonesRemoved, 600);
  // Only one of them has run the last slice.
  for (const all of progress) assert.equal(all.at(-1).done, all.at(-1).total);
  await whole(index, 900);
});

test("each caller has its own report, which it may change", async () => {
  const { index } = await filled(1000);
  await index.deleteMany(Array.from({ length: 500 }, (_, i) => `r${i}`));
  const reports = await Promise.all([index.compact({ sliceMs: 0.5 }), index.compact({ sliceMs: 0.5 })]);
  const expected = structuredClone(reports[0]);
  assert.deepEqual(reports[1], expected);
  for (const report of reports) {
    assert.deepEqual(report, expected);
    report.reclaimedBytes.total = report.tombstonesRemoved = -1;
  }
  assert.deepEqual((await index.stats()).lastCompaction, expected);
});

test("a report of a compaction in idle time may be changed", async () => {
  const { index } = await filled(1000);
  await index.deleteMany(Array.from({ length: 500 }, (_, i) => `r${i}`));
  const reports = [];
  index.compactWhenIdle({ onReport: (report) => reports.push(report) });
  await until(() => reports.length === 1, "a report");
  const [report] = reports;
  const expected = structuredClone(report);
  assert.equal(expected.tombstonesRemoved, 500);
  report.reclaimedBytes.total = report.tombstonesRemoved = -1;
  assert.deepEqual((await index.stats()).lastCompaction, expected);
});

test("abort at any slice leaves a whole index that can be compacted again", async () => {
  const { index, vectors } = await filled(4000);
  let live = 4000;
  for (const after of [1, 2, 4, 7]) {
    // More than seven slices of work each time, even if a coarse clock makes slices longer.
    await index.deleteMany(some(600, 4000 - live));
    live -= 600;
    const controller = new AbortController();
    let slices = 0;
    const running = index.compact({ sliceMs: 0.05, signal: controller.signal, onProgress: () => ++slices === after && controller.abort() });
    await fails("ABORTED", () => running);
    await whole(index, live);
    assert.equal((await index.search(vectors[3900], { k: 1 }))[0].id, "r3900");
  }
  await fails("ABORTED", () => index.compact({ signal: AbortSignal.abort() }));
  await index.compact();
  assert.equal(index.deletedCount, 0);
  await whole(index, live);
});

test("one of two callers aborts: the other still gets its report", async () => {
  const { index } = await filled(1500);
  await index.deleteMany(some(600));
  const controller = new AbortController();
  const a = index.compact({ sliceMs: 0.5, signal: controller.signal });
  const b = index.compact({ sliceMs: 0.5 });
  controller.abort();
  await fails("ABORTED", () => a);
  assert.equal((await b).tombstonesRemoved, 600);
  await whole(index, 900);
});

test("an exception of onProgress is the caller's own, and the index is whole", async () => {
  const { index } = await filled(1500);
  await index.deleteMany(some(600));
  const own = new Error("the caller's own");
  await assert.rejects(index.compact({ sliceMs: 0.5, onProgress: () => { throw own; } }), (error) => error === own);
  await whole(index, 900);
  await index.compact();
  assert.equal(index.deletedCount, 0);
});

test("packing changes no search results, and an export keeps the packed order", async () => {
  const { index, vectors } = await filled(3000);
  await index.deleteMany(some(300));
  await index.compact();
  const queries = vectors.slice(300, 340);
  const found = (of) => Promise.all(queries.map((query) => of.search(query, { k: 7 })));
  const [before, bytes] = [await found(index), await index.export()];
  let slices = 0;
  const report = await index.compact({ pack: true, sliceMs: 1, onProgress: () => slices++ });
  assert.deepEqual([report.tombstonesRemoved, report.newSize], [0, 2700]);
  assert.ok(slices > 0 && report.slices === slices);
  await whole(index, 2700);
  assert.deepEqual(await found(index), before);
  const packed = await index.export();
  assert.equal(packed.length, bytes.length);
  assert.ok(packed.some((byte, at) => byte !== bytes[at]), "the records lie elsewhere");
  const again = await VectorIndex.import(packed);
  assert.deepEqual(await found(again), before);
  assert.deepEqual(await again.export(), packed);
});

test("packing during searches, inserts and deletes", async () => {
  const { index, vectors } = await filled(2500);
  const live = 2500;
  const packing = index.compact({ pack: true, sliceMs: 0.2 });
  for (let turn = 0; turn < 20; turn++) {
    await pause();
    await index.insertWithId(`new${turn}`, vectors[turn]);
    assert.equal(await index.delete(`r${turn}`), true);
    assert.equal((await index.search(vectors[1000 + turn], { k: 1 }))[0].id, `r${1000 + turn}`);
    assert.equal((await index.search(vectors[turn], { k: 1 }))[0].id, `new${turn}`);
  }
  await packing;
  await whole(index, live);
  await index.compact();
  assert.equal(index.deletedCount, 0);
  await whole(index, live);
});

test("packing begins when a running compaction has ended, and a pack that is not a boolean is INVALID_OPTION", async () => {
  const { index } = await filled(1500);
  await index.deleteMany(some(600));
  const [a, b, c] = await Promise.all([index.compact({ sliceMs: 0.5 }), index.compact({ sliceMs: 0.5, pack: true }), index.compact({ sliceMs: 0.5, pack: false })]);
  assert.deepEqual([a.tombstonesRemoved, b.tombstonesRemoved, c.tombstonesRemoved], [600, 0, 600]);
  // Another compaction begins as soon as the previous one has ended.
  let [ends, others] = [false, 0];
  const looping = (async () => {
    while (!ends && others < 50) await index.compact({ sliceMs: 0.1 }).then(() => others++);
  })();
  const phases = new Set();
  await index.compact({ pack: true, sliceMs: 0.1, onProgress: ({ phase }) => phases.add(phase) });
  ends = true;
  await looping;
  assert.ok(others > 0 && phases.has("move"), [...phases].join());
  await fails("INVALID_OPTION", () => index.compact({ pack: 1 }), /pack/);
  await whole(index, 900);
});
