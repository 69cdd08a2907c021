// Tests only for Node.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";
import { promisify } from "node:util";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import * as esm from "thermocline";

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const cwd = new URL(".", import.meta.url);

test("require and import give the same names, and errors of both tell name and code", async () => {
  const cjs = require("thermocline");
  assert.deepEqual(Object.keys(cjs).sort(), Object.keys(esm).sort());
  assert.deepEqual(Object.keys(esm).sort(), ["ThermoclineError", "VectorIndex", "locateWasm"]);
  for (const { VectorIndex } of [cjs, esm]) {
    const error = await VectorIndex.memory({}).catch((thrown) => thrown);
    assert.deepEqual([error.name, error.code], ["ThermoclineError", "INVALID_OPTION"]);
  }
});

test("more ids than an engine compares in one call are an error, and the index stays whole", async () => {
  const index = await esm.VectorIndex.memory({ dimensions: 1, metric: "l2", quantization: "none" });
  const rows = (ids) => ids.map((id) => ({ id, vector: [1] }));
  const { Set } = globalThis;
  // An engine's throws at 2^24 entries. This one tells so many, and throws a little later.
  globalThis.Set = class extends Set {
    get size() { return super.size + 2 ** 24 - 3; }
    add(value) {
      if (super.size === 3) throw new RangeError("Set maximum size exceeded");
      return super.add(value);
    }
  };
  try {
    const many = (ids) => index.insertMany(rows(ids)).catch((error) => error.code);
    assert.equal(await many(["a", "b", "c", "d"]), "OUT_OF_MEMORY");
    assert.deepEqual(await many(["a", "b", "c", undefined, undefined]), ["a", "b", "c", 0, 1]);
    assert.deepEqual(await many([undefined, undefined, undefined, undefined]), [2, 3, 4, 5]);
  } finally {
    globalThis.Set = Set;
  }
  assert.equal((await index.check()).ok, true);
  assert.equal(index.size, 9);
  await index.close();
});

test("the entry for workers: require and import give the same names, and the errors of the main entry", async () => {
  const both = [[require("thermocline/worker"), require("thermocline")], [await import("thermocline/worker"), esm]];
  for (const [worker, main] of both) {
    assert.deepEqual(["ThermoclineError", "VectorIndex", "locateWasm"].map((name) => typeof worker[name]), ["function", "function", "function"]);
    assert.equal(worker.ThermoclineError, main.ThermoclineError);
  }
});

test("an index can be disposed of where the platform has no Symbol.asyncDispose", async () => {
  const script = `
    const own = Symbol;
    globalThis.Symbol = (...given) => own(...given);
    for (const name of Reflect.ownKeys(own)) if (!["asyncDispose", "length", "name", "prototype"].includes(name)) Symbol[name] = own[name];
    for (const entry of ["thermocline", "thermocline/worker"]) {
      const { VectorIndex } = await import(entry);
      const index = await VectorIndex.memory({ dimensions: 2 });
      await index[Symbol.for("Symbol.asyncDispose")]();
      console.log(await index.insert([1, 2]).catch(({ code }) => code), Object.getOwnPropertyNames(VectorIndex.prototype).includes("undefined"));
    }
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd });
  assert.equal(stdout, "CLOSED false\nCLOSED false\n");
});

test("package.json and the first wasm file can be resolved by name", () => {
  assert.equal(require("thermocline/package.json").name, "thermocline");
  assert.match(require.resolve("thermocline/thermocline.wasm"), /thermocline\.wasm$/);
});

test("an error reads well on a console", async () => {
  const error = await esm.VectorIndex.memory({ dimensions: 0 }).catch((thrown) => thrown);
  assert.match(inspect(error), /^ThermoclineError: .*\n[^]*code: 'INVALID_OPTION'/);
});

/** Runs a separate program. Fails unless it ends by itself within a few seconds. */
async function ends(program) {
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], { cwd, timeout: 8000 });
  return stdout.trim();
}

test("an open index, a finished compaction and an idle hook do not keep a process alive", async () => {
  const seen = await ends(`
    import { VectorIndex } from "thermocline";
    const index = await VectorIndex.memory({ dimensions: 2 });
    await index.insertMany(Array.from({ length: 200 }, (_, i) => ({ vector: [1, i] })));
    index.compactWhenIdle();
    await index.deleteMany(Array.from({ length: 150 }, (_, i) => i));
    console.log("end");
  `);
  assert.equal(seen, "end");
});

test("the index of an idle server is compacted", async () => {
  const seen = await ends(`
    import { createServer } from "node:http";
    import { VectorIndex } from "thermocline";
    const index = await VectorIndex.memory({ dimensions: 2 });
    await index.insertMany(Array.from({ length: 200 }, (_, i) => ({ vector: [1, i] })));
    const server = createServer().listen(0);
    index.compactWhenIdle({ onReport: (report) => { console.log(report.tombstonesRemoved); server.close(); } });
    await index.deleteMany(Array.from({ length: 150 }, (_, i) => i));
  `);
  assert.equal(seen, "150");
});

test("arrays from another realm are accepted", async () => {
  const index = await esm.VectorIndex.memory({ dimensions: 3 });
  const { vector, payload, list, query } = runInNewContext("({ vector: Float32Array.of(1, 2, 3), payload: Uint8Array.of(4, 5), list: [3, 2, 1], query: [1, 2, 3] })");
  await index.insertWithId("typed", vector, payload);
  await index.insertWithId("list", list);
  const [hit] = await index.search(query);
  assert.equal(hit.id, "typed");
  assert.deepEqual([...hit.payload], [4, 5]);
  const bytes = await index.export();
  const elsewhere = runInNewContext("(list) => Uint8Array.from(list)")([...bytes]);
  assert.equal((await esm.VectorIndex.import(elsewhere)).size, 2);
  assert.equal((await esm.VectorIndex.import(Buffer.from(bytes))).size, 2);
});

test("an index that nothing refers to is collected, without being closed", async () => {
  const program = `
    import { VectorIndex } from "thermocline";
    import { setTimeout } from "node:timers/promises";
    let collected = 0;
    const registry = new FinalizationRegistry(() => (collected += 1));
    for (let i = 0; i < 60; i++) {
      const index = await VectorIndex.memory({ dimensions: 3 });
      await index.insert([1, 2, 3]);
      registry.register(index);
    }
    for (let tries = 0; tries < 100 && collected < 59; tries++) {
      gc();
      await setTimeout(10);
    }
    console.log(collected >= 59);
  `;
  const { stdout } = await run(process.execPath, ["--expose-gc", "--input-type=module", "--eval", program], { cwd, timeout: 30_000 });
  assert.equal(stdout.trim(), "true");
});
