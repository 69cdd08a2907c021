// A stored index in headless Chromium: the time from a page that has only loaded the package to the first answer. The
// browser is restarted each time on the same profile, so the index is on the disk and not in the browser's memory.
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { PACKAGE, SCRATCH } from "../lib/paths.mjs";

const STORES = ["indexeddb", "opfs"];

/** Returns the times by store; undefined, with the reason on standard error, if there is no Chromium. */
export async function measureBrowser({ file, queries, dimensions, rounds, log }) {
  const profile = mkdtempSync(join(SCRATCH, "profile-"));
  const folder = mkdtempSync(join(SCRATCH, "pages-"));
  let server;
  try {
    const { launchOn } = await import(join(PACKAGE, "test/support/chromium.mjs"));
    const { serve } = await import(join(PACKAGE, "test/support/server.mjs"));
    symlinkSync(join(PACKAGE, "dist"), join(folder, "dist"));
    symlinkSync(dirname(file), join(folder, "data"));
    writeFileSync(join(folder, "index.html"), "<!doctype html><title>stored</title>");
    server = await serve(folder);
    const query = [...new Float32Array(new Uint8Array(readFileSync(queries)).buffer, 0, dimensions)];
    const inPage = async (run, given) => {
      const context = await launchOn(profile);
      try {
        const page = await context.newPage();
        await page.goto(server.url);
        return await page.evaluate(run, given);
      } finally {
        await context.close();
      }
    };
    const version = await inPage(() => navigator.userAgent.match(/Chrom\w*\/[\d.]+/)?.[0]);
    const result = { version };
    for (const store of STORES) {
      const given = { store, query, data: `/data/${basename(file)}` };
      result[store] = { ...(await inPage(fill, given)), reopen: [] };
      for (let round = 0; round <= rounds; round++) {
        const took = await inPage(reopen, given);
        if (round > 0) result[store].reopen.push(took);
      }
      log(`stored: reopened in ${version}, ${store}`);
    }
    return result;
  } catch (error) {
    console.error(`the browser's part is left out: ${error.message}`);
    return undefined;
  } finally {
    await server?.stop();
    rmSync(profile, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In the page. */
async function fill({ store, data }) {
  const { VectorIndex } = await import("/dist/index.browser.js");
  const bytes = new Uint8Array(await (await fetch(data)).arrayBuffer());
  const start = performance.now();
  const index = await VectorIndex.import(bytes, { name: "stored", store });
  const { size } = index;
  await index.close();
  return { size, importMs: performance.now() - start };
}

/** In the page. */
async function reopen({ store, query }) {
  const { VectorIndex } = await import("/dist/index.browser.js");
  const start = performance.now();
  const index = await VectorIndex.open("stored", { store, mode: "readonly" });
  const openedMs = performance.now() - start;
  const hits = await index.search(query, { k: 10, ef: 64 });
  const wallMs = performance.now() - start;
  if (hits.length !== 10) throw new Error(`expected 10 hits, got ${hits.length}`);
  await index.close();
  return { openedMs, wallMs };
}
