// The benchmark: thermocline beside its peers, on the same data, in the same run. `cargo xtask bench` builds the package and
// starts this.
//
//  1. install   the peers, once (lib/install)
//  2. prepare   the data sets and their true neighbours, once (lib/sets)
//  3. measure   for each set: builds, curves, files (steps/build, curve, store), then deletes and compaction (steps/maintenance),
//               and indexes that are kept (steps/stored)
//  4. judge     against the targets (report/targets), print, keep the record, and with --write regenerate the document
//
// Contenders are processes that wait for commands (workers/), so they can take turns; one works at a time.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { contenders } from "./lib/contenders.mjs";
import { buildNative, installNativePeer, installWasmPeers } from "./lib/install.mjs";
import { HELP, readOptions } from "./lib/options.mjs";
import { DATA, DIST, ROOT, SAMPLE, SCRATCH } from "./lib/paths.mjs";
import { Contender, pinning } from "./lib/process.mjs";
import { prepareSets } from "./lib/sets.mjs";
import { Truth, readIds } from "./lib/truth.mjs";
import { render } from "./report/tables.mjs";
import { writeDocument, writeRecord } from "./report/write.mjs";
import { buildAll } from "./steps/build.mjs";
import { measureCurves } from "./steps/curve.mjs";
import { measureMaintenance } from "./steps/maintenance.mjs";
import { measureSizes } from "./steps/sizes.mjs";
import { measureStores } from "./steps/store.mjs";
import { measureStored } from "./steps/stored.mjs";

const begun = performance.now();
const log = (text) => console.error(`[${((performance.now() - begun) / 1000).toFixed(0)} s] ${text}`);

async function main(options) {
  if (options.help) return console.log(HELP);
  if (options.list) return console.log(contenders({}).map((one) => one.name + (one.optional ? " (with --with)" : "")).join("\n"));
  const record = options.from ? JSON.parse(readFileSync(options.from, "utf8")) : await measure(options);
  const tables = render(record);
  console.log(tables);
  if (options.write) writeDocument(tables);
}

async function measure(options) {
  const load = { before: loadavg()[0].toFixed(2) };
  const native = buildNative();
  const measuresSearch = options.parts.some((part) => part !== "sizes");
  if (measuresSearch) installWasmPeers();
  const chosen = choose(contenders({ native }), options);
  mkdirSync(SCRATCH, { recursive: true });

  const sets = [];
  if (measuresSearch) {
    const exact = ({ basePath, queriesPath, truthPath, dimensions, metric, depth }) => {
      const fields = { base: basePath, queries: queriesPath, out: truthPath, dimensions, metric, depth };
      const words = Object.entries(fields).map(([key, value]) => `${key}=${value}`);
      execFileSync(native, ["exact", ...words], { stdio: ["ignore", 2, 2] });
    };
    const prepared = await prepareSets({ from: process.env.THERMOCLINE_DATA, rows: options.rows, cache: DATA, sample: SAMPLE, exact });
    for (const set of prepared) sets.push(await measureSet(set, chosen, native, options));
  }
  const record = {
    ...version(),
    machine: {
      cpu: cpus()[0].model.trim(),
      cores: cpus().length,
      node: process.versions.node,
      rustc: text("rustc", "--version"),
      pinning,
      load: { ...load, after: loadavg()[0].toFixed(2) },
    },
    options: Object.fromEntries(["rows", "rounds", "builds", "m", "efConstruction", "k"].map((key) => [key, options[key]])),
    seconds: Math.round((performance.now() - begun) / 1000),
    sets,
    sizes: options.parts.includes("sizes") ? measureSizes() : undefined,
  };
  log(`kept in ${writeRecord(record, options)}`);
  return record;
}

function choose(all, options) {
  const unknown = [...(options.only ?? []), ...options.with].find((name) => !all.some((one) => one.name === name));
  if (unknown) throw new Error(`there is no contender ${unknown}; --list names them`);
  const wanted = all.filter((one) => (options.only ? options.only.includes(one.name) : !one.optional) || options.with.includes(one.name));
  if (wanted.some((one) => one.name.startsWith("thermocline-wasm")) && !existsSync(DIST)) {
    throw new Error("the package is not built: cargo xtask build, or cargo xtask bench, which does so first");
  }
  const needsPython = wanted.some((one) => one.name === "hnswlib");
  return needsPython && !installNativePeer() ? wanted.filter((one) => one.name !== "hnswlib") : wanted;
}

async function measureSet(set, chosen, native, options) {
  log(`${set.name}: ${set.rows} x ${set.dimensions}`);
  const truth = new Truth(readIds(set.truthPath), set.queries);
  const open = async (one) => {
    const child = new Contender(one.name, one.command);
    const { rows, dimensions, metric, basePath: base, queriesPath: queries } = set;
    const { m, efConstruction } = options;
    await child.ask("open", { base, queries, rows, dimensions, metric, quantization: one.quantization, m, efConstruction });
    return child;
  };
  const results = new Map(chosen.map(({ name, version, ours, quantization }) => [name, { name, version, ours, quantization }]));

  if (options.parts.includes("curve")) {
    const runners = [];
    for (const one of chosen) runners.push({ ...one, process: await open(one), result: results.get(one.name) });
    await buildAll(runners, set, options, log);
    await measureCurves(runners, set, truth, options, log);
    await measureStores(runners, log);
    for (const runner of runners) await runner.process.close();
  }
  if (options.parts.includes("maintenance")) {
    for (const one of chosen.filter((each) => each.ours && !each.optional)) {
      results.get(one.name).maintenance = await measureMaintenance(one, () => open(one), set, truth, options, log);
    }
  }
  const takesPart = (name) => chosen.some((one) => one.name === name);
  let stored;
  if (options.parts.includes("stored") && takesPart("thermocline-wasm")) {
    stored = await measureStored(set, { ...options, native: takesPart("thermocline-native") ? native : undefined }, log);
  }
  const { name, rows, dimensions, metric, queries } = set;
  return { name, rows, dimensions, metric, queries, contenders: [...results.values()], stored };
}

function version() {
  const commit = text("git", "rev-parse", "--short", "HEAD") || "none";
  return { date: new Date().toISOString(), commit, dirty: text("git", "status", "--porcelain") !== "" };
}

function text(command, ...args) {
  try {
    return execFileSync(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] }).toString().trim();
  } catch {
    return "";
  }
}

try {
  await main(readOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exit(1);
}
