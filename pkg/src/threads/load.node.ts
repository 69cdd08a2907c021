// As ../load.node.ts, for the only wasm file that an index with threads needs.
import { beside, type WasmFile } from "../module.js";
import { read } from "../read.node.js";

export async function load(file: WasmFile, from?: string): Promise<WebAssembly.Module> {
  return read(from ?? beside(() => new URL("./thermocline-threads.wasm", import.meta.url)), file);
}
