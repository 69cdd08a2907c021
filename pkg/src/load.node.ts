// Node, ES modules.
import { readFile } from "node:fs/promises";
import { compile } from "./module.js";

/** Reads and compiles the file beside this script. */
export async function load(): Promise<WebAssembly.Module> {
  const url = new URL("./thermocline.wasm", import.meta.url);
  return compile(await readFile(url), url.href);
}
