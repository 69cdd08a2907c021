// Browsers, workers and bundlers: the wasm files lie beside this script, and bundlers know this form of URL, each a literal.
import { fail } from "./guard.js";
import { compile, type WasmFile } from "./module.js";

/**
 * Where the dev server of Vite 5 to 7 keeps the scripts of dependencies that it has bundled. It leaves files beside them
 * behind, in the package's own folder, which it serves too.
 */
const MOVED = "/.vite/deps/";
const HOME = "/thermocline/dist/";

/** Fetches and compiles; while streaming when the server gives the right MIME type. */
export async function load(file: WasmFile): Promise<WebAssembly.Module> {
  const { href } = file === "thermocline.wasm" ? new URL("./thermocline.wasm", import.meta.url) : new URL("./thermocline-store.wasm", import.meta.url);
  return fetched(href, file);
}

/** Fetches the file from where it lies, or where a dev server has left it. */
export async function fetched(href: string, file: WasmFile): Promise<WebAssembly.Module> {
  return fetchModule(href, file).catch((error: unknown) => {
    if (!href.includes(MOVED)) throw error;
    return fetchModule(href.replace(MOVED, HOME), file);
  });
}

async function fetchModule(url: string, file: WasmFile): Promise<WebAssembly.Module> {
  const response = await fetch(url);
  if (!response.ok) fail("NOT_FOUND", `${url}: expected ${file}, got HTTP status ${response.status}`);
  const type = response.headers.get("content-type");
  if (type === "application/wasm") return WebAssembly.compileStreaming(response);
  return compile(new Uint8Array(await response.arrayBuffer()), file, url);
}
