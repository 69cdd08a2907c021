// As ../load.cjs.ts, for the only wasm file that an index with threads needs.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compile, type WasmFile } from "../module.js";

export async function load(file: WasmFile): Promise<WebAssembly.Module> {
  const path = join(__dirname, "thermocline-threads.wasm");
  return compile(await readFile(path), file, path);
}
