// Loads the wasm files in Node, as ES modules. Tools that collect a program's files find them only if each URL is
// written in this form, with a literal.
import { beside, type WasmFile } from "./module.js";
import { read } from "./read.node.js";

/** Reads and compiles a wasm file, by default from the folder of this script. */
export async function load(file: WasmFile, from?: string): Promise<WebAssembly.Module> {
  const own = (): URL =>
    file === "thermocline.wasm"
      ? new URL("./thermocline.wasm", import.meta.url)
      : file === "thermocline-store.wasm"
        ? new URL("./thermocline-store.wasm", import.meta.url)
        : new URL("./thermocline-bulk.wasm", import.meta.url);
  return read(from ?? beside(own), file);
}
