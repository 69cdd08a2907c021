// Opens OPFS for pages whose folder is in memory (late.mjs).
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { pathToFileURL } from "node:url";
import { bundle } from "./bundle.mjs";
import { holds } from "./model.mjs";

const scripts = await mkdtemp(join(tmpdir(), "thermocline-opfs-"));
after(() => rm(scripts, { recursive: true, force: true }));
await bundle("browser", join(scripts, "stores.mjs"));
export const { openOpfs } = await import(pathToFileURL(join(scripts, "stores.mjs")).href);

let named = 0;
/** Opens the store for a page. The name differs each time, since a browser would have released a dead page's lock. */
export const open = (page, mode) => openOpfs(`page ${named++}`, { mode }, page.root);

/**
 * Makes the page die during the change, when it requests the `count`th operation of this kind on files of such a name.
 */
export async function diesOver(page, name, change, { kind = "close", count = 1 } = {}) {
  let left = count;
  page.diesAt = (asked, file) => asked === kind && name.test(file) && --left === 0;
  void change();
  await page.died;
  // Waits for its other concurrent requests.
  await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Checks that the store has these values now, after all late requests have happened, and when opened next. */
export async function staysSo(folder, store, values) {
  await holds(store, values, "before:");
  folder.land();
  await holds(store, values, "after:");
  await holds(await open(folder.page(), "readonly"), values, "to a reader:");
  await store.close();
  store = await open(folder.page());
  await holds(store, values, "to the next:");
  return store;
}
