// In headless Firefox: the interface's tests, against the tarball, with indexes in IndexedDB and the private file
// system, and the tests of the private file system's store alone.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { storePages } from "./store/bundle.mjs";
import { launchFirefox, resultIn } from "./support/firefox.mjs";
import { PKG } from "./support/project.mjs";
import { shared } from "./support/shared.mjs";
import { ISOLATED } from "./support/threads.mjs";
import { SEEN } from "./service-worker/seen.mjs";

const API = join(PKG, "test/api");
const files = (await readdir(API)).filter((name) => name.endsWith(".test.mjs"));
const own = shared();
let browser;
let url;
let storesUrl;
let isolatedUrl;

before(async () => {
  const folder = await own.project(join(PKG, "test/browser"));
  await cp(API, folder, { recursive: true });
  for (const [name, as] of [["index.html", "service-worker.html"], ["worker.js", "worker.js"]]) {
    await cp(join(PKG, "test/service-worker", name), join(folder, as));
  }
  url = await own.served(folder);
  storesUrl = await own.served(own.folder(await storePages()));
  isolatedUrl = await own.served(folder, {}, ISOLATED);
  browser = await own.browser(launchFirefox);
});

/** Reports each outcome as a separate test. */
async function report(t, outcomes, atLeast) {
  assert.ok(outcomes.length >= atLeast, `${outcomes.length} tests ran: ${JSON.stringify(outcomes)}`);
  for (const { name, error, skipped } of outcomes) {
    await t.test(name, (inner) => {
      if (skipped) inner.skip(skipped);
      if (error) throw new Error(error);
    });
  }
}

for (const file of files) {
  test(`${file} in Firefox`, async (t) => report(t, await resultIn(browser, `${url}/?file=${file}`, 400_000), 2));
}

test("OPFS and Web Locks in Firefox", async (t) => report(t, await resultIn(browser, `${storesUrl}/?file=opfs.page.mjs`, 400_000), 20));

test("threads in Firefox", { skip: !existsSync(join(PKG, "dist/thermocline-threads.wasm")) && "the build has left them out" }, async () => {
  const [page, worker] = await resultIn(browser, `${isolatedUrl}/threads.html`);
  assert.equal(page, "NO_THREADS");
  assert.deepEqual(worker, { many: 500, vector: 8, payload: { i: 4 }, filtered: 250, removed: 500, ok: true, size: 1500, isShared: false });
  assert.deepEqual(await resultIn(browser, `${url}/threads.html`), ["NO_THREADS", "NO_THREADS"]);
});

test("a service worker in Firefox", async () => {
  assert.deepEqual(await resultIn(browser, `${url}/service-worker.html?scope=./scope/`), SEEN);
});
