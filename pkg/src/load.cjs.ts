// Loads the wasm files in Node, as CommonJS, which has no import.meta. Tools that gather a program's files find them
// only by paths in this form, each with a literal.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compile, type WasmFile } from "./module.js";

/** Reads and compiles a wasm file from the folder of this script. */
export async function load(file: WasmFile): Promise<WebAssembly.Module> {
  const path = file === "thermocline.wasm" ? join(__dirname, "thermocline.wasm") : join(__dirname, "thermocline-store.wasm");
  return compile(await readFile(path), file, path);
}
