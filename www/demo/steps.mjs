// The steps of the main job, each printing what it measured and claiming only what it verified.

import { setImmediate as nextTurn } from "node:timers/promises";
import { VectorIndex } from "thermocline";
import { bytes, count, milliseconds } from "../src/common/format.js";
import { K, countMismatches, exactAnswers, meanRecall, sameAnswers, searchAll, searchRate } from "./measure.mjs";
import { bold, clip, dim, figure, heading, table } from "./print.mjs";

const RECALL_FLOOR = 0.9;
const PARTS = ["graph", "codes", "warm", "cold"];

/** Inserts the whole sample. */
export async function build({ base, options, claims }) {
  heading(`Build: ${count(base.length)} real glosses, ${base.dimensions} dimensions, cosine, ${options.quantization}`);
  const index = await VectorIndex.memory({
    dimensions: base.dimensions,
    metric: "cosine",
    quantization: options.quantization,
    seed: 1,
  });
  const started = performance.now();
  await index.insertMany(base.toInsert());
  const elapsedMs = performance.now() - started;
  const stats = await index.stats();
  figure(
    "build rate",
    `${bold(count((base.length * 1000) / elapsedMs))} vectors/s  ${dim(`(${milliseconds(elapsedMs)}, one thread, ${stats.simd})`)}`,
  );
  figure("resident", `${bytes(stats.bytes.total)}  ${dim(`codes + links + ids: ${count(stats.bytesPerVector)} bytes a vector`)}`);
  const { ok, reachable } = await index.check();
  claims.check(index.size === base.length, `the index holds all ${count(base.length)} records`);
  claims.check(ok && reachable === base.length, "check(): every record is reachable, links in bounds, ids bijective");
  return index;
}

/** A few readable answers, then recall and speed over all held-out queries. */
export async function query({ index, base, queries, shown, claims }) {
  heading(`Query: ${queries.length} held-out glosses that the index has never seen`);
  for (const i of shown) await showNeighbours(index, queries, i);
  const recalled = await measureRecall({ index, base, queries, isLive: () => true, claims });
  const rate = bold(count(await searchRate(index, queries)));
  figure("searches", `${rate} per second  ${dim("(k 10, ef 64, payloads included, one at a time)")}`);
  return recalled;
}

async function showNeighbours(index, queries, i, filter) {
  console.log(`   ${bold(clip(queries.rows[i].text, 84))}`);
  for (const { distance, payload } of await index.search(queries.vector(i), { k: 3, filter })) {
    console.log(`     ${distance.toFixed(3)}  ${payload.lexname.padEnd(18)} ${dim(clip(payload.text, 58))}`);
  }
}

async function measureRecall({ index, base, queries, isLive, claims }) {
  const answers = await searchAll(index, queries);
  const recalled = meanRecall(answers, exactAnswers(base, queries, isLive), base);
  figure(`recall@${K} vs exact`, `${bold(recalled.toFixed(4))}  ${dim("(brute force in float64 over the live records)")}`);
  claims.check(recalled >= RECALL_FLOOR, `recall@${K} is at least ${RECALL_FLOOR}`);
  return recalled;
}

/** Searches only records whose payloads meet a condition. */
export async function narrow({ index, base, queries, shown, claims }) {
  const filter = { lexname: { $regex: "^verb\\." } };
  const passes = (row) => base.rows[row].lexname.startsWith("verb.");
  heading(`Filter: ${JSON.stringify(filter)}`);
  await showNeighbours(index, queries, shown[0], filter);
  const answers = await searchAll(index, queries, filter);
  const recalled = meanRecall(answers, exactAnswers(base, queries, passes), base);
  figure(`recall@${K} vs exact`, `${bold(recalled.toFixed(4))}  ${dim("(brute force over the records that match)")}`);
  const isRight = (hits) => hits.length === K && hits.every(({ id }) => passes(base.rowOfId.get(id)));
  claims.check(answers.every(isRight), `every search gave ${K} hits, and all of them match`);
  claims.check(recalled >= RECALL_FLOOR, `recall@${K} among them is at least ${RECALL_FLOOR}`);
}

/** Deletes whole categories, and searches for the deleted records. */
export async function remove({ index, base, queries, shown, gone, claims, options }) {
  const ids = base.rows.filter((row) => gone.has(row.id)).map((row) => row.id);
  heading(`Delete: every ${options.categories.join(", ")}`);
  const started = performance.now();
  const deleted = await index.deleteMany(ids);
  figure("deleted", `${bold(count(deleted))} records in ${milliseconds(performance.now() - started)}`);
  figure("now", `${count(index.size)} live, ${count(index.deletedCount)} tombstones, needsCompaction ${index.needsCompaction}`);
  await showNeighbours(index, queries, shown[0]);

  let returned = 0;
  let short = 0;
  const probes = [...ids.map((id) => base.vector(base.rowOfId.get(id))), ...queries.rows.map((_, i) => queries.vector(i))];
  for (const vector of probes) {
    const hits = await index.search(vector, { k: K });
    returned += hits.filter((hit) => gone.has(hit.id)).length;
    if (hits.length < K) short += 1;
  }
  claims.check(deleted === ids.length && deleted > 0, `all ${count(ids.length)} of them were there, and were deleted`);
  claims.check(returned === 0, `none is returned by ${count(probes.length)} searches, the deleted vectors themselves among them`);
  claims.check(short === 0, `each of those searches still gave ${K} live hits`);
}

/** Compacts in slices while searches go on between them. */
export async function compact({ index, base, queries, gone, recallBefore, claims, options }) {
  heading(`Compact while querying: slices of ${options.sliceMs} ms`);
  const tombstones = index.deletedCount;
  const before = await index.stats();
  const isLive = (row) => !gone.has(base.rows[row].id);

  let running = true;
  const progress = [];
  const job = index
    .compact({ sliceMs: options.sliceMs, onProgress: (step) => progress.push(step) })
    .finally(() => (running = false));
  const between = await searchWhile(() => running, { index, base, queries, gone });
  const report = await job;
  const after = await index.stats();

  figure("tombstones removed", `${bold(count(report.tombstonesRemoved))}, ${count(report.newSize)} records live`);
  figure("slices", `${bold(count(report.slices))}, the longest ${bold(milliseconds(report.longestSliceMs))}`);
  figure("wall time", `${milliseconds(report.durationMs)}  ${dim("(with the searches between slices)")}`);
  figure(
    "searches meanwhile",
    `${bold(count(between.searches))}, the slowest ${milliseconds(between.slowestMs)}; ${count(progress.length)} progress reports`,
  );
  const reclaimed = report.reclaimedBytes;
  const resident = `(resident ${bytes(before.bytes.total)} → ${bytes(after.bytes.total)})`;
  figure("bytes reclaimed", `${bold(bytes(reclaimed.total))}  ${dim(resident)}`);
  table(
    ["part", "before", "after", "reclaimed"],
    PARTS.filter((part) => part in before.bytes).map((part) => [
      part, bytes(before.bytes[part]), bytes(after.bytes[part]), bytes(reclaimed[part]),
    ]),
  );

  claims.check(
    report.tombstonesRemoved === tombstones && index.deletedCount === 0,
    `all ${count(tombstones)} tombstones are gone`,
  );
  claims.check(report.newSize === base.length - gone.size && index.size === report.newSize, "every other record is still there");
  const sum = PARTS.reduce((sum, part) => sum + reclaimed[part], 0);
  claims.check(sum === reclaimed.total && reclaimed.total > 0, "the reclaimed bytes add up, part by part");
  claims.check(before.bytes.total > after.bytes.total, "the index is smaller than before");
  claims.check(risesToTheEnd(progress), "the progress reports never went back and ended at 100 %");
  claims.check(
    between.searches > 0 && between.wrong === 0,
    `${count(between.searches)} searches ran between the slices; none returned a deleted record or fewer than ${K} hits`,
  );
  claims.check(
    (await countMismatches(index, base, isLive)) === 0,
    `read back by id: ${count(report.newSize)} ids, payloads and vectors unchanged, ${count(gone.size)} absent`,
  );
  const recalled = await measureRecall({ index, base, queries, isLive, claims });
  claims.check(recalled >= recallBefore - 0.02, `and within 0.02 of the ${recallBefore.toFixed(4)} before anything was deleted`);
  const proof = await index.check();
  claims.check(
    proof.ok && proof.reachable === report.newSize,
    `check(): all ${count(proof.live)} live records reachable, no link to a free slot`,
  );
}

/** True for progress that never goes back and ends with everything done. */
function risesToTheEnd(progress) {
  const shares = progress.map((step) => (step?.total > 0 ? step.done / step.total : NaN));
  const rises = shares.every((share, i) => share >= 0 && (i === 0 || share >= shares[i - 1]));
  return shares.length > 0 && shares.at(-1) === 1 && rises;
}

/** Makes one search in each turn of the event loop while `going()` is true. */
async function searchWhile(going, { index, queries, gone }) {
  const seen = { searches: 0, slowestMs: 0, wrong: 0 };
  await nextTurn();
  while (going()) {
    const started = performance.now();
    const hits = await index.search(queries.vector(seen.searches % queries.length), { k: K });
    seen.slowestMs = Math.max(seen.slowestMs, performance.now() - started);
    if (hits.length < K || hits.some((hit) => gone.has(hit.id))) seen.wrong += 1;
    seen.searches += 1;
    await nextTurn();
  }
  return seen;
}

/** Exports the index, imports it into a second one, and compares the answers of both. */
export async function roundTrip({ index, queries, claims }) {
  heading("Export and import");
  const exportStarted = performance.now();
  const file = await index.export();
  const exportMs = performance.now() - exportStarted;
  const importStarted = performance.now();
  const copy = await VectorIndex.import(file);
  const importMs = performance.now() - importStarted;
  const perRecord = `(${count(file.byteLength / index.size)} bytes a record, vectors and payloads included)`;
  figure("exported", `${bold(bytes(file.byteLength))} in ${milliseconds(exportMs)}  ${dim(perRecord)}`);
  figure("imported", `${count(copy.size)} records in ${milliseconds(importMs)}`);
  claims.check(copy.size === index.size && (await copy.check()).ok, "the copy is whole, and check() agrees");
  const isSame = sameAnswers(await searchAll(index, queries), await searchAll(copy, queries));
  claims.check(isSame, `${queries.length} queries: the same ids at the same distances from both`);
  const again = await copy.export();
  claims.check(Buffer.compare(file, again) === 0, "exporting the copy gives the same bytes");
  await copy.close();
}
