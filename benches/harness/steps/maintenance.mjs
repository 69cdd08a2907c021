// Deletes and their consequences, for thermocline: compaction in slices during searches, repair compared with a
// rebuild, churn.
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { SCRATCH } from "../lib/paths.mjs";
import { median, quantile } from "../lib/numbers.mjs";
import { Random } from "../lib/random.mjs";
import { readIds } from "../lib/truth.mjs";

const EF = 64;
const CYCLES = 10;
/** The recall of one fresh index varies by as much as the limit of what cycles may lose. */
const BULK_SEEDS = [29, 31, 37];
/** So many rows in a call are not built in bulk. */
const FEW = 4000;

/** `start()` returns a fresh process with the set open and nothing built. */
export async function measureMaintenance(runner, start, set, truth, { k }, log) {
  const bench = { name: runner.name, set, truth, k, log, atOnce: runner.atOnce };
  const result = {};
  if (runner.slices) result.slices = await inProcess(start, (process) => slices(process, bench));
  await inProcess(start, async (process) => {
    result.repair = await repair(process, bench);
    result.churn = await churn(process, bench);
  });
  return result;
}

async function inProcess(start, work) {
  const process = await start();
  try {
    return await work(process);
  } finally {
    await process.close();
  }
}

/**
 * Compaction at sliceMs 4 with a search after every slice. The index was built in this process, so that no free memory
 * left by an import hides what the compaction takes.
 */
async function slices(process, bench) {
  const { set, k, log } = bench;
  await process.ask("create");
  await process.ask("insert", { from: 0, to: set.rows, ...bench.atOnce });
  const { dead } = split(set.rows, 0.3, 7);
  await process.ask("delete", { rows: file(bench, "dead", dead) });
  await process.ask("calm", { k, ef: EF, count: 500 });
  const calm = await process.ask("calm", { k, ef: EF, count: 2000 });
  // Waiting times are measured as callers experience them: an engine compiles and collects garbage on its own threads,
  // which on one core would take the caller's time.
  process.unpin();
  const during = await process.ask("compactWhileSearching", { k, ef: EF, sliceMs: 4 });
  const after = await process.ask("calm", { k, ef: EF, count: 2000 });
  const p = (values, q) => quantile(values, q) * 1000;
  log(`${bench.name}: compacted in ${during.report.slices} slices, the longest ${during.report.longestSliceMs.toFixed(1)} ms`);
  return {
    report: during.report,
    wallMs: during.wallMs,
    // As the index reports it, and as a caller sees it: the longest time for which the event loop was held between two
    // searches.
    longestSliceMs: during.report.longestSliceMs,
    longestGapMs: Math.max(...during.gapsMs),
    gapsOver8Ms: during.gapsMs.filter((gap) => gap > 8).length,
    searches: during.latenciesMs.length,
    searchUs: {
      before: { p50: p(calm.latenciesMs, 0.5), p99: p(calm.latenciesMs, 0.99) },
      during: { p50: p(during.latenciesMs, 0.5), p99: p(during.latenciesMs, 0.99) },
      after: { p50: p(after.latenciesMs, 0.5), p99: p(after.latenciesMs, 0.99) },
    },
    memory: { before: during.before, peak: during.peak, after: during.after },
  };
}

/**
 * Compares the repair of 30 % random deletes with rebuilding the survivors, one by one and in bulk: time, and recall at
 * ef 64 of each.
 */
async function repair(process, bench) {
  const { set, k, log } = bench;
  const { alive, dead, live } = split(set.rows, 0.3, 7);
  const [deadFile, liveFile] = [file(bench, "dead", dead), file(bench, "live", live)];
  const saved = join(SCRATCH, `${bench.name}.maintenance`);
  await process.ask("create");
  await process.ask("insert", { from: 0, to: set.rows, ...bench.atOnce });
  await process.ask("save", { path: saved });

  const repairs = [];
  const [rebuilds, bulks] = [[], []];
  const recall = {};
  for (let round = 0; round < 3; round++) {
    await process.ask("reopen", { path: saved });
    await process.ask("delete", { rows: deadFile });
    const { wallMs, cpuMs, report } = await process.ask("compact", { sliceMs: 1000 });
    repairs.push({ wallMs, cpuMs });
    if (round === 0) {
      recall.repaired = await recallOf(process, bench, alive);
      recall.reachable = await process.ask("check");
      recall.report = report;
    }
    if (round === 2) break;
    await process.ask("create", { seed: 11 + round });
    rebuilds.push(await insertOneByOne(process, bench, live));
    if (round === 0) recall.rebuilt = await recallOf(process, bench, alive);
    await process.ask("create", { seed: 11 + round });
    bulks.push(await process.ask("insert", { rows: liveFile, ...bench.atOnce }));
    if (round === 0) recall.bulk = await recallOf(process, bench, alive);
  }
  const ms = (runs, key) => median(runs.map((run) => run[key]));
  const result = {
    repairMs: { wall: ms(repairs, "wallMs"), cpu: ms(repairs, "cpuMs") },
    rebuildMs: { wall: ms(rebuilds, "wallMs"), cpu: ms(rebuilds, "cpuMs") },
    bulkMs: { wall: ms(bulks, "wallMs"), cpu: ms(bulks, "cpuMs") },
    recall: { repaired: recall.repaired, rebuilt: recall.rebuilt, bulk: recall.bulk },
    check: brief(recall.reachable),
    report: recall.report,
  };
  const times = [result.repairMs, result.rebuildMs, result.bulkMs].map(({ wall }) => wall.toFixed(0)).join(", ");
  const recalls = [recall.repaired, recall.rebuilt, recall.bulk].map((one) => one.toFixed(4)).join(", ");
  log(`${bench.name}: repair, rebuild one by one, rebuild in bulk: ${times} ms, recall ${recalls}`);
  return result;
}

/** Inserts rows in calls that are too short to be built in bulk. Returns the times of all calls together. */
async function insertOneByOne(process, bench, rows) {
  const sum = { wallMs: 0, cpuMs: 0 };
  for (let from = 0; from < rows.length; from += FEW) {
    const { wallMs, cpuMs } = await process.ask("insert", { rows: file(bench, "piece", rows.slice(from, from + FEW)) });
    sum.wallMs += wallMs;
    sum.cpuMs += cpuMs;
  }
  return sum;
}

/**
 * Ten times: deletes a fifth of the live rows, compacts, inserts as many others. Then builds fresh indexes of the live
 * rows: one one by one, and several in bulk, whose recall is a mean.
 */
async function churn(process, bench) {
  const { set, k, log } = bench;
  const random = new Random(23);
  const order = random.shuffle(Array.from({ length: set.rows }, (_, row) => row));
  const moving = Math.floor(set.rows / 6);
  let live = order.slice(moving);
  let outside = order.slice(0, moving);
  await process.ask("create");
  await process.ask("insert", { rows: file(bench, "live", live), ...bench.atOnce });

  const cycles = [];
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    random.shuffle(live);
    const leaving = live.slice(0, moving);
    await process.ask("delete", { rows: file(bench, "dead", leaving) });
    await process.ask("compact", { sliceMs: 1000 });
    await process.ask("insert", { rows: file(bench, "new", outside) });
    live = [...live.slice(moving), ...outside];
    outside = leaving;
    cycles.push({ ...brief(await process.ask("check")), recall: await recallOf(process, bench, flags(set.rows, live)) });
  }
  await process.ask("create", { seed: 29 });
  await insertOneByOne(process, bench, live);
  const fresh = await recallOf(process, bench, flags(set.rows, live));
  let bulk = 0;
  for (const seed of BULK_SEEDS) {
    await process.ask("create", { seed });
    await process.ask("insert", { rows: file(bench, "live", live), ...bench.atOnce });
    bulk += (await recallOf(process, bench, flags(set.rows, live))) / BULK_SEEDS.length;
  }
  const recalls = [cycles.at(-1).recall, fresh, bulk].map((one) => one.toFixed(4)).join(", ");
  log(`${bench.name}: recall after ${CYCLES} cycles, fresh one by one, fresh in bulk: ${recalls}`);
  return { cycles, fresh, bulk };
}

async function recallOf(process, { name, truth, k }, alive) {
  const ids = join(SCRATCH, `${name}.ids`);
  await process.ask("search", { ef: EF, k, ids });
  return truth.recall(readIds(ids), k, alive);
}

const brief = ({ ok, live, reachable, problems }) => ({ ok, live, reachable, problems: problems?.slice(0, 3) });

function split(rows, share, seed) {
  const order = new Random(seed).shuffle(Array.from({ length: rows }, (_, row) => row));
  const dead = order.slice(0, Math.floor(rows * share));
  const live = order.slice(dead.length).sort((a, b) => a - b);
  return { dead, live, alive: flags(rows, live) };
}

function flags(rows, live) {
  const alive = new Uint8Array(rows);
  for (const row of live) alive[row] = 1;
  return alive;
}

/** Writes row numbers where the contender can read them. */
function file({ name }, what, rows) {
  const path = join(SCRATCH, `${name}.${what}.rows`);
  writeFileSync(path, new Uint8Array(Int32Array.from(rows).buffer));
  return path;
}
