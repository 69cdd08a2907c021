// Cold records: the memory held, how few blocks an answer spans, and the cost of reading. Uses the set of
// THERMOCLINE_DATA and a synthetic one with as many dimensions as long embeddings. Prints the output of `native tiers`
// (benches/native/tiers.rs).
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { buildNative } from "./lib/install.mjs";
import { DATA, SAMPLE, SCRATCH } from "./lib/paths.mjs";
import { prepareSets, prepareSynthetic } from "./lib/sets.mjs";

const LONG = { rows: 20_000, queries: 500, dimensions: 1536, seed: 1 };

const native = buildNative();
const run = (verb, fields) =>
  execFileSync(native, [verb, ...Object.entries(fields).map(([key, value]) => `${key}=${value}`)], { stdio: ["ignore", "inherit", "inherit"] });
const exact = ({ basePath: base, queriesPath: queries, truthPath: out, dimensions, metric, depth }) =>
  run("exact", { base, queries, out, dimensions, metric, depth });

mkdirSync(SCRATCH, { recursive: true });
const sets = await prepareSets({ from: process.env.THERMOCLINE_DATA, rows: 100_000, cache: DATA, sample: SAMPLE, exact });
for (const set of [sets[0], await prepareSynthetic({ ...LONG, cache: DATA, exact })]) {
  const { name, basePath: base, queriesPath: queries, truthPath: truth, dimensions, metric } = set;
  console.log(name);
  run("tiers", { base, queries, truth, dimensions, metric, path: join(SCRATCH, "tiers") });
}
