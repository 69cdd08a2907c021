// "thermocline/whole", from the tarball, in a service worker of headless Chromium.
import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { build } from "esbuild";
import { PKG } from "./support/project.mjs";
import { shared } from "./support/shared.mjs";
import { SEEN } from "./service-worker/seen.mjs";

/** Files whose addresses are in the script. */
const WASM = ["thermocline.wasm", "thermocline-store.wasm"];
const own = shared();
let folder;
let url;
/** Workers and their stored data belong to a context, so all tests share one. */
let context;

before(async () => {
  folder = await own.project(join(PKG, "test/service-worker"));
  url = await own.served(folder);
  const browser = await own.browser();
  context = await browser.newContext();
});

/** Returns the answer of a worker that a page registers according to its address. */
async function answerOf(address) {
  const page = await context.newPage();
  try {
    await page.goto(`${url}/?${address}`);
    const seen = await page.waitForFunction(() => globalThis.result, undefined, { timeout: 30_000 });
    return await seen.jsonValue();
  } finally {
    await page.close();
  }
}

test("a service worker opens, searches with a filter, tells its metrics, opens again, imports and destroys", async () => {
  assert.deepEqual(await answerOf("scope=./first/"), SEEN);
});

test("a service worker finds the wasm files in the caches of its origin when nobody serves them", async () => {
  for (const name of WASM) await rm(join(folder, "node_modules/thermocline/dist", name));
  assert.deepEqual(await answerOf("scope=./second/"), SEEN);
});

test("a service worker that esbuild has made a classic script of, with the wasm files beside it", async () => {
  for (const name of WASM) await cp(join(PKG, "dist", name), join(folder, name));
  const define = { "import.meta.url": "self.location.href" };
  await build({ entryPoints: [join(folder, "worker.js")], outfile: join(folder, "classic.js"), bundle: true, format: "iife", define });
  assert.deepEqual(await answerOf("scope=./third/&script=./classic.js&type=classic"), SEEN);
});
