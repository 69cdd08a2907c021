// Loads the wasm files in Node, as CommonJS, which has no import.meta. Tools that collect a program's files find them
// only if each path is written in this form, with a literal.
import { join } from "node:path";
import type { WasmFile } from "./module.js";
import { read } from "./read.node.js";

/** Reads and compiles a wasm file, by default from the folder of this script. */
export async function load(file: WasmFile, from?: string): Promise<WebAssembly.Module> {
  const path =
    file === "thermocline.wasm"
      ? join(__dirname, "thermocline.wasm")
      : file === "thermocline-store.wasm"
        ? join(__dirname, "thermocline-store.wasm")
        : join(__dirname, "thermocline-bulk.wasm");
  return read(from ?? path, file);
}
