// Makes dist/, everything that the package ships, from src/ and the crate's wasm file:
//
//     node build.mjs ../target/wasm32-unknown-unknown/release/thermocline.wasm [the same for threads]
//
//  1. wasm-bindgen (the version that Cargo.toml pins) writes glue and a wasm file into wasm/.
//  2. The names that the two share are shortened, and the glue becomes a factory: each call makes one fresh instance.
//  3. The wasm file is cut into parts, and wasm-opt makes dist/thermocline.wasm, thermocline-store.wasm and
//     thermocline-bulk.wasm of them.
//  4. esbuild bundles the scripts for each platform: the package itself and what its entries share; indexes in a store,
//     one of the stores, the text of metrics and filter objects, each loaded when it is needed; the entry
//     "thermocline/worker", and the script of its workers; "thermocline/whole", which is all of it in one script.
//  5. tsc checks the sources and emits their declarations, which become one file for each module system.
//  6. If the crate has also been compiled for a shared memory (cargo xtask build does that), the files of
//     "thermocline/threads" are made from it: one wasm file, one script for each platform, declarations.
//  7. Sizes are printed.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { without } from "./build/bytes.mjs";
import { declarationsFrom, entryDeclarationsFrom } from "./build/declarations.mjs";
import { factoryFrom, sharedFactoryFrom } from "./build/glue.mjs";
import { withShortImports } from "./build/imports.mjs";
import { LIMITS, sizes } from "./build/sizes.mjs";
import { split } from "./build/split.mjs";
import { insteadOf } from "./build/threads.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const DIST = join(HERE, "dist");
const WASM = join(HERE, "wasm");

/** Options of wasm-opt. All features that rustc may use with our flags are listed: any other is an error. */
const WASM_OPT = [
  // A function with one caller is not inlined: that is fewer bytes, but they compress worse.
  "-O3", "--one-caller-inline-max-function-size=0",
  // Functions that are always called with the same constants take fewer bytes with the constants in them. Functions
  // compress better beside those of their own module.
  "--monomorphize", "--reorder-functions-by-name",
  // No data lies in the first kilobyte: the stack comes first in memory and grows down to 0. So a constant added to an
  // address can become the offset of the load.
  "--low-memory-unused",
  "--enable-simd", "--enable-bulk-memory", "--enable-bulk-memory-opt", "--enable-reference-types", "--enable-sign-ext",
  "--enable-nontrapping-float-to-int", "--enable-mutable-globals", "--enable-multivalue", "--enable-call-indirect-overlong",
  "--strip-debug", "--strip-producers", "--strip-target-features",
];

/** The platforms, by the endings of their scripts. */
const PLATFORMS = {
  "browser.js": { platform: "browser", format: "esm" },
  "node.js": { platform: "node", format: "esm" },
  "node.cjs": { platform: "node", format: "cjs" },
};
/** The scripts. What all scripts of a platform need is only in its `shared`. */
const SCRIPTS = [
  { entry: "entries/shared", out: "shared.browser.js" },
  { entry: "entries/shared", out: "shared.node.js" },
  { entry: "entries/shared", out: "shared.node.cjs" },
  { entry: "entries/main.browser", out: "index.browser.js" },
  { entry: "entries/main.node", out: "index.node.js" },
  { entry: "entries/main.cjs", out: "index.node.cjs" },
  { entry: "entries/stored.browser", out: "stored.browser.js" },
  { entry: "entries/stored.node", out: "stored.node.js" },
  { entry: "entries/stored.node", out: "stored.node.cjs" },
  { entry: "stores/opfs", out: "opfs.browser.js" },
  { entry: "stores/directory", out: "directory.node.js" },
  { entry: "stores/directory", out: "directory.node.cjs" },
  { entry: "metrics", out: "metrics.browser.js" },
  { entry: "metrics", out: "metrics.node.js" },
  { entry: "metrics", out: "metrics.node.cjs" },
  { entry: "filter/filter", out: "filter.browser.js" },
  { entry: "filter/filter", out: "filter.node.js" },
  { entry: "filter/filter", out: "filter.node.cjs" },
  { entry: "entries/worker.browser", out: "worker.browser.js" },
  { entry: "entries/worker.node", out: "worker.node.js" },
  { entry: "entries/worker.cjs", out: "worker.node.cjs" },
  // In one piece: bundlers do not allow parts of a worker's script.
  { entry: "entries/worker-host.browser", out: "worker-host.browser.js", isWhole: true },
  // Workers of CommonJS programs run this ES module too.
  { entry: "entries/worker-host.node", out: "worker-host.node.js" },
  // In one piece: service workers may not load parts when they are needed.
  { entry: "entries/whole.browser", out: "whole.browser.js", isWhole: true },
];

/** The scripts of "thermocline/threads". */
const THREADS_SCRIPTS = [
  { entry: "entries/threads.browser", out: "threads.browser.js" },
  { entry: "entries/threads.node", out: "threads.node.js" },
  { entry: "entries/threads.cjs", out: "threads.node.cjs" },
];

const input = resolve(process.argv[2] ?? join(HERE, "../target/wasm32-unknown-unknown/release/thermocline.wasm"));
if (!existsSync(input)) {
  throw new Error(`${input}: not there; build the crate for wasm32-unknown-unknown first, or run cargo xtask build`);
}

for (const folder of [DIST, WASM]) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

checkGenerator();
const linked = readFileSync(input);
writeFileSync(join(WASM, "linked.wasm"), linked);
const short = generated(linked, "");
writeFileSync(join(WASM, "glue.js"), factoryFrom(short.glue));

const [core, store, bulk] = split(linked, short.wasm);
optimize("thermocline.wasm", core);
// Little of the code for storing runs often. Optimized for size first, it ends a little smaller.
optimize("thermocline-store.wasm", store, "-Oz");
optimize("thermocline-bulk.wasm", bulk);
for (const script of SCRIPTS) await bundle(script, { "thermocline-glue": join(WASM, "glue.js") });

const shared = process.argv[3] && resolve(process.argv[3]);
if (shared) {
  const { wasm, glue } = generated(readFileSync(shared), "shared-");
  writeFileSync(join(WASM, "shared-glue.js"), sharedFactoryFrom(glue));
  optimize("thermocline-threads.wasm", wasm, "--enable-threads");
  const alias = { "thermocline-shared-glue": join(WASM, "shared-glue.js") };
  for (const script of THREADS_SCRIPTS) await bundle(script, alias, insteadOf(join(HERE, "src"), "threads"));
}

async function bundle({ entry, out, isWhole }, alias, ...plugins) {
  const ending = out.slice(out.indexOf(".") + 1);
  const { platform, format } = PLATFORMS[ending];
  await build({
    entryPoints: [join(HERE, `src/${entry}.ts`)],
    outfile: join(DIST, out),
    alias,
    platform,
    format,
    target: "es2022",
    bundle: true,
    minify: true,
    // Node prints the whole line from which an uncaught error was thrown.
    lineLimit: platform === "node" ? 1000 : undefined,
    legalComments: "none",
    plugins: [isWhole ? whole(ending) : parts(out, ending), ...plugins],
    // In CommonJS, `import()` becomes `require`: some programs that load CommonJS have only that.
    supported: { "dynamic-import": format === "esm" },
    // Members that are internal to the glue. The names are exact: exports of the wasm file begin alike.
    mangleProps: /^(__wbg_ptr|__wrap|__destroy_into_raw)$/,
    logLevel: "warning",
  });
}

const types = join(WASM, "types");
const emit = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", types];
run(process.execPath, join(HERE, "node_modules/typescript/bin/tsc"), "-p", HERE, ...emit);
const declarations = await declarationsFrom(types);
for (const name of ["index.d.ts", "index.d.cts"]) writeFileSync(join(DIST, name), declarations);
for (const entry of shared ? ["worker", "threads"] : ["worker"]) {
  for (const [ending, index] of [["d.ts", "./index.js"], ["d.cts", "./index.cjs"]]) {
    writeFileSync(join(DIST, `${entry}.${ending}`), await entryDeclarationsFrom(types, entry, index));
  }
}
for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) {
  if (existsSync(join(HERE, "..", name))) copyFileSync(join(HERE, "..", name), join(DIST, name));
}

const { script, wasm, storeWasm, bulkWasm, threadsWasm } = LIMITS;
const limits = [`script ${script}`, `wasm ${wasm}`, `of a store ${storeWasm}`, `of bulk builds ${bulkWasm}`, `of threads ${threadsWasm}`];
console.log(`limits, gzipped: ${limits.join(", ")}`);
for (const { name, raw, gzip, within } of sizes(DIST)) {
  const size = `${String(raw).padStart(8)} bytes ${String(gzip).padStart(8)} gzipped`;
  console.log(`${name.padEnd(22)} ${size}${within ? "" : "  OVER THE LIMIT"}`);
}

/**
 * Returns an esbuild plugin that leaves some imports to other scripts with the same ending: what all scripts of a
 * platform must share (so that a program that loads several has one error class to compare with), what is loaded when
 * it is needed, and another entry.
 */
function parts(out, ending) {
  const to = (name) => ({ path: `./${name}.${ending}`, external: true });
  return {
    name: "parts",
    setup: ({ onResolve }) =>
      onResolve({ filter: /\.js$/ }, ({ kind, path }) => {
        const name = path.match(/([\w.-]+)\.js$/)[1];
        if (kind === "dynamic-import") return to(name);
        if (["errors", "written"].includes(name) && !out.startsWith("shared.")) return to("shared");
        return name === "main.node" ? to("index") : undefined;
      }),
  };
}

/** Returns an esbuild plugin that includes what other scripts load only when it is needed. */
function whole(ending) {
  const platform = ending.split(".")[0];
  return {
    name: "whole",
    setup: ({ onResolve }) =>
      onResolve({ filter: /\/stored\.js$/ }, ({ kind }) => {
        return kind === "dynamic-import" ? { path: join(HERE, `src/entries/stored.${platform}.ts`) } : undefined;
      }),
  };
}

/**
 * Runs wasm-bindgen on the crate's file. Returns its wasm file and the text of its glue, with short names for imports.
 */
function generated(crate, prefix) {
  const at = (name) => join(WASM, `${prefix}${name}`);
  // The linker's report (build/links.mjs) would not be true of the files that are made from this one.
  writeFileSync(at("crate.wasm"), without(crate, /^(linking$|reloc\.)/));
  const options = ["--target", "web", "--no-typescript", "--encode-into", "always"];
  run("wasm-bindgen", ...options, "--out-dir", WASM, "--out-name", `${prefix}generated`, at("crate.wasm"));
  return withShortImports(readFileSync(at("generated_bg.wasm")), readFileSync(at("generated.js"), "utf8"));
}

/** Optimizes a wasm file and writes it to dist/. */
function optimize(name, bytes, ...options) {
  writeFileSync(join(WASM, name), bytes);
  const wasmOpt = join(HERE, "node_modules/binaryen/bin/wasm-opt");
  run(process.execPath, wasmOpt, ...options, ...WASM_OPT, join(WASM, name), "-o", join(DIST, name));
}

/** Checks that wasm-bindgen has the crate's version: otherwise the wasm file would refuse to start. */
function checkGenerator() {
  const pinned = /^wasm-bindgen = "=([\d.]+)"$/m.exec(readFileSync(join(HERE, "../Cargo.toml"), "utf8"))?.[1];
  const installed = execFileSync("wasm-bindgen", ["--version"], { encoding: "utf8" }).trim().split(" ")[1];
  if (pinned !== installed) throw new Error(`wasm-bindgen CLI: expected ${pinned} as Cargo.toml pins it, got ${installed}`);
}

function run(command, ...args) {
  execFileSync(command, args, { stdio: "inherit" });
}
