// Recall against queries a second, over the search width. Contenders take turns at every width of every round.
import { join } from "node:path";
import { SCRATCH } from "../lib/paths.mjs";
import { atRecall, median, quantile } from "../lib/numbers.mjs";
import { readIds } from "../lib/truth.mjs";

/** A timed pass of a contender that names no number of its own: a set of few queries goes around several times. */
const PASS = 2000;
/** Enough queries to know a slow peer's recall to about .001. */
const SLOW_RECALL = 1000;
export const LEVELS = [0.9, 0.95, 0.99];

export async function measureCurves(runners, set, truth, options, log) {
  const { k, rounds, widths } = options;
  await countRecalls(runners, set, truth, options);
  log("recalls counted");
  for (let round = 0; round < rounds; round++) {
    for (let w = 0; w < widths.length; w++) {
      for (const runner of runners) await pass(runner, runner.result.curve[w], k);
    }
    log(`search round ${round + 1} of ${rounds}`);
  }
  for (const { result } of runners) {
    for (const point of result.curve) {
      point.qpsWall = median(point.rounds.wall);
      point.qpsCpu = median(point.rounds.cpu);
    }
    result.at = Object.fromEntries(LEVELS.map((level) => [level, readAt(result.curve, level, rounds)]));
  }
  await measureLatencies(runners, options);
  log("latencies measured");
}

/** Every query once, at every width. This also warms everything up; its times are not used. */
async function countRecalls(runners, set, truth, { k, widths }) {
  for (const runner of runners) {
    const ids = join(SCRATCH, `${runner.name}.ids`);
    const count = Math.min(set.queries, runner.queries ? SLOW_RECALL : Infinity);
    runner.result.curve = [];
    for (const ef of widths) {
      await runner.process.ask("search", { ef, k, mode: runner.modes[0], ids, count });
      runner.result.curve.push({ ef, recall: truth.recall(readIds(ids), k), rounds: { wall: [], cpu: [] } });
    }
  }
}

/** One timed pass at one width, in each of a contender's modes; the faster is its figure. */
async function pass(runner, point, k) {
  let [wall, cpu] = [0, 0];
  for (const mode of runner.modes) {
    const { wallMs, cpuMs, count } = await runner.process.ask("search", { ef: point.ef, k, mode, count: runner.queries ?? PASS });
    wall = Math.max(wall, (count * 1000) / wallMs);
    cpu = Math.max(cpu, (count * 1000) / cpuMs);
  }
  point.rounds.wall.push(wall);
  point.rounds.cpu.push(cpu);
}

/** QPS at a recall: of the curve of medians, and of each round's own curve, by which contenders are compared. */
function readAt(curve, level, rounds) {
  const ofRound = (key, round) => atRecall(curve.map((point) => ({ ...point, qps: point.rounds[key][round] })), level, "qps");
  const all = Array.from({ length: rounds }, (_, round) => round);
  return {
    qpsWall: atRecall(curve, level, "qpsWall"),
    qpsCpu: atRecall(curve, level, "qpsCpu"),
    rounds: { wall: all.map((round) => ofRound("wall", round)), cpu: all.map((round) => ofRound("cpu", round)) },
  };
}

/** p50 and p99 of single queries at the narrowest width whose recall is at least .95. */
async function measureLatencies(runners, { k, rounds }) {
  const samples = new Map();
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    for (const runner of runners) {
      const ef = runner.result.curve.find((point) => point.recall >= 0.95)?.ef;
      if (!ef) continue;
      const { latenciesMs } = await runner.process.ask("search", { ef, k, mode: "one", latencies: 1, count: PASS });
      samples.set(runner, [...(samples.get(runner) ?? []), latenciesMs]);
      runner.result.latency = { ef };
    }
  }
  for (const [runner, all] of samples) {
    runner.result.latency.p50us = median(all.map((one) => quantile(one, 0.5))) * 1000;
    runner.result.latency.p99us = median(all.map((one) => quantile(one, 0.99))) * 1000;
  }
}
