// Build rate. All contenders build at once in turns of a tenth of the rows, so that a slow minute of the machine falls on all.
import { median } from "../lib/numbers.mjs";

const TURNS = 10;

/** Builds in every contender, and leaves the last index in place. Slow peers build once, the others `builds` times. */
export async function buildAll(runners, set, { builds }, log) {
  const runs = new Map(runners.map((runner) => [runner, []]));
  for (let round = 0; round < builds; round++) {
    const taking = runners.filter((runner) => round === 0 || !runner.queries);
    for (const runner of taking) {
      await runner.process.ask("create");
      runs.get(runner).push({ wallMs: 0, cpuMs: 0 });
    }
    for (let turn = 0; turn < TURNS; turn++) {
      const from = Math.floor((set.rows * turn) / TURNS);
      const to = Math.floor((set.rows * (turn + 1)) / TURNS);
      for (const runner of taking) {
        const { wallMs, cpuMs } = await runner.process.ask("insert", { from, to });
        const run = runs.get(runner).at(-1);
        run.wallMs += wallMs;
        run.cpuMs += cpuMs;
      }
    }
    const rate = (runner) => Math.round(set.rows / (runs.get(runner).at(-1).wallMs / 1000));
    log(`built, round ${round + 1}: ${taking.map((runner) => `${runner.name} ${rate(runner)}/s`).join(", ")}`);
  }
  for (const [runner, all] of runs) {
    const rates = (key) => all.map((run) => set.rows / (run[key] / 1000));
    const [wall, cpu] = [rates("wallMs"), rates("cpuMs")];
    runner.result.build = { perSecondWall: median(wall), perSecondCpu: median(cpu), rounds: { wall, cpu } };
    runner.result.memory = await runner.process.ask("memory");
  }
}
