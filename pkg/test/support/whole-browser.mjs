// The tests that run in browsers beside Chromium: the interface's, against the tarball, with indexes in IndexedDB and
// the private file system; some of them on "thermocline/worker", and its own; those of the private file system's store
// alone; threads; and a service worker.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { before, test } from "node:test";
import { SEEN } from "../service-worker/seen.mjs";
import { storePages } from "../store/bundle.mjs";
import { onWorker } from "./on-worker.mjs";
import { PKG } from "./project.mjs";
import { shared } from "./shared.mjs";
import { ISOLATED } from "./threads.mjs";

const API = join(PKG, "test/api");
const files = (await readdir(API)).filter((name) => name.endsWith(".test.mjs"));
/** Of the tests on a worker, which Chromium runs all: its own, and those of calls, answers and stores. */
const ON_WORKER = ["own.test.mjs", "records.test.mjs", "search-many.test.mjs", "stored.test.mjs"];
/** For all tests of one file. */
const FILE_MS = 400_000;

/**
 * Declares the tests. `launch` starts the browser. Its `resultOf` opens a page and returns the page's
 * `globalThis.result`; `isolates` tells whether only isolated pages have shared memory. `more` are other files
 * to serve. Returns what the tests share: `browser`, `folder` with the project, `url` where it is served.
 */
export function testsIn(name, launch, more = []) {
  const own = shared();
  const seen = { browser: undefined, folder: "", url: "" };
  let workerUrl;
  let storesUrl;
  let isolatedUrl;

  before(async () => {
    seen.folder = await own.project(join(PKG, "test/browser"));
    await cp(API, seen.folder, { recursive: true });
    for (const [page, as] of [["index.html", "service-worker.html"], ["worker.js", "worker.js"]]) {
      await cp(join(PKG, "test/service-worker", page), join(seen.folder, as));
    }
    for (const file of more) await cp(join(PKG, "test", file), join(seen.folder, basename(file)));
    seen.url = await own.served(seen.folder);
    const ofWorker = own.folder(`${seen.folder}-worker`);
    await cp(seen.folder, ofWorker, { recursive: true });
    await onWorker(ofWorker);
    workerUrl = await own.served(ofWorker);
    storesUrl = await own.served(own.folder(await storePages()));
    isolatedUrl = await own.served(seen.folder, {}, ISOLATED);
    seen.browser = await own.browser(launch);
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
    test(`${file} in ${name}`, async (t) => report(t, await seen.browser.resultOf(`${seen.url}/?file=${file}`, FILE_MS), 2));
  }

  for (const file of ON_WORKER) {
    test(`${file} on a worker in ${name}`, async (t) => report(t, await seen.browser.resultOf(`${workerUrl}/?file=${file}`, FILE_MS), 8));
  }

  test(`OPFS and Web Locks in ${name}`, async (t) => report(t, await seen.browser.resultOf(`${storesUrl}/?file=opfs.page.mjs`, FILE_MS), 20));

  const withoutThreads = !existsSync(join(PKG, "dist/thermocline-threads.wasm")) && "the build has left them out";
  test(`threads in ${name}`, { skip: withoutThreads }, async () => {
    const [page, worker] = await seen.browser.resultOf(`${isolatedUrl}/threads.html`);
    assert.equal(page, "NO_THREADS");
    assert.deepEqual(worker, { many: 500, vector: 8, payload: { i: 4 }, filtered: 250, removed: 500, ok: true, size: 1500, isShared: false });
    if (seen.browser.isolates) assert.deepEqual(await seen.browser.resultOf(`${seen.url}/threads.html`), ["NO_THREADS", "NO_THREADS"]);
  });

  test(`a service worker in ${name}`, async () => {
    assert.deepEqual(await seen.browser.resultOf(`${seen.url}/service-worker.html?scope=./scope/`), SEEN);
  });
  return seen;
}
