// What a browser downloads: the shipped wasm files and the browser's scripts, as a server would compress them.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DIST, HARNESS } from "../lib/paths.mjs";

export function measureSizes() {
  if (!existsSync(DIST)) return undefined;
  const files = readdirSync(DIST).filter((file) => /\.(wasm|js|cjs|mjs)$/.test(file)).sort();
  const sizes = Object.fromEntries(files.map((file) => [file, size(join(DIST, file))]));
  const peer = join(HARNESS, "node_modules/edgevec/edgevec_bg.wasm");
  return {
    files: sizes,
    // An index in memory needs only this wasm file.
    wasmGzip: sizes["thermocline.wasm"]?.gzip,
    scriptGzip: sizes["index.browser.js"]?.gzip,
    edgevecWasm: existsSync(peer) ? size(peer) : undefined,
  };
}

function size(path) {
  const bytes = readFileSync(path);
  return { bytes: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
}
