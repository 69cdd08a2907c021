// The interface's tests, through the tarball, and the stores of a browser, in headless Firefox.
import assert from "node:assert/strict";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bundle } from "./store/bundle.mjs";
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
  for (const source of [API, join(PKG, "test/store")]) await cp(source, folder, { recursive: true });
  await bundle("browser", join(folder, "stores.js"));
  const server = await serve(folder);
  tidy.push(server.stop);
  url = server.url;
  browser = await launchFirefox();
  tidy.push(() => browser.close());
});

after(async () => {
  for (const step of tidy.reverse()) await step();
});

for (const [file, least] of [...files.map((name) => [name, 2]), ["opfs.page.mjs", 20]]) {
  test(`${file} in Firefox`, async (t) => {
    const outcomes = await resultIn(browser, `${url}/?file=${file}`, 400_000);
    assert.ok(outcomes.length >= least, `${outcomes.length} tests ran: ${JSON.stringify(outcomes)}`);
    for (const { name, error, skipped } of outcomes) {
      await t.test(name, (inner) => {
        if (skipped) inner.skip(skipped);
        if (error) throw new Error(error);
      });
    }
  });
}
