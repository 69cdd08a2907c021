// The interface's tests in headless Chromium, against the tarball, and tests of what only a browser has.
import assert from "node:assert/strict";
import { cp, mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { launch, resultOf } from "./support/chromium.mjs";
import { policed } from "./support/policed.mjs";
import { filesThatStore, PKG, withoutStores } from "./support/project.mjs";
import { shared } from "./support/shared.mjs";

const API = join(PKG, "test/api");
const files = (await readdir(API)).filter((name) => name.endsWith(".test.mjs"));
const storing = await filesThatStore(API, files);
const own = shared();
let browser;
let folder;
let url;
/** The same without the files needed only for storing. */
let urlWithout;

before(async () => {
  folder = await own.project(join(PKG, "test/browser"));
  await cp(API, folder, { recursive: true });
  const without = own.folder(`${folder}-without`);
  await cp(folder, without, { recursive: true });
  await withoutStores(without);
  url = await own.served(folder);
  urlWithout = await own.served(without);
  browser = await own.browser();
});

test("there are files of tests that store something, and more that do not", () => {
  assert.ok(storing.length >= 3 && files.length - storing.length > storing.length, storing.join());
});

for (const file of files) {
  test(`${file} in Chromium`, async (t) => {
    const outcomes = await resultOf(browser, `${storing.includes(file) ? url : urlWithout}/?file=${file}`);
    assert.ok(outcomes.length >= 3, `${outcomes.length} tests ran`);
    for (const { name, error, skipped } of outcomes) {
      await t.test(name, (inner) => {
        if (skipped) inner.skip(skipped);
        if (error) throw new Error(error);
      });
    }
  });
}

/** Runs `body`, which sees the package as `thermocline`, in a new page. */
async function inPage(body) {
  const page = await browser.newPage();
  try {
    await page.goto(`${url}/`);
    return await page.evaluate(`(async () => { const thermocline = await import("thermocline"); ${body} })()`);
  } finally {
    await page.close();
  }
}

/** Possible answers for wasm files that are not beside the scripts. */
const SAID = {
  "an address, as the page means it": '(file) => "elsewhere/" + file',
  "a URL": '(file) => new URL("/elsewhere/" + file, location.href)',
  bytes: "(file) => bytes[file]",
  "a module": "(file) => modules[file]",
};

for (const script of ["index", "whole", "worker"]) {
  test(`wasm files that are elsewhere, ${script}.browser.js: ${Object.keys(SAID).join("; ")}`, async () => {
    const moved = own.folder(`${folder}-elsewhere-${script}`);
    await cp(folder, moved, { recursive: true });
    const dist = join(moved, "node_modules/thermocline/dist");
    await mkdir(join(moved, "elsewhere"));
    for (const name of await readdir(dist)) if (name.endsWith(".wasm")) await rename(join(dist, name), join(moved, "elsewhere", name));
    const served = await own.served(moved);
    for (const [what, locate] of [["nothing", undefined], ...Object.entries(SAID)]) {
      const page = await browser.newPage();
      try {
        await page.goto(`${served}/`);
        const seen = await page.evaluate(`(async () => {
          const { VectorIndex, locateWasm } = await import("/node_modules/thermocline/dist/${script}.browser.js");
          const [bytes, modules] = [{}, {}];
          for (const name of ["thermocline.wasm", "thermocline-store.wasm"]) {
            bytes[name] = new Uint8Array(await (await fetch("elsewhere/" + name)).arrayBuffer());
            modules[name] = await WebAssembly.compile(bytes[name]);
          }
          if (${locate !== undefined}) locateWasm(${locate});
          const stored = await VectorIndex.open("located ${script}", { dimensions: 2 }).catch(({ code }) => code);
          if (typeof stored === "string") return stored;
          const index = await VectorIndex.memory({ dimensions: 2 });
          await Promise.all([index.insert([1, 2]), stored.upsert("a", [1, 2])]);
          const sizes = [index.size, stored.size];
          await Promise.all([index.close(), stored.close()]);
          return sizes;
        })()`);
        assert.deepEqual(seen, locate ? [1, 1] : "NOT_FOUND", what);
      } finally {
        await page.close();
      }
    }
  });
}

const STORE_FILES = { "thermocline-store.wasm": /^thermocline-store\.wasm could not be loaded/, "stored.browser.js": /^the script of indexes in a store could not be loaded/ };
for (const [file, says] of Object.entries(STORE_FILES)) {
  test(`${file} is requested by the first call that stores something, once, and again after it has failed`, async () => {
    const page = await browser.newPage();
    const requested = [];
    page.on("request", (request) => requested.push(new URL(request.url()).pathname.split("/").pop()));
    const called = (body) => page.evaluate(`(async () => { const { VectorIndex, ThermoclineError } = await import("thermocline"); ${body} })()`);
    const count = (name) => requested.filter((found) => found === name).length;
    try {
      await page.goto(`${url}/`);
      await called(`
        const index = await VectorIndex.memory({ dimensions: 2 });
        await index.insert([1, 2]);
        globalThis.bytes = await index.export();
        await VectorIndex.import(bytes);
      `);
      assert.equal(count("thermocline.wasm"), 1);
      for (const name of Object.keys(STORE_FILES)) assert.equal(count(name), 0, name);
      // The route stays: a request in flight while the last route is removed would never be reported.
      let aborted = false;
      await page.route(`**/${file}`, (route) => (aborted ? route.continue() : ((aborted = true), route.abort())));
      const [isOurs, code, message] = await called(`
        return VectorIndex.open("kept", { dimensions: 2 }).catch((error) => [error instanceof ThermoclineError, error.code, error.message]);
      `);
      assert.deepEqual([isOurs, code], [true, "NOT_FOUND"]);
      assert.match(message, says);
      const sizes = await called(`
        const [index, copy] = await Promise.all([VectorIndex.open("kept", { dimensions: 2 }), VectorIndex.import(bytes, { name: "copy" })]);
        const sizes = [index.size, copy.size];
        await Promise.all([index.close(), copy.close()]);
        await Promise.all([VectorIndex.destroy("kept"), VectorIndex.destroy("copy")]);
        return sizes;
      `);
      assert.deepEqual(sizes, [0, 1]);
      assert.equal(count("thermocline.wasm"), 1);
      for (const name of Object.keys(STORE_FILES)) assert.equal(count(name), name === file ? 2 : 1, name);
    } finally {
      await page.close();
    }
  });
}

test("the page draws while rows go in and while a compaction runs", async () => {
  const frames = await inPage(`
    const index = await thermocline.VectorIndex.memory({ dimensions: 64 });
    const rows = Array.from({ length: 4000 }, (_, i) => ({ id: "r" + i, vector: Float32Array.from({ length: 64 }, (_, j) => Math.sin(i * 64 + j * j)) }));
    let frames = 0;
    let counting = true;
    requestAnimationFrame(function draw() { frames += 1; if (counting) requestAnimationFrame(draw); });
    await index.insertMany(rows);
    const inserting = frames;
    await index.deleteMany(rows.slice(0, 2000).map((row) => row.id));
    await index.compact({ sliceMs: 4 });
    counting = false;
    return { inserting, compacting: frames - inserting };
  `);
  assert.ok(frames.inserting >= 3 && frames.compacting >= 1, JSON.stringify(frames));
});

test("without requestIdleCallback the background task queue serves, and without that a timer", async () => {
  for (const missing of [["requestIdleCallback"], ["requestIdleCallback", "scheduler"]]) {
    const removed = await inPage(`
      for (const name of ${JSON.stringify(missing)}) { delete globalThis[name]; globalThis[name] = undefined; }
      const index = await thermocline.VectorIndex.memory({ dimensions: 2 });
      await index.insertMany(Array.from({ length: 200 }, (_, i) => ({ vector: [1, i] })));
      await index.deleteMany(Array.from({ length: 150 }, (_, i) => i));
      return new Promise((resolve) => index.compactWhenIdle({ onReport: (report) => resolve(report.tombstonesRemoved) }));
    `);
    assert.equal(removed, 150, missing.join());
  }
});

test("opening what is not there leaves no database", async () => {
  const seen = await inPage(`
    const codes = [];
    for (const mode of ["readwrite", "readonly"]) codes.push(await thermocline.VectorIndex.open("not there", { mode }).catch((error) => error.code));
    const names = (await indexedDB.databases()).map(({ name }) => name);
    const index = await thermocline.VectorIndex.open("not there", { dimensions: 2 });
    await index.insert([1, 0]);
    await index.close();
    const again = await thermocline.VectorIndex.open("not there");
    const { size } = again;
    await again.close();
    await thermocline.VectorIndex.destroy("not there");
    return { codes, left: names.filter((name) => name.includes("not there")), size };
  `);
  assert.deepEqual(seen, { codes: ["NOT_FOUND", "NOT_FOUND"], left: [], size: 1 });
});

test("in a module worker", async () => {
  const nearest = await inPage(`
    const script = \`
      import { VectorIndex } from "\${new URL("./node_modules/thermocline/dist/index.browser.js", location.href)}";
      const index = await VectorIndex.memory({ dimensions: 2 });
      await index.insertMany([{ id: "a", vector: [1, 0] }, { id: "b", vector: [0, 1] }]);
      postMessage((await index.search([0.1, 1], { k: 1 }))[0].id);
    \`;
    const worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })), { type: "module" });
    return new Promise((resolve, reject) => { worker.onmessage = ({ data }) => resolve(data); worker.onerror = (event) => reject(new Error(event.message)); });
  `);
  assert.equal(nearest, "b");
});

test("a content security policy need not allow more than the README says", async () => {
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";
  assert.deepEqual(await policed(browser, folder, "index.browser.js", policy), { n: 3 });
});

// A transaction that ended only in a turn after its last request would never end in a page that the browser has frozen.
test("a page that stands still in the middle of a write holds up no other", async () => {
  const context = await browser.newContext();
  const [writer, reader] = [await context.newPage(), await context.newPage()];
  for (const page of [writer, reader]) await page.goto(`${url}/`);
  const ended = [];
  await writer.evaluate(async () => {
    const { VectorIndex } = await import("thermocline");
    globalThis.index = await VectorIndex.open("standing still", { dimensions: 4 });
  });
  let stands;
  const hasAsked = new Promise((resolve) => (stands = resolve));
  await context.exposeFunction("stands", stands);
  const writing = writer.evaluate(async () => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...args) {
      IDBObjectStore.prototype.put = put;
      globalThis.stands();
      const standStill = () => {
        const end = performance.now() + 5000;
        while (performance.now() < end);
      };
      // After all requests are made and before any of them is answered.
      Promise.resolve().then(standStill);
      return put.apply(this, args);
    };
    await globalThis.index.insert([1, 2, 3, 4]);
    await globalThis.index.close();
  }).then(() => ended.push("writer"));
  await hasAsked;
  const size = await reader.evaluate(async () => {
    const { VectorIndex } = await import("thermocline");
    const index = await VectorIndex.open("standing still", { mode: "readonly" });
    const { size } = index;
    await index.close();
    return size;
  });
  ended.push("reader");
  await writing;
  assert.deepEqual([size, ended], [1, ["reader", "writer"]]);
  await context.close();
});

test("without Web Locks pages ask one another: of those that open at the same time one writes, and the others are LOCKED until it is gone", async () => {
  const context = await browser.newContext();
  try {
    await context.addInitScript("delete Navigator.prototype.locks");
    const opened = async () => {
      const page = await context.newPage();
      await page.goto(`${url}/`);
      return page;
    };
    const open = (page) => page.evaluate(`(async () => {
      if (navigator.locks) throw new Error("there are locks");
      const { VectorIndex } = await import("thermocline");
      try {
        globalThis.index = await VectorIndex.open("asked", { dimensions: 2 });
        await index.insert([1, 2]);
        return "opened";
      } catch ({ code }) {
        return code;
      }
    })()`);
    const pages = await Promise.all([opened(), opened(), opened(), opened()]);
    const codes = await Promise.all(pages.map(open));
    assert.deepEqual(codes.slice().sort(), ["LOCKED", "LOCKED", "LOCKED", "opened"]);
    const writer = pages[codes.indexOf("opened")];
    const [other, another] = pages.filter((page) => page !== writer);
    assert.deepEqual([await open(other), await open(writer)], ["LOCKED", "LOCKED"]);
    await writer.close();
    assert.equal(await open(other), "opened");
    assert.equal(await open(another), "LOCKED");
    await other.evaluate("index.close()");
    assert.equal(await open(another), "opened");
    assert.equal(await another.evaluate("index.size"), 3);
  } finally {
    await context.close();
  }
});

test("a page without HTTPS has everything but OPFS: another tab is LOCKED, and a closed one lets it write", async () => {
  const { port } = new URL(url);
  const plain = await launch("--host-resolver-rules=MAP plain.test 127.0.0.1");
  try {
    const context = await plain.newContext();
    const opened = async () => {
      const page = await context.newPage();
      await page.goto(`http://plain.test:${port}/`);
      return page;
    };
    const run = (page, body) => page.evaluate(`(async () => { const { VectorIndex } = await import("thermocline"); ${body} })()`);
    const insert = `
      return VectorIndex.open("plain", { dimensions: 2 }).then(async (index) => {
        await index.insert([1, 2], { from: "a page" });
        const [{ payload }] = await index.search([1, 2], { k: 1 });
        return [payload.from, index.size];
      }, (error) => error.code);
    `;
    const [one, other] = [await opened(), await opened()];
    assert.deepEqual(await one.evaluate("[isSecureContext, typeof navigator.locks]"), [false, "undefined"]);
    assert.deepEqual(await run(one, insert), ["a page", 1]);
    assert.equal(await run(other, insert), "LOCKED");
    await one.close();
    assert.deepEqual(await run(other, insert), ["a page", 2]);
    const refused = await run(other, 'return VectorIndex.open("files", { dimensions: 2, store: "opfs" }).catch(({ code, message }) => [code, message])');
    assert.equal(refused[0], "INVALID_OPTION");
    assert.match(refused[1], /HTTPS.*indexeddb/);
  } finally {
    await plain.close();
  }
});
