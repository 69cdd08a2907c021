// Node, CommonJS, where there is no import.meta. Tools that gather a program's files know this form of path, each a literal.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compile, type WasmFile } from "./module.js";

/** Reads and compiles a file beside this script. */
export async function load(file: WasmFile): Promise<WebAssembly.Module> {
  const path = file === "thermocline.wasm" ? join(__dirname, "thermocline.wasm") : join(__dirname, "thermocline-store.wasm");
  return compile(await readFile(path), file, path);
}
