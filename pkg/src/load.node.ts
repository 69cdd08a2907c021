// Node, ES modules. Tools that gather a program's files know this form of URL, each a literal.
import { readFile } from "node:fs/promises";
import { compile, type WasmFile } from "./module.js";

/** Reads and compiles a file beside this script. */
export async function load(file: WasmFile): Promise<WebAssembly.Module> {
  const url = file === "thermocline.wasm" ? new URL("./thermocline.wasm", import.meta.url) : new URL("./thermocline-store.wasm", import.meta.url);
  return compile(await readFile(url), file, url.href);
}
