// Makes dist/, all that the package ships, from src/ and the crate's wasm file:
//
//     node build.mjs ../target/wasm32-unknown-unknown/release/thermocline.wasm [the same for threads]
//
//  1. wasm-bindgen (the version that Cargo.toml pins) writes glue and a wasm file into wasm/
//  2. what the two share gets short names, and the glue becomes a factory: one fresh instance at each call
//  3. the wasm file is cut in two, and wasm-opt makes dist/thermocline.wasm and dist/thermocline-store.wasm of them
//  4. esbuild bundles the scripts for each platform: the package itself and what its entries share; indexes in a store, one such
//     store, the text of metrics and filter objects, each loaded when it is asked for; the entry "thermocline/worker", and what
//     runs in its workers
//  5. tsc checks the sources and emits their declarations, which become one file for each module system
//  6. if there is the crate as cargo xtask build compiles it for a shared memory, the same is made of it for "thermocline/threads":
//     one wasm file, one script for each platform, declarations
//  7. sizes are printed
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

/** Every feature that rustc may use with our flags: an unlisted one is an error of wasm-opt, never a silent change. */
const WASM_OPT = [
  // A function with one caller stays one: inlined, it is fewer bytes but packs worse.
  "-O3", "--one-caller-inline-max-function-size=0",
  // What is called by the same constants again and again is fewer bytes with them in it, and functions pack better beside those of
  // their own module.
  "--monomorphize", "--reorder-functions-by-name",
  "--enable-simd", "--enable-bulk-memory", "--enable-bulk-memory-opt", "--enable-reference-types", "--enable-sign-ext",
  "--enable-nontrapping-float-to-int", "--enable-mutable-globals", "--enable-multivalue", "--enable-call-indirect-overlong",
  "--strip-debug", "--strip-producers", "--strip-target-features",
];

/** Each platform's scripts, by their endings: what is in each of a platform is in `shared` once. */
const PLATFORMS = { "browser.js": { platform: "browser", format: "esm" }, "node.js": { platform: "node", format: "esm" }, "node.cjs": { platform: "node", format: "cjs" } };
const SCRIPTS = [
  { entry: "shared", out: "shared.browser.js" },
  { entry: "shared", out: "shared.node.js" },
  { entry: "shared", out: "shared.node.cjs" },
  { entry: "entry.browser", out: "index.browser.js" },
  { entry: "entry.node", out: "index.node.js" },
  { entry: "entry.cjs", out: "index.node.cjs" },
  { entry: "entry.stored.browser", out: "stored.browser.js" },
  { entry: "entry.stored.node", out: "stored.node.js" },
  { entry: "entry.stored.node", out: "stored.node.cjs" },
  { entry: "stores/opfs", out: "opfs.browser.js" },
  { entry: "stores/directory", out: "directory.node.js" },
  { entry: "stores/directory", out: "directory.node.cjs" },
  { entry: "metrics", out: "metrics.browser.js" },
  { entry: "metrics", out: "metrics.node.js" },
  { entry: "metrics", out: "metrics.node.cjs" },
  { entry: "filter", out: "filter.browser.js" },
  { entry: "filter", out: "filter.node.js" },
  { entry: "filter", out: "filter.node.cjs" },
  { entry: "entry.worker.browser", out: "worker.browser.js" },
  { entry: "entry.worker.node", out: "worker.node.js" },
  { entry: "entry.worker.cjs", out: "worker.node.cjs" },
  // Of one piece: bundlers allow the script of a worker no parts.
  { entry: "entry.worker-host.browser", out: "worker-host.browser.js", isWhole: true },
  // Also that of CommonJS, whose programs see nothing of it.
  { entry: "entry.worker-host.node", out: "worker-host.node.js" },
];

/** Those of "thermocline/threads". */
const THREADS_SCRIPTS = [
  { entry: "entry.threads.browser", out: "threads.browser.js" },
  { entry: "entry.threads.node", out: "threads.node.js" },
  { entry: "entry.threads.cjs", out: "threads.node.cjs" },
];

const input = resolve(process.argv[2] ?? join(HERE, "../target/wasm32-unknown-unknown/release/thermocline.wasm"));
if (!existsSync(input)) throw new Error(`${input}: not there; build the crate for wasm32-unknown-unknown first, or run cargo xtask build`);

for (const folder of [DIST, WASM]) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

checkGenerator();
const linked = readFileSync(input);
writeFileSync(join(WASM, "linked.wasm"), linked);
const short = generated(linked, "");
writeFileSync(join(WASM, "glue.js"), factoryFrom(short.glue));

const [core, store] = split(linked, short.wasm);
for (const [name, bytes] of [["thermocline.wasm", core], ["thermocline-store.wasm", store]]) {
  // Of storing, little is done so often that it matters how: made small first, it stays a little smaller.
  optimize(name, bytes, ...(bytes === store ? ["-Oz"] : []));
}
for (const script of SCRIPTS) await bundle(script, { "thermocline-glue": join(WASM, "glue.js") });

const shared = process.argv[3] && resolve(process.argv[3]);
if (shared) {
  const { wasm, glue } = generated(readFileSync(shared), "shared-");
  writeFileSync(join(WASM, "shared-glue.js"), sharedFactoryFrom(glue));
  optimize("thermocline-threads.wasm", wasm, "--enable-threads");
  for (const script of THREADS_SCRIPTS) await bundle(script, { "thermocline-shared-glue": join(WASM, "shared-glue.js") }, insteadOf(join(HERE, "src"), "threads"));
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
    legalComments: "none",
    plugins: [isWhole ? whole(ending) : parts(out, ending), ...plugins],
    // `import()` there is `require`: some programs that load CommonJS have no other.
    supported: { "dynamic-import": format === "esm" },
    // Internal to the glue. Exact names only: members of the wasm file's exports begin alike.
    mangleProps: /^(__wbg_ptr|__wrap|__destroy_into_raw)$/,
    logLevel: "warning",
  });
}

run(process.execPath, join(HERE, "node_modules/typescript/bin/tsc"), "-p", HERE, "--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", join(WASM, "types"));
const declarations = await declarationsFrom(join(WASM, "types"));
for (const name of ["index.d.ts", "index.d.cts"]) writeFileSync(join(DIST, name), declarations);
for (const entry of shared ? ["worker", "threads"] : ["worker"]) {
  for (const [ending, index] of [["d.ts", "./index.js"], ["d.cts", "./index.cjs"]]) writeFileSync(join(DIST, `${entry}.${ending}`), await entryDeclarationsFrom(join(WASM, "types"), entry, index));
}
for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) {
  if (existsSync(join(HERE, "..", name))) copyFileSync(join(HERE, "..", name), join(DIST, name));
}

console.log(`limits, gzipped: script ${LIMITS.script}, wasm ${LIMITS.wasm}, of a store ${LIMITS.storeWasm}, of threads ${LIMITS.threadsWasm}`);
for (const { name, raw, gzip, within } of sizes(DIST)) {
  console.log(`${name.padEnd(22)} ${String(raw).padStart(8)} bytes ${String(gzip).padStart(8)} gzipped${within ? "" : "  OVER THE LIMIT"}`);
}

/**
 * Leaves to other scripts of the same ending what all of a platform must have one of (the error class, so that a program that loads
 * several has one to compare with), what is loaded when it is asked for, and an entry as a whole.
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
        return name === "entry.node" ? to("index") : undefined;
      }),
  };
}

/** Takes in all that would be loaded when it is asked for. */
function whole(ending) {
  const platform = ending.split(".")[0];
  return {
    name: "whole",
    setup: ({ onResolve }) =>
      onResolve({ filter: /\/stored\.js$/ }, ({ kind }) => (kind === "dynamic-import" ? { path: join(HERE, `src/entry.stored.${platform}.ts`) } : undefined)),
  };
}

/** What wasm-bindgen makes of the crate: its wasm file, and the text of its glue, with short names for what the two share. */
function generated(crate, prefix) {
  const at = (name) => join(WASM, `${prefix}${name}`);
  // What the linker says of it (build/links.mjs) would be wrong of anything that is made from it.
  writeFileSync(at("crate.wasm"), without(crate, /^(linking$|reloc\.)/));
  run("wasm-bindgen", "--target", "web", "--no-typescript", "--encode-into", "always", "--out-dir", WASM, "--out-name", `${prefix}generated`, at("crate.wasm"));
  return withShortImports(readFileSync(at("generated_bg.wasm")), readFileSync(at("generated.js"), "utf8"));
}

/** A wasm file as it ships. */
function optimize(name, bytes, ...options) {
  writeFileSync(join(WASM, name), bytes);
  run(process.execPath, join(HERE, "node_modules/binaryen/bin/wasm-opt"), ...options, ...WASM_OPT, join(WASM, name), "-o", join(DIST, name));
}

/** The glue and the crate must be of one version, or the wasm file refuses to start. */
function checkGenerator() {
  const pinned = /^wasm-bindgen = "=([\d.]+)"$/m.exec(readFileSync(join(HERE, "../Cargo.toml"), "utf8"))?.[1];
  const installed = execFileSync("wasm-bindgen", ["--version"], { encoding: "utf8" }).trim().split(" ")[1];
  if (pinned !== installed) throw new Error(`wasm-bindgen CLI: expected ${pinned} as Cargo.toml pins it, got ${installed}`);
}

function run(command, ...args) {
  execFileSync(command, args, { stdio: "inherit" });
}
