// As ../load.browser.ts, for the only wasm file that an index with threads needs.
import { fetchFrom } from "../load.browser.js";
import { beside, type WasmFile } from "../module.js";

export async function load(file: WasmFile, from?: string): Promise<WebAssembly.Module> {
  return fetchFrom(from ?? beside(() => new URL("./thermocline-threads.wasm", import.meta.url)).href, file);
}
