// Node, CommonJS, where there is no import.meta.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compile } from "./module.js";

/** Reads and compiles the file beside this script. */
export async function load(): Promise<WebAssembly.Module> {
  const path = join(__dirname, "thermocline.wasm");
  return compile(await readFile(path), path);
}
