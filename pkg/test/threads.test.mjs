// "thermocline/threads", from the tarball, in Node and in a worker of a cross-origin isolated page in headless
// Chromium. For Firefox see firefox.test.mjs.
import assert from "node:assert/strict";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { build, createServer, preview } from "vite";
import { resultOf } from "./support/chromium.mjs";
import { PKG, run } from "./support/project.mjs";
import { serve } from "./support/server.mjs";
import { ISOLATED, threadsProject } from "./support/threads.mjs";

const made = threadsProject();
const { inNode } = made;
/** Runs on each platform: returns the results with a given number of threads for rows that use every member. */
const SCENARIO = `
  const dimensions = 32;
  const vectors = Float32Array.from({ length: 3000 * dimensions }, (_, i) => Math.sin(i * 1.7 + (i % dimensions) ** 2));
  const ids = Array.from({ length: 3000 }, (_, i) => (i % 3 ? 2 * i : "row " + i));
  const payloads = Array.from({ length: 3000 }, (_, i) => (i % 2 ? { i } : new Uint8Array([i & 255])));
  const queries = vectors.subarray(0, 300 * dimensions);
  const seen = async ({ VectorIndex }, threads) => {
    const index = await VectorIndex.memory({ dimensions, seed: 7, threads });
    await index.insertMany({ vectors, ids, payloads });
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await index.export()));
    const hits = await index.searchMany(queries, { k: 3, ef: 40 });
    const { ok } = await index.check();
    const { payload } = await index.get("row 3");
    await index.close();
    return { digest: [...digest], ids: hits.ids, distances: [...hits.distances], ok, payload };
  };
`;

test("in Node the same rows make the same index with any number of threads, and the same hits as without", async () => {
  const [one, two, five, worker, plain] = await inNode("same.mjs", `
    import { Worker } from "node:worker_threads";
    import * as threaded from "thermocline/threads";
    import * as thermocline from "thermocline";
    ${SCENARIO}
    const index = await threaded.VectorIndex.memory({ dimensions, seed: 7 });
    await index.insertMany({ vectors, ids, payloads });
    const copy = await thermocline.VectorIndex.import(await index.export());
    await index.close();
    const { ids: found, distances } = await copy.searchMany(queries, { k: 3, ef: 40 });
    const inWorker = new Worker(\`import("thermocline/threads").then(async (threaded) => { ${SCENARIO.replaceAll("`", "")} require("node:worker_threads").parentPort.postMessage(await seen(threaded, 2)); });\`, { eval: true });
    const worker = await new Promise((resolve, reject) => inWorker.once("message", resolve).once("error", reject));
    console.log(JSON.stringify([await seen(threaded, 1), await seen(threaded, 2), await seen(threaded, 5), worker, { ids: found, distances: [...distances] }]));
  `);
  assert.equal(one.ok, true);
  assert.deepEqual(one.payload, { i: 3 });
  for (const other of [two, five, worker]) assert.deepEqual(other, one);
  assert.deepEqual([plain.ids, plain.distances], [one.ids, one.distances]);
});

test("where records are few enough to be linked one at a time, it is the same index as without threads, byte for byte", async () => {
  const [threaded, plain] = await inNode("few.mjs", `
    import * as threaded from "thermocline/threads";
    import * as thermocline from "thermocline";
    const made = async ({ VectorIndex }, options) => {
      const index = await VectorIndex.memory({ dimensions: 3, seed: 3, ...options });
      await index.insertMany(Array.from({ length: 63 }, (_, i) => ({ id: "row " + i, vector: [Math.sin(i), i % 7, 1], payload: i })));
      const bytes = [...(await index.export())];
      await index.close();
      return bytes;
    };
    console.log(JSON.stringify([await made(threaded, { threads: 2 }), await made(thermocline)]));
  `);
  assert.deepEqual(threaded, plain);
});

test("threads end when their index closes, and none starts for an index that is refused; a process that closes nothing ends", async () => {
  const seen = await inNode("ends.mjs", `
    import diagnostics from "node:diagnostics_channel";
    let started = 0;
    let running = 0;
    let ended = () => {};
    diagnostics.subscribe("worker_threads", ({ worker }) => {
      started += 1;
      running += 1;
      worker.once("exit", () => { running -= 1; ended(); });
    });
    const left = async (count) => { while (running > count) await new Promise((resolve) => (ended = resolve)); return running; };
    const { VectorIndex, ThermoclineError } = await import("thermocline/threads");
    const codeOf = (promise) => promise.then(() => "none", (error) => (error instanceof ThermoclineError ? error.code : String(error)));
    const codes = [
      await codeOf(VectorIndex.memory({ dimensions: 0, threads: 2 })), await codeOf(VectorIndex.memory({ dimensions: 2, threads: 0 })), await codeOf(VectorIndex.memory({ dimensions: 2, threads: 65 })),
      await codeOf(VectorIndex.import(new Uint8Array(3), { threads: 2 })), await codeOf(VectorIndex.open("a folder")), await codeOf(VectorIndex.destroy("a folder")), await codeOf(VectorIndex.import(new Uint8Array(3), { name: "a folder" })),
    ];
    const none = started;
    const index = await VectorIndex.memory({ dimensions: 2, threads: 3 });
    const with3 = running;
    await index.insertMany(Array.from({ length: 500 }, (_, i) => ({ vector: [1, i] })));
    await index.reload();
    const afterReload = await left(2);
    const { ids } = await index.searchMany([[1, 0]], { k: 1 });
    await index.close();
    const afterClose = await left(0);
    await VectorIndex.memory({ dimensions: 2, threads: 2 });
    console.log(JSON.stringify({ codes, none, with3, afterReload, ids, afterClose }));
  `);
  const option = "INVALID_OPTION";
  assert.deepEqual(seen, { codes: [option, option, option, "CORRUPT", option, option, option], none: 0, with3: 2, afterReload: 2, ids: [0], afterClose: 0 });
});

test("without a number, there are as many threads as cores, at most 8", async () => {
  for (const [cores, expected] of [[1, 1], [3, 3], [8, 8], [64, 8]]) {
    const seen = await inNode("cores.mjs", `
      import diagnostics from "node:diagnostics_channel";
      import { syncBuiltinESMExports } from "node:module";
      import os from "node:os";
      os.availableParallelism = () => ${cores};
      syncBuiltinESMExports();
      // Its own thread is one of them.
      let threads = 1;
      diagnostics.subscribe("worker_threads", () => (threads += 1));
      const { VectorIndex } = await import("thermocline/threads");
      const index = await VectorIndex.memory({ dimensions: 2 });
      await index.close();
      console.log(JSON.stringify(threads));
    `);
    assert.equal(seen, expected, `${cores} cores`);
  }
});

test("a row that is wrong changes nothing, and is named; a signal ends the call between two batches", async () => {
  const seen = await inNode("wrong.mjs", `
    import { VectorIndex } from "thermocline/threads";
    const index = await VectorIndex.memory({ dimensions: 2, threads: 2 });
    const rows = Array.from({ length: 9000 }, (_, i) => ({ vector: [1, i] }));
    const refused = await index.insertMany([...rows.slice(0, 20), { vector: [1, NaN] }]).catch(({ code, message }) => [code, message.slice(0, 7)]);
    const twice = await index.insertMany([{ id: 1, vector: [1, 2] }, { id: 1, vector: [1, 2] }]).catch(({ code }) => code);
    const before = index.size;
    const stop = new AbortController();
    const aborted = await index.insertMany(rows, { signal: stop.signal, onProgress: ({ done }) => done > 100 && stop.abort() }).catch(({ code }) => code);
    const { ok } = await index.check();
    console.log(JSON.stringify({ refused, twice, before, aborted, isPart: index.size > 100 && index.size < 9000, ok }));
  `);
  assert.deepEqual(seen, { refused: ["INVALID_VECTOR", "row 20:"], twice: "DUPLICATE_ID", before: 0, aborted: "ABORTED", isPart: true, ok: true });
});

test("from CommonJS", async () => {
  await writeFile(join(made.root, "common.cjs"), `
    const { VectorIndex } = require("thermocline/threads");
    VectorIndex.memory({ dimensions: 2, threads: 2 }).then(async (index) => {
      await index.insertMany(Array.from({ length: 500 }, (_, i) => ({ vector: [1, i] })));
      console.log(JSON.stringify([index.size, await index.check()]));
    });
  `);
  const [size, { ok }] = JSON.parse(await run(process.execPath, ["common.cjs"], { cwd: made.root, timeout: 60_000 }));
  assert.deepEqual([size, ok], [500, true]);
});

test("in TypeScript, strict", async () => {
  await writeFile(join(made.root, "typed.ts"), `
    import { ThermoclineError, VectorIndex, type Hit, type ThreadsOptions } from "thermocline/threads";
    const options: ThreadsOptions = { threads: 2 };
    export async function typed(bytes: Uint8Array): Promise<Hit[]> {
      const index: VectorIndex = await VectorIndex.memory({ dimensions: 3, ...options });
      await using copy = await VectorIndex.import(bytes, { ef: 20, threads: 2 });
      await index.insertMany([{ vector: [1, 2, 3] }]);
      return copy.search([1, 2, 3]).catch((error: unknown) => (error instanceof ThermoclineError && error.code === "NO_THREADS" ? [] : Promise.reject(error)));
    }
    // @ts-expect-error dimensions is required
    export const missing = VectorIndex.memory({ threads: 2 });
  `);
  const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,esnext.disposable,dom", "--module", "nodenext", "--types", ""];
  await run(process.execPath, [join(PKG, "node_modules/typescript/bin/tsc"), ...options, "typed.ts"], { cwd: made.root });
});

test("in Chromium: the same in a worker of an isolated page, and where there can be no threads an error that says what to do", async () => {
  await writeFile(join(made.root, "worker.js"), `
    import * as threaded from "./node_modules/thermocline/dist/threads.browser.js";
    ${SCENARIO}
    Promise.all([1, 2].map((threads) => seen(threaded, threads))).then(postMessage, ({ code, message }) => postMessage({ code, message }));
  `);
  await writeFile(join(made.root, "index.html"), "<!doctype html><title>threads</title>");
  const inWorker = () => new Promise((resolve, reject) => {
    const worker = new Worker("/worker.js", { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  const inPage = async () => {
    const { VectorIndex } = await import("/node_modules/thermocline/dist/threads.browser.js");
    return VectorIndex.memory({ dimensions: 2 }).catch(({ code, message }) => ({ code, message }));
  };
  const browser = await made.browser();
  for (const isIsolated of [true, false]) {
    const server = await serve(made.root, {}, isIsolated ? ISOLATED : {});
    try {
      const page = await browser.newPage();
      await page.goto(server.url);
      const worker = await page.evaluate(inWorker);
      const refused = await page.evaluate(inPage);
      assert.equal(refused.code, "NO_THREADS");
      if (isIsolated) {
        assert.equal(worker[0].ok, true);
        assert.deepEqual(worker[1], worker[0]);
        assert.match(refused.message, /in a worker/);
      } else {
        assert.equal(worker.code, "NO_THREADS");
        for (const { message } of [worker, refused]) assert.match(message, /Cross-Origin-Opener-Policy/);
      }
      await page.close();
    } finally {
      await server.stop();
    }
  }
});

test("in Chromium: where a content security policy lacks blob:, an error that says so, and nothing hangs; with it there are threads", async () => {
  await writeFile(join(made.root, "policy.js"), `
    import { VectorIndex } from "./node_modules/thermocline/dist/threads.browser.js";
    VectorIndex.memory({ dimensions: 2, threads: 3 }).then((index) => index.close()).then(() => postMessage("none"), ({ code, message }) => postMessage([code, message]));
  `);
  await writeFile(join(made.root, "policy.html"), "<!doctype html><title>policy</title><script type=module src=policy-main.js></script>");
  await writeFile(join(made.root, "policy-main.js"), `new Worker("/policy.js", { type: "module" }).onmessage = ({ data }) => (globalThis.result = data);`);
  const browser = await made.browser();
  const seen = [];
  for (const source of ["", " blob:"]) {
    const policy = `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'${source}`;
    const server = await serve(made.root, {}, { ...ISOLATED, "content-security-policy": policy });
    seen.push(await resultOf(browser, `${server.url}/policy.html`).finally(server.stop));
  }
  assert.deepEqual([seen[0][0], seen[1]], ["NO_THREADS", "none"]);
  assert.match(seen[0][1], /worker-src blob:/);
});

test("in a worker that Vite has bundled, without a configuration", async () => {
  const root = join(made.root, "bundled");
  await cp(join(made.root, "node_modules"), join(root, "node_modules"), { recursive: true });
  await writeFile(join(root, "index.html"), "<!doctype html><title>threads</title><script type=module src=./main.js></script>");
  await writeFile(join(root, "main.js"), `
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => (globalThis.result = data);
  `);
  await writeFile(join(root, "worker.js"), `
    import * as threaded from "thermocline/threads";
    ${SCENARIO}
    seen(threaded, 3).then(({ ok }) => postMessage(ok), (error) => postMessage(String(error.stack)));
  `);
  const browser = await made.browser();
  const at = { port: 0, host: "127.0.0.1", headers: ISOLATED };
  const dev = await createServer({ root, configFile: false, logLevel: "warn", server: at });
  await dev.listen();
  assert.equal(await resultOf(browser, dev.resolvedUrls.local[0]).finally(() => dev.close()), true);
  await build({ root, configFile: false, logLevel: "warn" });
  const built = await preview({ root, configFile: false, logLevel: "warn", preview: at });
  assert.equal(await resultOf(browser, built.resolvedUrls.local[0]).finally(() => built.close()), true);
});
