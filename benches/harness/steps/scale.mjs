// The cost of size: the same measurements over rows and dimensions, on synthetic sets.
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { atRecall, median } from "../lib/numbers.mjs";
import { SCRATCH } from "../lib/paths.mjs";
import { prepareSynthetic } from "../lib/sets.mjs";
import { readIds, Truth } from "../lib/truth.mjs";
import { each } from "../lib/turns.mjs";
import { buildAll } from "./build.mjs";
import { measureStores } from "./store.mjs";

/** The contenders measured by default. */
export const USUAL = ["thermocline-wasm", "thermocline-native", "hnswlib"];
export const LEVELS = [0.95, 0.99];
/** The width of an additional search, whose cost does not depend on how hard the data is. */
export const WIDTH = 64;
const QUERIES = 500;
const WIDTHS = [10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900];
const PASSES = 3;
/** Sets larger than this are generated again when needed, rather than kept. */
const KEPT_BYTES = 1e9;

/** Returns one entry for each shape. `start(one, set)` returns a process of a contender with a set open. */
export async function measureScale(chosen, start, { exact, cache, options, log }) {
  const entries = [];
  for (const dimensions of options.scale.dimensions) {
    for (const rows of options.scale.rows) {
      log(`scale: ${rows} x ${dimensions}`);
      const set = await prepareSynthetic({ rows, queries: QUERIES, dimensions, seed: 1, depth: options.k, cache, exact });
      entries.push(await measureShape(chosen, start, set, options, log));
      if (rows * dimensions * 4 > KEPT_BYTES) rmSync(dirname(set.basePath), { recursive: true, force: true });
    }
  }
  return entries;
}

async function measureShape(chosen, start, set, options, log) {
  const truth = new Truth(readIds(set.truthPath), set.queries);
  const runners = chosen.map((one) => {
    const { name, version, quantization, place, ours, missing } = one;
    return { ...one, failed: Boolean(missing), result: { name, version, quantization, place, ours, notRun: missing } };
  });
  await each(runners, async (runner) => (runner.process = await start(runner, set)));
  await buildAll(runners, set, { builds: 1 }, log);
  await each(runners, async (runner) => {
    runner.result.at = await speeds(runner, truth, options);
  });
  await measureStores(runners, log);
  await each(runners, (runner) => runner.process.close());
  const { rows, dimensions, metric } = set;
  return { rows, dimensions, metric, contenders: runners.map(({ result }) => result) };
}

/** Increases the width until the highest recall is reached, and times the widths around each recall. */
async function speeds({ name, modes, process }, truth, { k }) {
  const ids = join(SCRATCH, `${name}.ids`);
  const points = [];
  for (const ef of WIDTHS) {
    await process.ask("search", { ef, k, mode: modes[0], ids });
    points.push({ ef, recall: truth.recall(readIds(ids), k) });
    if (points.at(-1).recall >= Math.max(...LEVELS)) break;
  }
  const around = LEVELS.map((level) => points.findIndex(({ recall }) => recall >= level)).filter((at) => at >= 0);
  const near = points.filter((_, at) => around.some((above) => at === above || at === above - 1));
  const fixed = { ef: WIDTH };
  for (const point of [...near, fixed]) {
    const passes = [];
    for (let pass = 0; pass < PASSES; pass++) {
      for (const mode of modes) passes.push(await process.ask("search", { ef: point.ef, k, mode, count: 2 * QUERIES }));
    }
    const best = (key) => Math.max(...modes.map((_, at) => median(passes.filter((_, i) => i % modes.length === at).map((one) => (one.count * 1000) / one[key]))));
    Object.assign(point, { qpsWall: best("wallMs"), qpsCpu: best("cpuMs") });
  }
  const at = (level, key) => atRecall(near, level, key);
  // If even the narrowest width has the recall, a narrower one would be faster.
  const bound = (level) => points[0].recall >= level;
  const levels = Object.fromEntries(LEVELS.map((level) => [level, { qpsWall: at(level, "qpsWall"), qpsCpu: at(level, "qpsCpu"), bound: bound(level) }]));
  return { ...levels, fixed };
}
