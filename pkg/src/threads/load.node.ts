// As ../load.node.ts, for the only wasm file that an index with threads needs.
import { readFile } from "node:fs/promises";
import { compile, type WasmFile } from "../module.js";

export async function load(file: WasmFile): Promise<WebAssembly.Module> {
  const url = new URL("./thermocline-threads.wasm", import.meta.url);
  return compile(await readFile(url), file, url.href);
}
