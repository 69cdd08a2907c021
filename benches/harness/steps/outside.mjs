// Out-of-distribution queries: the recall at each width.
import { join } from "node:path";
import { SCRATCH } from "../lib/paths.mjs";
import { Truth, readIds } from "../lib/truth.mjs";
import { each } from "../lib/turns.mjs";

/** Restores the set's own queries afterwards. Slow peers are skipped: they are not compared here. */
export async function measureOutside(runners, set, { k, widths }, log) {
  const { queriesPath, truthPath, queries } = set.outside;
  const truth = new Truth(readIds(truthPath), queries);
  await each(runners.filter((runner) => !runner.queries), async (runner) => {
    const ids = join(SCRATCH, `${runner.name}.ids`);
    await runner.process.ask("use", { queries: queriesPath });
    const points = [];
    for (const ef of widths) {
      const { wallMs, cpuMs, count } = await runner.process.ask("search", { ef, k, mode: runner.mode ?? runner.modes[0], ids });
      points.push({ ef, recall: truth.recall(readIds(ids), k), qpsWall: (count * 1000) / wallMs, qpsCpu: (count * 1000) / cpuMs });
    }
    runner.result.outside = points;
    await runner.process.ask("use", { queries: set.queriesPath });
  });
  log("queries out of distribution asked");
}
