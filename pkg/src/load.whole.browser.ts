// Loads the wasm files in service workers. A service worker's own requests do not trigger its `fetch` event, so offline
// they would miss the responses that it caches for its pages. Bundlers find the files only if each URL is written in
// this form.
import { fetchFrom } from "./load.browser.js";
import { beside, compile, type WasmFile } from "./module.js";

/**
 * Returns the response that the origin's caches hold for this address, from the newest cache that has one: older caches
 * may belong to another version.
 */
async function keptOf(href: string): Promise<Response | undefined> {
  // Caches do not exist without HTTPS, and a browser may refuse access to them.
  try {
    for (const cacheName of (await caches.keys()).reverse()) {
      const kept = await caches.match(href, { cacheName });
      if (kept?.ok) return kept;
    }
  } catch {}
  return undefined;
}

/** Compiles a wasm file: the cached response for its address, or else the one fetched from there. */
export async function load(file: WasmFile, from?: string): Promise<WebAssembly.Module> {
  const own = (): URL =>
    file === "thermocline.wasm"
      ? new URL("./thermocline.wasm", import.meta.url)
      : file === "thermocline-store.wasm"
        ? new URL("./thermocline-store.wasm", import.meta.url)
        : new URL("./thermocline-bulk.wasm", import.meta.url);
  const href = from ?? beside(own).href;
  const kept = await keptOf(href);
  try {
    if (kept) return await compile(new Uint8Array(await kept.arrayBuffer()), file, href);
  } catch {
    // The cached response is not a wasm file.
  }
  return fetchFrom(href, file);
}
