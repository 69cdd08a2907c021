// One index passed between platforms: a directory written by a native program is changed in Node, passed to a page,
// changed there in IndexedDB, and passed back. tests/stored/handed_on.rs runs the first and last step; `cargo xtask
// test` calls them in turn.
import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { change, verify } from "./handed-on/rows.mjs";
import { launch } from "./support/chromium.mjs";
import { PKG, pack, project, remove } from "./support/project.mjs";
import { serve } from "./support/server.mjs";

const FOLDER = process.env.THERMOCLINE_HANDED_ON;
assert.ok(FOLDER, "THERMOCLINE_HANDED_ON names the folder");

test("Node opens the index of a native program, changes it, and exports it for the page", async () => {
  const { VectorIndex } = await import(pathToFileURL(join(PKG, "dist/index.node.js")).href);
  const path = join(FOLDER, "native");
  let index = await VectorIndex.open(path);
  await verify(index, 1);
  await change(index, 2);
  await verify(index, 2);
  await index.close();
  index = await VectorIndex.open(path, { mode: "readonly" });
  await verify(index, 2);
  await writeFile(join(FOLDER, "node.export"), await index.export());
  await index.close();
});

test("a page stores the index in IndexedDB, changes it, opens it again, and exports it for the native program", async () => {
  const { tarball, folder: packed } = await pack();
  const folder = await project(join(PKG, "test/browser"), tarball);
  const server = await serve(folder);
  const browser = await launch();
  try {
    await cp(join(PKG, "test/handed-on"), folder, { recursive: true });
    await cp(join(FOLDER, "node.export"), join(folder, "node.export"));
    const page = await browser.newPage();
    await page.goto(server.url);
    const exported = await page.evaluate(async () => {
      const [{ VectorIndex }, { change, verify }] = await Promise.all([import("thermocline"), import("/rows.mjs")]);
      const bytes = new Uint8Array(await (await fetch("/node.export")).arrayBuffer());
      let index = await VectorIndex.import(bytes, { name: "handed on", store: "indexeddb" });
      await verify(index, 2);
      await change(index, 3);
      await index.close();
      index = await VectorIndex.open("handed on");
      await verify(index, 3);
      const out = await index.export();
      await index.close();
      return [...out];
    });
    await writeFile(join(FOLDER, "browser.export"), Uint8Array.from(exported));
    assert.ok((await readFile(join(FOLDER, "browser.export"))).length > 0);
  } finally {
    await browser.close();
    await server.stop();
    await remove(folder);
    await remove(packed);
  }
});
