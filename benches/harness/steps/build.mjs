// Build rate. All contenders build concurrently in turns of a tenth of the rows, so that a slow minute of the machine
// affects all of them. Those that are faster when they get all rows at once get them in the last turn.
import { REFERENCE } from "../lib/contenders.mjs";
import { median } from "../lib/numbers.mjs";
import { each } from "../lib/turns.mjs";

const TURNS = 10;
/** Most rows in a turn, of contenders that build in turns: they are copied to where they are inserted. */
const MOST = 10_000;
/** Slice length for packing, which nothing else waits for. */
const PACKING_MS = 50;

/**
 * Builds in every contender, and leaves the last index in place, packed if the contender supports it, which counts as
 * part of building. Only thermocline and the peer it is compared with build more than once, `builds` times.
 */
export async function buildAll(runners, set, { builds }, log) {
  const turns = Math.max(TURNS, Math.ceil(set.rows / MOST));
  const runs = new Map(runners.map((runner) => [runner, []]));
  for (let round = 0; round < builds; round++) {
    const taking = runners.filter((runner) => round === 0 || runner.main || runner.name === REFERENCE);
    await each(taking, async (runner) => {
      await runner.process.ask("create");
      runs.get(runner).push({ wallMs: 0, cpuMs: 0 });
    });
    for (let turn = 0; turn < turns; turn++) {
      const from = Math.floor((set.rows * turn) / turns);
      const to = Math.floor((set.rows * (turn + 1)) / turns);
      const inTurn = taking.filter(({ atOnce }) => !atOnce || to === set.rows);
      await each(inTurn, async (runner) => {
        const rows = runner.atOnce ? { from: 0, to, ...runner.atOnce } : { from, to };
        const { wallMs, cpuMs } = await runner.process.ask("insert", rows);
        const run = runs.get(runner).at(-1);
        run.wallMs += wallMs;
        run.cpuMs += cpuMs;
      });
    }
    await each(taking.filter(({ packs }) => packs), async (runner) => {
      const { wallMs, cpuMs } = await runner.process.ask("compact", { pack: 1, sliceMs: PACKING_MS });
      const run = runs.get(runner).at(-1);
      run.wallMs += wallMs;
      run.cpuMs += cpuMs;
    });
    const rate = (runner) => Math.round(set.rows / (runs.get(runner).at(-1).wallMs / 1000));
    log(`built, round ${round + 1}: ${taking.filter(({ failed }) => !failed).map((runner) => `${runner.name} ${rate(runner)}/s`).join(", ")}`);
  }
  await each(runners, async (runner) => {
    const all = runs.get(runner);
    const rates = (key) => all.map((run) => set.rows / (run[key] / 1000));
    const [wall, cpu] = [rates("wallMs"), rates("cpuMs")];
    runner.result.build = { perSecondWall: median(wall), perSecondCpu: median(cpu), rounds: { wall, cpu } };
    runner.result.memory = await runner.process.ask("memory");
  });
}
