// The main job of thermocline, end to end, on real data, in Node: build, query, filter, delete, compact while querying,
// export and import, keep and open again, every claim verified in the run; then the same job on a page. For the options
// see `node demo.mjs --help`.

import { readFile } from "node:fs/promises";
import { loadDataset } from "./src/common/dataset.js";
import { USAGE, readOptions } from "./demo/options.mjs";
import { Claims, bold, dim, figure, heading } from "./demo/print.mjs";
import { keep } from "./demo/keep.mjs";
import { build, compact, narrow, query, remove, roundTrip } from "./demo/steps.mjs";

// Held-out queries with a clear answer, shown in full; the first is about an animal, so deleting animals changes it.
const SHOWN = ["noun.02341288", "noun.03423877", "verb.01187758"];

async function main() {
  let options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }

  console.log(`${bold("thermocline")}  ${dim(`Node ${process.versions.node}, ${process.platform} ${process.arch}`)}`);
  const { base, queries } = await loadDataset((url) => readFile(url));
  const gone = new Set(base.rows.filter((row) => options.categories.includes(row.lexname)).map((row) => row.id));
  if (gone.size === 0 || base.length - gone.size < 100) {
    const named = `${options.categories.join(", ")} names ${gone.size} of ${base.length} records`;
    console.error(`--categories: ${named}; expected some, but not nearly all`);
    return 2;
  }

  const claims = new Claims();
  const shown = SHOWN.map((id) => queries.rowOfId.get(id)).filter((row) => row !== undefined);
  const job = { base, queries, shown, gone, claims, options };
  job.index = await build(job);
  job.recallBefore = await query(job);
  await narrow(job);
  await remove(job);
  await compact(job);
  await roundTrip(job);
  await keep(job);
  await job.index.close();
  const verified = claims.conclude();

  if (options.once || !verified) return verified ? 0 : 1;
  return servePageUntilInterrupted(options.port);
}

async function servePageUntilInterrupted(port) {
  heading("The same on a page");
  const { buildPage, servePage } = await import("./demo/serve.mjs");
  await buildPage();
  const { url, close } = await servePage(port);
  figure("open", `${bold(url)}  ${dim("(Ctrl-C ends)")}`);
  await new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  await close();
  return 0;
}

process.exitCode = await main();
