// Loads the wasm files in service workers. What such a worker fetches does not go through its own `fetch` event, so it
// would not find offline what it keeps for its pages. Bundlers find the files only by URLs in this form.
import { fetched } from "./load.browser.js";
import { compile, type WasmFile } from "./module.js";

/** Compiles a wasm file: what the origin's caches have under its address, or else what comes from there. */
export async function load(file: WasmFile): Promise<WebAssembly.Module> {
  const { href } =
    file === "thermocline.wasm"
      ? new URL("./thermocline.wasm", import.meta.url)
      : new URL("./thermocline-store.wasm", import.meta.url);
  // There are no caches where there is no HTTPS, and a browser may refuse them.
  const kept = await globalThis.caches?.match(href).catch(() => undefined);
  return kept ? compile(new Uint8Array(await kept.arrayBuffer()), file, href) : fetched(href, file);
}
