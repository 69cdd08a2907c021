// Recall against queries a second, over the search width. Contenders take turns at every width of every round.
import { join } from "node:path";
import { SCRATCH } from "../lib/paths.mjs";
import { atRecall, median, quantile } from "../lib/numbers.mjs";
import { readIds } from "../lib/truth.mjs";

/** A timed pass of a contender that names no number of its own: a set of few queries goes around several times. */
const PASS = 2000;
export const LEVELS = [0.9, 0.95, 0.99];

export async function measureCurves(runners, set, truth, { k, rounds, widths }, log) {
  const times = new Map(runners.map((runner) => [runner, widths.map(() => runner.modes.map(() => ({ wall: [], cpu: [] })))]));

  // The first pass runs every query once: it gives the recalls and warms everything up, and its times are not used.
  for (const runner of runners) {
    const ids = join(SCRATCH, `${runner.name}.ids`);
    runner.result.curve = [];
    for (const ef of widths) {
      await runner.process.ask("search", { ef, k, mode: runner.modes[0], ids });
      runner.result.curve.push({ ef, recall: truth.recall(readIds(ids), k) });
    }
  }
  log("recalls counted");

  for (let round = 0; round < rounds; round++) {
    for (const [w, ef] of widths.entries()) {
      for (const runner of runners) {
        for (const [m, mode] of runner.modes.entries()) {
          const { wallMs, cpuMs, count } = await runner.process.ask("search", { ef, k, mode, count: runner.queries ?? PASS });
          times.get(runner)[w][m].wall.push((count * 1000) / wallMs);
          times.get(runner)[w][m].cpu.push((count * 1000) / cpuMs);
        }
      }
    }
    log(`search round ${round + 1} of ${rounds}`);
  }

  for (const runner of runners) {
    runner.result.curve.forEach((point, w) => {
      // The faster of its modes is a contender's figure.
      const modes = times.get(runner)[w];
      point.qpsWall = Math.max(...modes.map((mode) => median(mode.wall)));
      point.qpsCpu = Math.max(...modes.map((mode) => median(mode.cpu)));
    });
    runner.result.at = Object.fromEntries(
      LEVELS.map((level) => [level, { qpsWall: atRecall(runner.result.curve, level, "qpsWall"), qpsCpu: atRecall(runner.result.curve, level, "qpsCpu") }]),
    );
  }
  await measureLatencies(runners, { k, rounds });
  log("latencies measured");
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
