// The sizes of the package's files, and their limits.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/**
 * Most bytes of each file, gzipped as a server sends it. A page loads one script and the first wasm file. A page with
 * an index in a store also loads a second script and the wasm file of stores, and one that inserts thousands of rows
 * into an empty index the wasm file of bulk builds. OPFS, metrics and filter objects take one more script
 * each. A service worker loads one script with all of that. A page with threads loads its own script and wasm file. A
 * CommonJS script has a higher limit than the same ES module because of the code that esbuild adds.
 */
export const LIMITS = {
  script: 16_200, commonJs: 16_500, wasm: 110_000, storeWasm: 77_200, bulkWasm: 23_200, workerHost: 31_300,
  whole: 29_100, threadsScript: 16_750, threadsWasm: 147_000,
};

/** The files that always ship: the scripts of each platform, and the wasm files that they share. */
export const SHIPPED = [
  "shared.browser.js", "shared.node.js", "shared.node.cjs",
  "index.browser.js", "index.node.js", "index.node.cjs", "stored.browser.js", "stored.node.js", "stored.node.cjs",
  "opfs.browser.js", "directory.node.js", "directory.node.cjs",
  "metrics.browser.js", "metrics.node.js", "metrics.node.cjs",
  "filter.browser.js", "filter.node.js", "filter.node.cjs",
  "worker.browser.js", "worker.node.js", "worker.node.cjs", "worker-host.browser.js", "worker-host.node.js",
  "whole.browser.js",
  "thermocline.wasm", "thermocline-store.wasm", "thermocline-bulk.wasm",
];

/** The files that ship too if the crate has been compiled for threads, which takes a nightly toolchain. */
export const THREADS = ["threads.browser.js", "threads.node.js", "threads.node.cjs", "thermocline-threads.wasm"];

/** Returns the names of the files that ship from `dist`. */
export function shipped(dist) {
  return existsSync(join(dist, "thermocline-threads.wasm")) ? [...SHIPPED, ...THREADS] : SHIPPED;
}

const limitOf = {
  "worker-host.browser.js": LIMITS.workerHost, "whole.browser.js": LIMITS.whole,
  "thermocline.wasm": LIMITS.wasm, "thermocline-store.wasm": LIMITS.storeWasm, "thermocline-bulk.wasm": LIMITS.bulkWasm,
  "thermocline-threads.wasm": LIMITS.threadsWasm,
};

function scriptLimit(name) {
  if (name.startsWith("threads.")) return LIMITS.threadsScript;
  return name.endsWith(".cjs") ? LIMITS.commonJs : LIMITS.script;
}

/** Returns for each shipped file of `dist` its size in bytes, raw and gzipped, and whether it is within its limit. */
export function sizes(dist) {
  return shipped(dist).map((name) => {
    const bytes = readFileSync(join(dist, name));
    const raw = bytes.length;
    const gzip = gzipSync(bytes, { level: 9 }).length;
    return { name, raw, gzip, within: gzip <= (limitOf[name] ?? scriptLimit(name)) };
  });
}
