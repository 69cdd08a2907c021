// As ../load.browser.ts, for the only wasm file that an index with threads needs.
import { fetched } from "../load.browser.js";
import type { WasmFile } from "../module.js";

export function load(file: WasmFile, from?: string): Promise<WebAssembly.Module> {
  return fetched(from ?? new URL("./thermocline-threads.wasm", import.meta.url).href, file);
}
