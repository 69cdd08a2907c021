// Deletes 30 % in every contender that can delete: the speed, the recall afterwards, and compaction if there is one.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCRATCH } from "../lib/paths.mjs";
import { Random } from "../lib/random.mjs";
import { readIds } from "../lib/truth.mjs";
import { each } from "../lib/turns.mjs";

const EF = 64;
const SHARE = 0.3;

export async function measureDeletes(runners, set, truth, { k, slow }, log) {
  const order = new Random(7).shuffle(Array.from({ length: set.rows }, (_, row) => row));
  await each(runners.filter((runner) => runner.deletes), async (runner) => {
    const wanted = Math.floor(set.rows * SHARE);
    const dead = order.slice(0, runner.deletes === true ? wanted : Math.min(wanted, runner.deletes));
    const alive = new Uint8Array(set.rows).fill(1);
    for (const row of dead) alive[row] = 0;
    const path = join(SCRATCH, `${runner.name}.dead.rows`);
    writeFileSync(path, new Uint8Array(Int32Array.from(dead).buffer));

    const took = await runner.process.ask("delete", { rows: path });
    const result = { deleted: dead.length, perSecondWall: (dead.length * 1000) / took.wallMs, perSecondCpu: (dead.length * 1000) / took.cpuMs };
    const search = async (numbered) => {
      const ids = join(SCRATCH, `${runner.name}.ids`);
      const count = runner.queries;
      // The first pass warms up and counts; the second is timed.
      await runner.process.ask("search", { ef: EF, k, mode: runner.modes[0], ids, count });
      const recall = numbered ? truth.recall(readIds(ids), k, alive) : undefined;
      const { wallMs, cpuMs, ...one } = await runner.process.ask("search", { ef: EF, k, mode: runner.modes[0], count });
      return { recall, qpsWall: (one.count * 1000) / wallMs, qpsCpu: (one.count * 1000) / cpuMs };
    };
    result.before = await search(true);
    if (runner.compacts === true || (runner.compacts && slow)) {
      const { wallMs, cpuMs } = await runner.process.ask("compact", { sliceMs: 1000 });
      result.compaction = { wallMs, cpuMs };
      // A contender that renumbers its records cannot be searched meaningfully.
      result.after = await search(runner.ours);
    } else if (runner.compacts) {
      result.compaction = { notRun: "takes minutes; --slow runs it" };
    }
    runner.result.deletes = result;
  });
  log("deleted, and searched again");
}
