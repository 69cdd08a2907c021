// The interface's tests, through the tarball, in headless Firefox: with them indexes in IndexedDB and the private file system.
import assert from "node:assert/strict";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launchFirefox, resultIn } from "./support/firefox.mjs";
import { PKG, pack, project, remove } from "./support/project.mjs";
import { serve } from "./support/server.mjs";

const API = join(PKG, "test/api");
const files = (await readdir(API)).filter((name) => name.endsWith(".test.mjs"));
const tidy = [];
let browser;
let url;

before(async () => {
  const packed = await pack();
  tidy.push(() => remove(packed.folder));
  const folder = await project(join(PKG, "test/browser"), packed.tarball);
  tidy.push(() => remove(folder));
  await cp(API, folder, { recursive: true });
  const server = await serve(folder);
  tidy.push(server.stop);
  url = server.url;
  browser = await launchFirefox();
  tidy.push(() => browser.close());
});

after(async () => {
  for (const step of tidy.reverse()) await step();
});

for (const file of files) {
  test(`${file} in Firefox`, async (t) => {
    const outcomes = await resultIn(browser, `${url}/?file=${file}`, 400_000);
    assert.ok(outcomes.length >= 2, `${outcomes.length} tests ran: ${JSON.stringify(outcomes)}`);
    for (const { name, error, skipped } of outcomes) {
      await t.test(name, (inner) => {
        if (skipped) inner.skip(skipped);
        if (error) throw new Error(error);
      });
    }
  });
}
