// The benchmark: thermocline and its peers, on the same data, in the same run. `cargo xtask bench` builds the package
// and starts this.
//
//  1. install   the peers, once (lib/install)
//  2. prepare   the data sets and their true neighbours, once (lib/sets)
//  3. measure   for each set: builds, curves, files (steps/build, curve, store), then deletes and compaction
//               (steps/maintenance), and stored indexes (steps/stored)
//  4. judge     against the targets (report/targets), print, keep the record, and with --write regenerate the document
//
// Contenders are processes that wait for commands (workers/), so they can take turns; one works at a time.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { contenders, described, withNoRerank } from "./lib/contenders.mjs";
import { buildNative, installNativePeers, installWasmPeers } from "./lib/install.mjs";
import { HELP, readOptions } from "./lib/options.mjs";
import { DATA, DIST, ROOT, SAMPLE, SCRATCH } from "./lib/paths.mjs";
import { Contender, pinning } from "./lib/process.mjs";
import { prepareSets } from "./lib/sets.mjs";
import { Truth, readIds } from "./lib/truth.mjs";
import { each, leave } from "./lib/turns.mjs";
import { render } from "./report/tables.mjs";
import { writeDocument, writePlots, writeRecord } from "./report/write.mjs";
import { buildAll } from "./steps/build.mjs";
import { measureCurves } from "./steps/curve.mjs";
import { measureDeletes } from "./steps/deletes.mjs";
import { measureMaintenance } from "./steps/maintenance.mjs";
import { measureOutside } from "./steps/outside.mjs";
import { USUAL, measureScale } from "./steps/scale.mjs";
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
  if (options.write) {
    writePlots(record);
    writeDocument(tables);
  }
}

async function measure(options) {
  const load = { before: loadavg()[0].toFixed(2) };
  const native = buildNative();
  const onSets = options.parts.some((part) => part !== "sizes" && part !== "scale");
  const onScale = options.parts.includes("scale");
  if (onSets || onScale) installWasmPeers();
  const chosen = choose(contenders({ native, quantization: options.quantization }), options);
  mkdirSync(SCRATCH, { recursive: true });
  const exact = ({ basePath, queriesPath, truthPath, dimensions, metric, depth }) => {
    const fields = { base: basePath, queries: queriesPath, out: truthPath, dimensions, metric, depth };
    const words = Object.entries(fields).map(([key, value]) => `${key}=${value}`);
    execFileSync(native, ["exact", ...words], { stdio: ["ignore", 2, 2] });
  };

  const sets = [];
  if (onSets) {
    const prepared = await prepareSets({ from: process.env.THERMOCLINE_DATA, rows: options.rows, cache: DATA, sample: SAMPLE, exact });
    for (const set of prepared) sets.push(await measureSet(set, chosen, native, options));
  }
  const scaling = options.only ? chosen : chosen.filter(({ name }) => USUAL.includes(name) || options.with.includes(name));
  const start = (one, set) => open(one, set, options);
  const scale = onScale ? await measureScale(scaling, start, { exact, cache: DATA, options, log }) : undefined;
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
    options: Object.fromEntries(["rows", "rounds", "builds", "m", "efConstruction", "k", "quantization", "parts"].map((key) => [key, options[key]])),
    seconds: Math.round((performance.now() - begun) / 1000),
    sets,
    scale,
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
  const groups = [...new Set(wanted.map((one) => one.needs).filter(Boolean))];
  const missing = groups.length ? installNativePeers(groups) : new Map();
  for (const [name, reason] of missing) console.error(`${name}: ${reason}`);
  return wanted.map((one) => ({ ...one, missing: missing.get(one.needs) }));
}

/** Starts a contender's process with a set open and nothing built. */
async function open(one, { rows, dimensions, metric, basePath: base, queriesPath: queries }, { m, efConstruction }) {
  const child = new Contender(one.name, one.command);
  try {
    await child.ask("open", { base, queries, rows, dimensions, metric, quantization: one.quantization, m, efConstruction });
  } catch (error) {
    await child.close();
    throw error;
  }
  return child;
}

async function measureSet(set, chosen, native, options) {
  log(`${set.name}: ${set.rows} x ${set.dimensions}`);
  const truth = new Truth(readIds(set.truthPath), set.queries);
  const results = new Map();
  for (const one of chosen) results.set(one.name, described(one));
  const parts = (...names) => names.some((part) => options.parts.includes(part));

  if (parts("curve", "outside", "deletes")) {
    const runners = chosen.map((one) => ({ ...one, result: results.get(one.name), failed: Boolean(one.missing) }));
    await each(runners, async (runner) => (runner.process = await open(runner, set, options)));
    await buildAll(runners, set, options, log);
    if (parts("curve")) {
      const all = withNoRerank(runners);
      await measureCurves(all, set, truth, options, log);
      results.clear();
      for (const { name, result } of all) results.set(name, result);
      await measureStores(runners, log);
    }
    if (parts("outside")) await measureOutside(runners, set, options, log);
    if (parts("deletes")) await measureDeletes(runners, set, truth, options, log);
    await each(runners, (runner) => runner.process.close());
  }
  if (parts("maintenance")) {
    for (const one of chosen.filter((each) => each.main && each.place !== "chromium")) {
      const result = results.get(one.name);
      try {
        result.maintenance = await measureMaintenance(one, () => open(one, set, options), set, truth, options, log);
      } catch (error) {
        await leave({ name: one.name, result }, error);
      }
    }
  }
  const takesPart = (name) => chosen.some((one) => one.name === name);
  let stored;
  if (parts("stored") && takesPart("thermocline-wasm")) {
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
