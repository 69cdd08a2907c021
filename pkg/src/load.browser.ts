// Loads the wasm files in browsers and workers. They are in the folder of this script. Bundlers find them only if each
// URL is written in this form, with a literal.
import { fail } from "./guard.js";
import { beside, compile, type WasmFile } from "./module.js";

/**
 * The folder where the dev server of Vite 5 to 7 keeps bundled dependencies. It does not copy the other files of a
 * package: those stay in the package's own folder, which it also serves.
 */
const MOVED = "/.vite/deps/";
const HOME = "/thermocline/dist/";

/** Fetches and compiles a wasm file, while it streams in if the server sends the right MIME type. */
export async function load(file: WasmFile, from?: string): Promise<WebAssembly.Module> {
  const own = (): URL =>
    file === "thermocline.wasm"
      ? new URL("./thermocline.wasm", import.meta.url)
      : file === "thermocline-store.wasm"
        ? new URL("./thermocline-store.wasm", import.meta.url)
        : new URL("./thermocline-bulk.wasm", import.meta.url);
  return fetchFrom(from ?? beside(own).href, file);
}

/** Fetches and compiles a file from `href`, or from the package's own folder if a dev server has moved the script. */
export async function fetchFrom(href: string, file: WasmFile): Promise<WebAssembly.Module> {
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
