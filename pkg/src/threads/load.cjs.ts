// As ../load.cjs.ts, for the only wasm file that an index with threads needs.
import { join } from "node:path";
import type { WasmFile } from "../module.js";
import { read } from "../read.node.js";

export async function load(file: WasmFile, from?: string): Promise<WebAssembly.Module> {
  return read(from ?? join(__dirname, "thermocline-threads.wasm"), file);
}
