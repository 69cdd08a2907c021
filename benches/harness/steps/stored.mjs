// A stored index: the cost of opening it, saving a change and reading cold records, in Node and natively, and of
// compacting warm records. For browsers see steps/stored-browser.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { quantile } from "../lib/numbers.mjs";
import { HARNESS, SCRATCH } from "../lib/paths.mjs";
import { Contender } from "../lib/process.mjs";
import { measureBrowser } from "./stored-browser.mjs";

const OPENINGS = 7;
const QUICK_OPENINGS = 3;
const SAVES = 20;
/** Number of inserts before the measured checkpoint, and size in bytes of the long log. */
const INSERTS = 1000;
const LONG_LOG = 1_000_000;
const ROUNDS = 5;
const TRIPS = 200;
const QUICK_TRIPS = 20;
const READS = 2000;
const COMPACTED = 10_000;

/** `native` is the path of thermocline's native binary, or undefined to leave it out. */
export async function measureStored(set, { native, m, efConstruction, quantization, quick }, log) {
  const openings = quick ? QUICK_OPENINGS : OPENINGS;
  const { rows, dimensions, metric, basePath: base, queriesPath: queries } = set;
  const fields = { base, queries, rows, dimensions, metric, m, efConstruction, quantization };
  const path = join(SCRATCH, "stored.directory");
  const file = join(SCRATCH, "stored.export");
  /** Starts a fresh process with every core, as for real programs: an engine compiles on its own threads. */
  const anew = async (name, command, verb, words) => {
    const child = new Contender(name, command);
    child.unpin();
    try {
      await child.ask("open", fields);
      return await child.ask(verb, words);
    } finally {
      await child.close();
    }
  };
  const node = (verb, words) => anew("stored", ["node", join(HARNESS, "workers/stored.mjs")], verb, words);
  const opened = async (open) => {
    const all = [];
    // The first opening brings the files into the page cache.
    for (let i = 0; i <= openings; i++) all.push(await open());
    return all.slice(1);
  };
  const natively = () => anew("native", [native, "serve"], "reopenStored", { path });

  rmSync(path, { recursive: true, force: true });
  const build = await node("build", { path });
  log(`stored: built in ${(build.wallMs / 1000).toFixed(1)} s, ${build.storedBytes.total} bytes`);
  const result = { build, node: {}, native: {} };
  result.node.reopen = await opened(() => node("reopen", { path }));
  if (native) result.native.reopen = await opened(natively);
  log("stored: reopened");

  await node("export", { path, to: file });
  result.coldSearches = await node("coldSearches", { path, file, rounds: ROUNDS });
  // Codes and links, which are always in memory, and as much again for records.
  const maxBytes = 2 * build.bytesPerVector * rows;
  const { missedMs } = await node("coldReads", { path, count: READS, maxBytes });
  result.coldReads = { maxBytes, missed: missedMs.length, p50Ms: quantile(missedMs, 0.5), p99Ms: quantile(missedMs, 0.99) };
  result.trips = await node("trips", { file, count: quick ? QUICK_TRIPS : TRIPS });
  log("stored: cold records read");

  result.saves = await node("saves", { path, from: 0, count: SAVES });
  result.checkpoint = { inserts: INSERTS, ...(await node("checkpoint", { path, from: SAVES, count: INSERTS })) };
  const grown = await node("grow", { path, from: SAVES + INSERTS, bytes: LONG_LOG });
  result.node.reopenLongLog = await opened(() => node("reopen", { path }));
  if (native) result.native.reopenLongLog = await opened(natively);
  log(`stored: saved, and reopened with ${grown.logBytes} bytes of log`);

  result.warmCompaction = [];
  for (const sliceMs of [0.5, 4]) {
    const { all } = await node("warmCompaction", { count: COMPACTED, sliceMs, runs: ROUNDS });
    result.warmCompaction.push({ sliceMs, runs: all.map(({ report, slices }) => ({ report, warmMs: warmOf(slices) })) });
  }
  result.browser = await measureBrowser({ file, queries, dimensions, rounds: openings, log });
  rmSync(path, { recursive: true, force: true });
  rmSync(file, { force: true });
  return result;
}

/** Returns the milliseconds of the slices that moved warm records. */
function warmOf(slices) {
  return slices.filter(({ phase }) => phase === "warm").reduce((sum, { ms }) => sum + ms, 0);
}
