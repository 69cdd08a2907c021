// "thermocline/worker", from the tarball: programs in Node, and pages in headless Chromium.
import assert from "node:assert/strict";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { resultOf } from "./support/chromium.mjs";
import { onWorker } from "./support/on-worker.mjs";
import { policed } from "./support/policed.mjs";
import { PKG, run } from "./support/project.mjs";
import { serve } from "./support/server.mjs";
import { shared } from "./support/shared.mjs";

/**
 * The interface's files for which a browser may differ: messages, the end of a worker, missing globals in a worker,
 * places.
 */
const FILES = ["close.test.mjs", "closing.test.mjs", "idle.test.mjs", "insert-many.test.mjs", "metrics.test.mjs", "owned.test.mjs", "records.test.mjs", "search-many.test.mjs", "stored.test.mjs"];
const own = shared();
let tarball;
let folder;
let browser;
let url;

before(async () => {
  tarball = await own.tarball();
  folder = await own.project(join(PKG, "test/browser"), tarball);
  await onWorker(folder);
  url = await own.served(folder);
  browser = await own.browser();
});

/** Returns what a program of the project prints, parsed as JSON. The program must end by itself. */
async function inNode(name, text) {
  await writeFile(join(folder, name), text);
  return JSON.parse(await run(process.execPath, [name], { cwd: folder, timeout: 20_000 }));
}

test("an open index, one that compacts in idle time, and one whose threshold was just set keep no process alive", async () => {
  const seen = await inNode("open.mjs", `
    import { VectorIndex } from "thermocline/worker";
    const index = await VectorIndex.memory({ dimensions: 2 });
    await index.insertMany(Array.from({ length: 200 }, (_, i) => ({ vector: [1, i] })));
    index.compactWhenIdle();
    await index.deleteMany(Array.from({ length: 150 }, (_, i) => i));
    index.compactionThreshold = 0.5;
    console.log(JSON.stringify(index.size));
  `);
  assert.equal(seen, 50);
});

test("a call that is pending keeps the process alive until it has ended", async () => {
  const seen = await inNode("pending.mjs", `
    import { VectorIndex } from "thermocline/worker";
    const index = await VectorIndex.open("pending", { dimensions: 2 });
    index.insertMany(Array.from({ length: 3000 }, (_, i) => ({ vector: [1, i] }))).then(async (ids) => {
      await index.close();
      console.log(JSON.stringify([ids.length, process.getActiveResourcesInfo().filter((name) => /Worker|Message|Timeout/.test(name))]));
    });
  `);
  assert.deepEqual(seen, [3000, []]);
});

test("the index of an idle server is compacted, and the report arrives", async () => {
  const seen = await inNode("server.mjs", `
    import { createServer } from "node:http";
    import { VectorIndex } from "thermocline/worker";
    const index = await VectorIndex.memory({ dimensions: 2 });
    await index.insertMany(Array.from({ length: 200 }, (_, i) => ({ vector: [1, i] })));
    const server = createServer().listen(0);
    index.compactWhenIdle({ onReport: (report) => { console.log(report.tombstonesRemoved); server.close(); } });
    await index.deleteMany(Array.from({ length: 150 }, (_, i) => i));
  `);
  assert.equal(seen, 150);
});

test("an index that was garbage collected is closed: its worker ends, and its directory can be opened again", async () => {
  await writeFile(join(folder, "dropped.mjs"), `
    import diagnostics from "node:diagnostics_channel";
    import { VectorIndex } from "thermocline/worker";
    let running = 0;
    diagnostics.subscribe("worker_threads", ({ worker }) => { running += 1; worker.once("exit", () => (running -= 1)); });
    const make = async () => {
      for (let i = 0; i < 5; i++) await (await VectorIndex.memory({ dimensions: 2 })).insert([1, 2]);
      await (await VectorIndex.open("dropped", { dimensions: 2 })).insert([1, 2]);
    };
    await make();
    const most = running;
    for (let i = 0; i < 100 && running; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 20)); }
    const index = await VectorIndex.open("dropped");
    console.log(JSON.stringify([most, running, index.size]));
  `);
  assert.deepEqual(JSON.parse(await run(process.execPath, ["--expose-gc", "dropped.mjs"], { cwd: folder, timeout: 20_000 })), [6, 1, 1]);
});

test("from CommonJS, with the same errors as the main entry's", async () => {
  const seen = await inNode("common.cjs", `
    const { VectorIndex, ThermoclineError } = require("thermocline/worker");
    (async () => {
      const index = await VectorIndex.open("common", { dimensions: 2 });
      await index.insertMany(Array.from({ length: 500 }, (_, i) => ({ vector: [1, i] })));
      const error = await index.insert([1]).catch((thrown) => thrown);
      const { size } = index;
      await index.close();
      await VectorIndex.destroy("common");
      console.log(JSON.stringify([size, error instanceof ThermoclineError, error.code, ThermoclineError === require("thermocline").ThermoclineError]));
    })();
  `);
  assert.deepEqual(seen, [500, true, "DIMENSION_MISMATCH", true]);
});

test("a worker whose script is missing is NOT_FOUND", async () => {
  const at = await own.project(join(PKG, "packaging/node-esm"), tarball);
  for (const name of ["worker-host.node.js", "worker-host.browser.js"]) await rm(join(at, "node_modules/thermocline/dist", name));
  const program = `const { VectorIndex } = await import("thermocline/worker"); const error = await VectorIndex.memory({ dimensions: 2 }).catch((thrown) => thrown); console.log(error.name, error.code, error.message);`;
  assert.match(await run(process.execPath, ["--input-type=module", "--eval", program], { cwd: at }), /^ThermoclineError NOT_FOUND the worker of the index could not be started/);
  await writeFile(join(at, "index.html"), "<!doctype html>");
  const server = await serve(at);
  try {
    assert.match(await refusedIn(`${server.url}/`), /^ThermoclineError NOT_FOUND the worker of the index could not be started/);
  } finally {
    await server.stop();
  }
});

/** Returns the error of opening an index in a page. */
async function refusedIn(address) {
  const page = await browser.newPage();
  try {
    await page.goto(address);
    return await page.evaluate(async () => {
      const { VectorIndex } = await import("/node_modules/thermocline/dist/worker.browser.js");
      const { name, code, message } = await VectorIndex.memory({ dimensions: 2 }).catch((thrown) => thrown);
      return `${name} ${code} ${message}`;
    });
  } finally {
    await page.close();
  }
}

test("a content security policy need not allow more than the README says", async () => {
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'";
  assert.deepEqual(await policed(browser, folder, "worker.browser.js", policy), { n: 3 });
});

test("a worker that a content security policy refuses is NOT_FOUND", async () => {
  const server = await serve(folder, {}, { "content-security-policy": "worker-src 'none'" });
  try {
    assert.match(await refusedIn(`${server.url}/`), /^ThermoclineError NOT_FOUND the worker of the index could not be started/);
  } finally {
    await server.stop();
  }
});

for (const file of [...FILES, "own.test.mjs"]) {
  test(`${file} in Chromium`, async (t) => {
    const outcomes = await resultOf(browser, `${url}/?file=${file}`, 120_000);
    assert.ok(outcomes.length >= 3, `${outcomes.length} tests ran`);
    for (const { name, error, skipped } of outcomes) {
      await t.test(name, (inner) => {
        if (skipped) inner.skip(skipped);
        if (error) throw new Error(error);
      });
    }
  });
}

test("every file of the interface's tests is there", async () => {
  const there = await readdir(join(PKG, "test/api"));
  assert.deepEqual(FILES.filter((name) => !there.includes(name)), []);
});

test("a page stays free while an index is built in a worker", async (t) => {
  const page = await browser.newPage();
  try {
    await page.goto(`${url}/`);
    const seen = await page.evaluate(async () => {
      const gaps = {};
      for (const entry of ["thermocline/worker", "thermocline"]) {
        const { VectorIndex } = await import(entry);
        const index = await VectorIndex.memory({ dimensions: 128 });
        const vectors = Float32Array.from({ length: 8000 * 128 }, (_, i) => Math.sin(i * 1.7 + (i % 128) ** 2));
        let longest = 0;
        let last = performance.now();
        const timer = setInterval(() => {
          const now = performance.now();
          longest = Math.max(longest, now - last);
          last = now;
        }, 1);
        const began = performance.now();
        await index.insertMany({ vectors });
        const check = await index.check();
        gaps[entry] = { longest, ms: performance.now() - began, ok: check.ok };
        clearInterval(timer);
        await index.close();
      }
      return gaps;
    });
    for (const [entry, { longest, ms, ok }] of Object.entries(seen)) {
      assert.ok(ok);
      t.diagnostic(`${entry}: longest gap of a timer ${longest.toFixed(1)} ms in ${ms.toFixed(0)} ms`);
    }
  } finally {
    await page.close();
  }
});
