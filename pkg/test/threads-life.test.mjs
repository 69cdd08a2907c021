// The lifetime of the threads of "thermocline/threads": failures while they start, a fault in one of them, an index
// that nobody closes; also the memory that their index keeps, and its errors about rows.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { PKG } from "./support/project.mjs";
import { threadsProject } from "./support/threads.mjs";
import { assemble, disassemble } from "./support/wasm.mjs";

const made = threadsProject();

/** Wraps Node's `Worker`: `change` can replace its arguments, and `alive` counts the running workers. */
const WORKERS = `
  import workers from "node:worker_threads";
  import { syncBuiltinESMExports } from "node:module";
  let change = (source, options) => [source, options];
  let alive = 0;
  const Real = workers.Worker;
  workers.Worker = class extends Real {
    constructor(...given) {
      super(...change(...given));
      alive += 1;
      this.once("exit", () => (alive -= 1));
    }
  };
  syncBuiltinESMExports();
  const { VectorIndex } = await import("thermocline/threads");
  const until = async (condition) => { while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5)); };
  const codeOf = (promise) => promise.then(() => "none", ({ code }) => code);
`;

/** Returns a wasm file that traps when it computes a distance. */
async function trapping() {
  const text = await disassemble(join(PKG, "dist/thermocline-threads.wasm"));
  const functions = text.split(/\n (?=\(func \$)/).map((body, i) => {
    if (i === 0 || !body.includes("(i32x4.dot_i16x8_s")) return body;
    const lines = body.split("\n");
    const first = lines.findIndex((line, at) => at > 0 && !line.startsWith("  (local "));
    return lines.toSpliced(first, 0, "  (unreachable)").join("\n");
  });
  const name = join(made.root, "trapping");
  await writeFile(`${name}.wat`, functions.join("\n "));
  const features = ["threads", "simd", "bulk-memory", "bulk-memory-opt", "reference-types", "sign-ext", "nontrapping-float-to-int", "mutable-globals", "multivalue", "call-indirect-overlong"];
  await assemble(`${name}.wat`, `${name}.wasm`, features.map((feature) => `--enable-${feature}`));
  assert.ok(WebAssembly.validate(await readFile(`${name}.wasm`)));
}

test("a fault in a thread makes the call that waits for it CORRUPT, and every later call of its index", async () => {
  await trapping();
  const seen = await made.inNode("fault.mjs", `
    ${WORKERS}
    import { readFile } from "node:fs/promises";
    const module = await WebAssembly.compile(await readFile("trapping.wasm"));
    const vectors = Float32Array.from({ length: 64 * 2000 }, (_, i) => Math.sin(i * 1.7 + (i % 64) ** 2));
    const whole = await VectorIndex.memory({ dimensions: 64, threads: 3 });
    await whole.insertMany({ vectors });
    const bytes = await whole.export();
    const seen = [];
    change = (source, options) => [source, { ...options, workerData: { ...options.workerData, module } }];
    for (const threads of [2, 5]) {
      const filling = await VectorIndex.memory({ dimensions: 64, threads });
      const searched = await VectorIndex.import(bytes, { threads });
      seen.push(await codeOf(filling.insertMany({ vectors })), await codeOf(searched.searchMany(vectors.subarray(0, 64 * 1000))));
      seen.push(await codeOf(searched.search(vectors.subarray(0, 64))));
      await filling.close();
      await searched.close();
    }
    await until(() => alive === 2);
    const { ids } = await whole.searchMany(vectors.subarray(0, 64), { k: 1 });
    console.log(JSON.stringify({ seen, ids }));
  `);
  assert.deepEqual(seen, { seen: Array(6).fill("CORRUPT"), ids: [0] });
});

test("a thread that cannot be started: a new index leaves no thread, and one that reloads keeps its instance and its threads", async () => {
  const seen = await made.inNode("start.mjs", `
    ${WORKERS}
    const rows = Array.from({ length: 500 }, (_, i) => ({ vector: [1, i] }));
    const index = await VectorIndex.memory({ dimensions: 2, threads: 3 });
    await index.insertMany(rows);
    const before = alive;
    const { wasmMemoryBytes } = await index.stats();
    const refused = [];
    const makers = [() => VectorIndex.memory({ dimensions: 2, threads: 5 }), () => index.reload()];
    const script = (options) => ['throw new Error("no such luck")', options];
    // As when the system refuses another thread.
    const system = () => { throw new Error("no such luck"); };
    for (const [make, fail] of makers.flatMap((make) => [[make, script], [make, system]])) {
      let started = 0;
      change = (source, options) => (++started === 2 ? fail(options) : [source, options]);
      refused.push(await make().catch(({ code, message }) => [code, /no such luck/.test(message)]));
      await until(() => alive === before);
    }
    change = (...given) => given;
    const stayed = (await index.stats()).wasmMemoryBytes === wasmMemoryBytes;
    await index.insertMany(rows);
    const { returnedBytes } = await index.reload();
    await until(() => alive === before);
    const { ok } = await index.check();
    await index.close();
    await until(() => alive === 0);
    console.log(JSON.stringify({ before, refused, stayed, ok, size: typeof returnedBytes }));
  `);
  assert.deepEqual(seen, { before: 2, refused: Array(4).fill(["NO_THREADS", true]), stayed: true, ok: true, size: "number" });
});

test("memory that has no room for the stacks of all threads: an error that says so", async () => {
  const seen = await made.inNode("stacks.mjs", `
    ${WORKERS}
    const Memory = WebAssembly.Memory;
    WebAssembly.Memory = class extends Memory { constructor(given) { super({ ...given, maximum: 64 }); } };
    const refused = await VectorIndex.memory({ dimensions: 2, threads: 12 }).catch(({ code, message }) => [code, message]);
    await until(() => alive === 0);
    console.log(JSON.stringify(refused));
  `);
  assert.deepEqual(seen, ["NO_THREADS", "a thread could not be started: no memory for its stack"]);
});

test("an index that is closed while it reloads leaves no thread", async () => {
  const seen = await made.inNode("closed.mjs", `
    ${WORKERS}
    const codes = [];
    for (const ms of [0, 5, 10, 20, 40]) {
      const index = await VectorIndex.memory({ dimensions: 2, threads: 3 });
      const moved = codeOf(index.reload());
      await new Promise((resolve) => setTimeout(resolve, ms));
      await index.close();
      codes.push(await moved);
      await until(() => alive === 0);
    }
    console.log(JSON.stringify([codes[0], codes.every((code) => code === "CLOSED" || code === "none")]));
  `);
  assert.deepEqual(seen, ["CLOSED", true]);
});

test("compactions that erase at the same time move one after the other, and leave no thread behind", async () => {
  const seen = await made.inNode("erasing.mjs", `
    ${WORKERS}
    const index = await VectorIndex.memory({ dimensions: 2, threads: 3 });
    await index.insertMany(Array.from({ length: 300 }, (_, i) => ({ vector: [1, i] })));
    await Promise.all(Array.from({ length: 4 }, async (_, i) => {
      await index.delete(i);
      await index.compact({ erase: true });
    }));
    const { size } = index;
    await index.close();
    await until(() => alive === 0);
    console.log(JSON.stringify([size]));
  `);
  assert.deepEqual(seen, [296]);
});

test("the threads of an index that was garbage collected end", async () => {
  const seen = await made.inNode("forgotten.mjs", `
    ${WORKERS}
    const kept = await VectorIndex.memory({ dimensions: 2, threads: 2 });
    const use = async (reloads) => {
      const index = await VectorIndex.memory({ dimensions: 2, threads: 3 });
      await index.insertMany(Array.from({ length: 300 }, (_, i) => ({ vector: [1, i] })));
      if (reloads) await index.reload();
    };
    for (let i = 0; i < 5; i++) await use(i % 2);
    for (const end = Date.now() + 10_000; alive > 1 && Date.now() < end; ) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    console.log(JSON.stringify([alive, kept.size]));
  `, "--expose-gc");
  assert.deepEqual(seen, [1, 0]);
});

test("large payloads and many hits take about as much memory as without threads", async () => {
  const [threaded, plain] = await made.inNode("memory.mjs", `
    import * as threaded from "thermocline/threads";
    import * as thermocline from "thermocline";
    const vectors = Float32Array.from({ length: 4 * 5000 }, (_, i) => Math.sin(i * 1.7 + i ** 2));
    const payload = new Uint8Array(1 << 20);
    const grown = async ({ VectorIndex }, options) => {
      const index = await VectorIndex.memory({ dimensions: 4, ...options });
      await index.insertMany({ vectors });
      const bytes = async () => (await index.stats()).wasmMemoryBytes / 2 ** 20;
      const seen = [await bytes()];
      await index.searchMany(vectors.subarray(0, 4 * 64), { k: 5000 });
      seen.push(await bytes());
      await index.insertMany(Array.from({ length: 130 }, (_, i) => ({ vector: [1, i, 2, 3], payload })));
      seen.push(await bytes());
      await index.close();
      return [seen[1] - seen[0], seen[2] - seen[1]];
    };
    console.log(JSON.stringify([await grown(threaded, { threads: 2 }), await grown(thermocline)]));
  `);
  for (const i of [0, 1]) assert.ok(threaded[i] < plain[i] + 20, `MB: ${threaded} with, ${plain} without`);
});

test("a row that has become wrong since it was checked is named", async () => {
  const seen = await made.inNode("named.mjs", `
    import { VectorIndex } from "thermocline/threads";
    const index = await VectorIndex.memory({ dimensions: 2, threads: 2 });
    await index.insertMany(Array.from({ length: 2000 }, (_, i) => ({ vector: [1, i] })));
    const refused = (promise) => promise.then(() => "none", ({ code, message }) => [code, message.slice(0, 9)]);
    const rows = Array.from({ length: 1500 }, (_, i) => ({ id: "row " + i, vector: [1, i] }));
    let other;
    const taken = await refused(index.insertMany(rows, { onProgress: () => (other ??= index.insertWithId("row 1234", [1, 2])) }));
    await index.deleteMany([await other]);
    let reads = 0;
    const changing = Array.from({ length: 300 }, (_, i) => ({ vector: [1, i] }));
    Object.defineProperty(changing[222], "vector", { get: () => [1, reads++ ? NaN : 1] });
    console.log(JSON.stringify([taken, await refused(index.insertMany(changing))]));
  `);
  assert.deepEqual(seen, [["DUPLICATE_ID", "row 1234:"], ["INVALID_VECTOR", "row 222: "]]);
});
