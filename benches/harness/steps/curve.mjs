// Recall against queries per second, over the search width. Contenders take turns at every width of every round.
import { join } from "node:path";
import { SCRATCH } from "../lib/paths.mjs";
import { atRecall, median, quantile } from "../lib/numbers.mjs";
import { readIds } from "../lib/truth.mjs";
import { each } from "../lib/turns.mjs";

/** Enough queries to determine a recall to about .001. */
const FEWER = 1000;
export const LEVELS = [0.9, 0.95, 0.99];
/** Widths beyond the first with this recall decide nothing, so they are timed only in the first round. */
const ENOUGH = 0.995;

export async function measureCurves(runners, set, truth, options, log) {
  const { rounds, widths } = options;
  await countRecalls(runners, set, truth, options);
  log("recalls counted");
  for (let round = 0; round < rounds; round++) {
    for (let w = 0; w < widths.length; w++) {
      const taking = runners.filter(({ result }) => round === 0 || w <= lastThatMatters(result.curve));
      await each(taking, (runner) => pass(runner, runner.result.curve[w], options));
    }
    for (const runner of runners) runner.mode ??= fasterMode(runner);
    log(`search round ${round + 1} of ${rounds}`);
  }
  await each(runners, ({ result }) => {
    for (const point of result.curve) {
      point.qpsWall = median(point.rounds.wall);
      point.qpsCpu = median(point.rounds.cpu);
    }
    result.at = Object.fromEntries(LEVELS.map((level) => [level, readAt(result.curve, level, rounds)]));
  });
  await measureLatencies(runners, options);
  log("latencies measured");
  for (const { failed, result } of runners) if (failed) delete result.curve;
}

/**
 * Runs every query once at every width, or fewer queries if time is short. This also warms everything up; its times are
 * not used.
 */
async function countRecalls(runners, set, truth, { k, widths, quick }) {
  await each(runners, async (runner) => {
    const ids = join(SCRATCH, `${runner.name}.ids`);
    const count = Math.min(set.queries, quick || runner.queries ? FEWER : Infinity, quick && runner.queries ? FEWER / 2 : Infinity);
    runner.result.curve = [];
    for (const ef of widths) {
      await runner.process.ask("search", { ef, k, mode: runner.modes[0], ids, count, ...runner.how });
      runner.result.curve.push({ ef, recall: truth.recall(readIds(ids), k), rounds: { wall: [], cpu: [] } });
    }
  });
}

function lastThatMatters(curve = []) {
  const at = curve.findIndex(({ recall }) => recall >= ENOUGH);
  return at < 0 ? curve.length : at;
}

/**
 * Runs one timed pass at one width, in each of a contender's modes until the fastest is known, which gives its figure.
 * An untimed pass goes before it, since the contender before has left its own data in the caches. Slow contenders,
 * which answer fewer queries, do without: refilling the caches is a small share of their passes.
 */
async function pass(runner, point, { k, pass: queries }) {
  let [wall, cpu] = [0, 0];
  for (const mode of runner.mode ? [runner.mode] : runner.modes) {
    const how = { ef: point.ef, k, mode, count: runner.queries ?? queries, ...runner.how };
    if (!runner.queries) await runner.process.ask("search", how);
    const { wallMs, cpuMs, count } = await runner.process.ask("search", how);
    wall = Math.max(wall, (count * 1000) / wallMs);
    cpu = Math.max(cpu, (count * 1000) / cpuMs);
    (runner.spent ??= {})[mode] = (runner.spent[mode] ?? 0) + wallMs;
  }
  point.rounds.wall.push(wall);
  point.rounds.cpu.push(cpu);
}

function fasterMode({ modes, spent = {} }) {
  return [...modes].sort((a, b) => spent[a] - spent[b])[0];
}

/** Returns QPS at a recall, of the curve of medians and of each round's own curve, by which contenders are compared. */
function readAt(curve, level, rounds) {
  const ofRound = (key, round) => atRecall(curve.map((point) => ({ ...point, qps: point.rounds[key][round] })), level, "qps");
  const all = Array.from({ length: rounds }, (_, round) => round);
  return {
    qpsWall: atRecall(curve, level, "qpsWall"),
    qpsCpu: atRecall(curve, level, "qpsCpu"),
    rounds: { wall: all.map((round) => ofRound("wall", round)), cpu: all.map((round) => ofRound("cpu", round)) },
  };
}

/** Measures p50 and p99 of single queries at the narrowest width of each recall. */
async function measureLatencies(runners, { k, rounds, quick, pass: queries }) {
  const samples = new Map(runners.map((runner) => [runner, {}]));
  for (let round = 0; round < (quick ? 1 : Math.min(rounds, 3)); round++) {
    for (const level of LEVELS) {
      await each(runners, async (runner) => {
        const ef = runner.result.curve.find((point) => point.recall >= level)?.ef;
        if (!ef) return;
        const count = runner.queries ?? queries;
        const { latenciesMs } = await runner.process.ask("search", { ef, k, mode: "one", latencies: 1, count, ...runner.how });
        const one = (samples.get(runner)[level] ??= { ef, p50: [], p99: [] });
        one.p50.push(quantile(latenciesMs, 0.5));
        one.p99.push(quantile(latenciesMs, 0.99));
      });
    }
  }
  for (const [runner, levels] of samples) {
    const all = Object.entries(levels).map(([level, { ef, p50, p99 }]) => [level, { ef, p50us: median(p50) * 1000, p99us: median(p99) * 1000 }]);
    if (all.length) runner.result.latencies = Object.fromEntries(all);
  }
}
