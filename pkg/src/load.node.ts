// Loads the wasm files in Node, as ES modules. Tools that gather a program's files find them only by URLs in this form,
// each with a literal.
import { readFile } from "node:fs/promises";
import { compile, type WasmFile } from "./module.js";

/** Reads and compiles a wasm file from the folder of this script. */
export async function load(file: WasmFile): Promise<WebAssembly.Module> {
  const url =
    file === "thermocline.wasm"
      ? new URL("./thermocline.wasm", import.meta.url)
      : new URL("./thermocline-store.wasm", import.meta.url);
  return compile(await readFile(url), file, url.href);
}
