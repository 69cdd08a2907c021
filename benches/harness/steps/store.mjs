// Saving the index to a file, and the time from the file to the first answer.
import { join } from "node:path";
import { rmSync } from "node:fs";
import { SCRATCH } from "../lib/paths.mjs";
import { median } from "../lib/numbers.mjs";
import { each } from "../lib/turns.mjs";

export async function measureStores(runners, log) {
  await each(runners.filter((one) => one.stores), async (runner) => {
    const path = join(SCRATCH, `${runner.name}.index`);
    const save = await runner.process.ask("save", { path });
    const opened = [];
    for (let round = 0; round < 3; round++) opened.push(await runner.process.ask("reopen", { path }));
    runner.result.store = { saveMs: save.wallMs, bytes: save.bytes, reopenMs: median(opened.map((one) => one.wallMs)) };
    rmSync(path, { recursive: true, force: true });
  });
  log("saved and reopened");
}
