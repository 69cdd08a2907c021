// Loads the wasm files in service workers. What such a worker fetches does not go through its own `fetch` event, so it
// would not find offline what it keeps for its pages. Bundlers find the files only by URLs in this form.
import { fetched } from "./load.browser.js";
import { compile, type WasmFile } from "./module.js";

/** What the origin's caches have under this address: the newest first, since older ones may be of another version. */
async function keptOf(href: string): Promise<Response | undefined> {
  // There are no caches where there is no HTTPS, and a browser may refuse them.
  try {
    for (const cacheName of (await caches.keys()).reverse()) {
      const kept = await caches.match(href, { cacheName });
      if (kept?.ok) return kept;
    }
  } catch {}
  return undefined;
}

/** Compiles a wasm file: what the origin's caches have under its address, or else what comes from there. */
export async function load(file: WasmFile, from?: string): Promise<WebAssembly.Module> {
  const own =
    file === "thermocline.wasm"
      ? new URL("./thermocline.wasm", import.meta.url)
      : new URL("./thermocline-store.wasm", import.meta.url);
  const href = from ?? own.href;
  const kept = await keptOf(href);
  try {
    if (kept) return await compile(new Uint8Array(await kept.arrayBuffer()), file, href);
  } catch {
    // What is kept is no wasm file.
  }
  return fetched(href, file);
}
