// Reads the wasm files in Node.
import { readFile } from "node:fs/promises";
import { compile, type WasmFile } from "./module.js";

/** Reads and compiles a wasm file from a path, or from a file: URL. */
export async function read(from: string | URL, file: WasmFile): Promise<WebAssembly.Module> {
  const place = `${from}`;
  return compile(await readFile(place.startsWith("file:") ? new URL(place) : place), file, place);
}
