// When Node reads which file: thermocline-store.wasm and its script are only for programs that store something, and
// thermocline-bulk.wasm only for those that insert many rows at once, pack, or reload a large index.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const cwd = new URL(".", import.meta.url);

/**
 * Returns the output of a separate program, which sees the files read so far as `reads` and can make the next read of
 * one fail.
 */
async function printed(program) {
  const watched = `
    import promises from "node:fs/promises";
    import { createRequire, syncBuiltinESMExports } from "node:module";
    const { readFile } = promises;
    const reads = [];
    let failing;
    promises.readFile = async (path, ...rest) => {
      const name = String(path).split("/").pop();
      if (name.endsWith(".wasm")) reads.push(name);
      if (name === failing) { failing = undefined; throw new Error("no such luck"); }
      return readFile(path, ...rest);
    };
    syncBuiltinESMExports();
    const packages = [await import("thermocline"), createRequire(import.meta.url)("thermocline")];
    ${program}
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", watched], { cwd, timeout: 20_000 });
  return JSON.parse(stdout);
}

test("memory and import without a name read the first file only; open and import with a name the second too, once", async () => {
  const seen = await printed(`
    const seen = [];
    for (const { VectorIndex } of packages) {
      reads.length = 0;
      const index = await VectorIndex.memory({ dimensions: 2 });
      await index.insert([1, 2]);
      const bytes = await index.export();
      await VectorIndex.import(bytes);
      const first = [...reads];
      const name = "places/wasm-files-" + seen.length;
      const both = await Promise.all([VectorIndex.open(name, { dimensions: 2 }), VectorIndex.import(bytes, { name: name + "-copy" })]);
      for (const index of both) await index.close();
      await VectorIndex.open(name).then((index) => index.close());
      for (const ending of ["", "-copy"]) await VectorIndex.destroy(name + ending);
      seen.push(first, [...reads]);
    }
    console.log(JSON.stringify(seen));
  `);
  const first = ["thermocline.wasm"];
  const both = ["thermocline.wasm", "thermocline-store.wasm"];
  assert.deepEqual(seen, [first, both, first, both]);
});

test("a second file that could not be read is NOT_FOUND, and the next call tries again", async () => {
  const seen = await printed(`
    const { VectorIndex } = packages[0];
    failing = "thermocline-store.wasm";
    const { name, code, message } = await VectorIndex.open("places/retried", { dimensions: 2 }).catch((error) => error);
    const index = await VectorIndex.open("places/retried", { dimensions: 2 });
    console.log(JSON.stringify([name, code, message, index.size]));
    await index.close();
  `);
  assert.deepEqual(seen, ["ThermoclineError", "NOT_FOUND", "thermocline-store.wasm could not be loaded: no such luck", 0]);
});

test("a second file of another version is CORRUPT, and an index in memory still works", async () => {
  const folder = "places/other-version";
  await cp(dirname(require.resolve("thermocline/thermocline.wasm")), folder, { recursive: true });
  const path = `${folder}/thermocline-store.wasm`;
  const bytes = await readFile(path);
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
  const { name: version } = imports.find(({ kind, name }) => kind === "table" && name !== "__wbindgen_externrefs");
  assert.match(version, /^[\w-]{8}$/);
  bytes.write("another!", bytes.indexOf(version));
  await writeFile(path, bytes);
  const seen = await printed(`
    const { VectorIndex } = await import("./${folder}/index.node.js");
    const { name, code, message } = await VectorIndex.open("places/other", { dimensions: 2 }).catch((error) => error);
    console.log(JSON.stringify([name, code, message, (await VectorIndex.memory({ dimensions: 2 })).size]));
  `);
  assert.deepEqual(seen.slice(0, 2), ["ThermoclineError", "CORRUPT"]);
  assert.match(seen[2], /thermocline\.wasm and thermocline-store\.wasm do not belong together/);
  assert.equal(seen[3], 0);
});

test("without the script of stores an index in memory still works, a stored one is NOT_FOUND, and the next call tries again", async () => {
  const folder = "places/without-script";
  await cp(dirname(require.resolve("thermocline/thermocline.wasm")), folder, { recursive: true });
  const scripts = { "index.node.js": "stored.node.js", "index.node.cjs": "stored.node.cjs" };
  for (const script of Object.values(scripts)) await rename(`${folder}/${script}`, `${folder}/away.${script}`);
  for (const [index, script] of Object.entries(scripts)) {
    const seen = await printed(`
      const { ThermoclineError, VectorIndex } = await ${index.endsWith("cjs") ? `createRequire(import.meta.url)` : "import"}("./${folder}/${index}");
      const kept = await VectorIndex.memory({ dimensions: 2 });
      const bytes = await kept.export();
      const calls = [
        () => VectorIndex.open("places/scripted", { dimensions: 2 }),
        () => VectorIndex.import(bytes, { name: "places/scripted" }),
        () => VectorIndex.destroy("places/scripted"),
      ];
      const errors = [];
      for (const call of calls) errors.push(await call().catch((error) => [error instanceof ThermoclineError, error.code, error.message]));
      await promises.rename("./${folder}/away.${script}", "./${folder}/${script}");
      const index = await calls[0]();
      await index.close();
      const wrong = await VectorIndex.open("places/scripted", { store: "none" }).catch((error) => [error instanceof ThermoclineError, error.code]);
      await calls[2]();
      console.log(JSON.stringify([errors, index.constructor === VectorIndex, wrong]));
    `);
    const [errors, isIndex, wrong] = seen;
    for (const [isOurs, code, message] of errors) {
      assert.deepEqual([isOurs, code], [true, "NOT_FOUND"]);
      assert.match(message, /^the script of indexes in a store could not be loaded: /);
    }
    assert.deepEqual([errors.length, isIndex, wrong], [3, true, [true, "INVALID_OPTION"]]);
  }
});

test("thermocline-bulk.wasm is read by the first insertMany of many rows into an empty index in memory, once", async () => {
  const seen = await printed(`
    const seen = [];
    const rows = (count) => ({ vectors: Float32Array.from({ length: 130 * count }, (_, i) => Math.sin(i)) });
    for (const { VectorIndex } of packages) {
      reads.length = 0;
      const fill = async (index, count) => {
        await index.insertMany(rows(count));
        const { pending } = await index.stats();
        const { ok } = await index.check();
        seen.push([index.size, pending, ok, ...reads]);
        await index.close();
      };
      await fill(await VectorIndex.memory({ dimensions: 130 }), 4095);
      const used = await VectorIndex.memory({ dimensions: 130 });
      await used.insert(new Array(130).fill(1));
      await fill(used, 4096);
      const left = await VectorIndex.memory({ dimensions: 130 });
      await left.delete(await left.insert(new Array(130).fill(1)));
      await fill(left, 4096);
      for (let i = 0; i < 2; i++) await fill(await VectorIndex.memory({ dimensions: 130 }), 4096);
    }
    console.log(JSON.stringify(seen));
  `);
  const first = ["thermocline.wasm"];
  const both = ["thermocline.wasm", "thermocline-bulk.wasm"];
  const expected = [[4095, 0, true, ...first], [4097, 0, true, ...first], [4096, 0, true, ...first], [4096, 0, true, ...both], [4096, 0, true, ...both]];
  assert.deepEqual(seen, [...expected, ...expected]);
});

test("packing reads thermocline-bulk.wasm, once; when that fails, the index is compacted as it lies", async () => {
  const seen = await printed(`
    const { VectorIndex } = packages[0];
    const seen = [];
    const index = await VectorIndex.memory({ dimensions: 3 });
    const ids = await index.insertMany({ vectors: Float32Array.from({ length: 6_000 }, (_, i) => Math.sin(i * i)) });
    const hits = async () => (await index.search([1, 0, 0])).map(({ id }) => id).join();
    const found = await hits();
    let before = await index.export();
    const see = async (report) => {
      const after = await index.export();
      seen.push([report.tombstonesRemoved, Buffer.compare(before, after) !== 0, (await hits()) === found, (await index.check()).ok, reads.length]);
      before = after;
    };
    await see(await index.compact());
    failing = "thermocline-bulk.wasm";
    await see(await index.compact({ pack: true }));
    await see(await index.compact({ pack: true }));
    await index.reload();
    await index.delete(ids[7]);
    await see(await index.compact({ pack: true }));
    console.log(JSON.stringify([seen, [...new Set(reads)]]));
  `);
  const steps = [[0, false, true, true, 1], [0, false, true, true, 2], [0, true, true, true, 3], [1, true, true, true, 3]];
  assert.deepEqual(seen, [steps, ["thermocline.wasm", "thermocline-bulk.wasm"]]);
});

test("reload of a large index in memory reads thermocline-bulk.wasm, once; when that fails, it moves all the same", async () => {
  const seen = await printed(`
    const { VectorIndex } = packages[0];
    const seen = [];
    failing = "thermocline-bulk.wasm";
    for (const count of [1000, 4000]) {
      const index = await VectorIndex.memory({ dimensions: 256 });
      for (let from = 0; from < count; from += 1000) {
        await index.insertMany({ vectors: Float32Array.from({ length: 256_000 }, (_, i) => Math.sin(from + i * i)) });
      }
      const before = await index.export();
      for (let i = 0; i < 3; i++) {
        await index.reload();
        seen.push([Buffer.compare(before, await index.export()), (await index.check()).ok, reads.length]);
      }
    }
    console.log(JSON.stringify([seen, [...new Set(reads)]]));
  `);
  const steps = [...Array(3).fill([0, true, 1]), [0, true, 2], [0, true, 3], [0, true, 3]];
  assert.deepEqual(seen, [steps, ["thermocline.wasm", "thermocline-bulk.wasm"]]);
});

test("a stored index needs no thermocline-bulk.wasm", async () => {
  const seen = await printed(`
    const { VectorIndex } = packages[0];
    failing = "thermocline-bulk.wasm";
    const index = await VectorIndex.open("places/bulk", { dimensions: 130 });
    await index.insertMany({ vectors: Float32Array.from({ length: 650_000 }, (_, i) => Math.cos(i)) });
    const { size } = index;
    await index.close();
    await VectorIndex.destroy("places/bulk");
    console.log(JSON.stringify([size, ...reads.sort()]));
  `);
  assert.deepEqual(seen, [5000, "thermocline-bulk.wasm", "thermocline-store.wasm", "thermocline.wasm"]);
});

test("without thermocline-bulk.wasm rows are inserted all the same, and the next call tries again", async () => {
  const seen = await printed(`
    const { VectorIndex } = packages[0];
    const vectors = Float32Array.from({ length: 650_000 }, (_, i) => Math.sin(i));
    failing = "thermocline-bulk.wasm";
    const seen = [];
    for (let i = 0; i < 2; i++) {
      const index = await VectorIndex.memory({ dimensions: 130 });
      const ids = await index.insertMany({ vectors });
      seen.push([ids.length, index.size, (await index.check()).ok, reads.length]);
      await index.clear();
      await index.insertMany({ vectors });
      seen.push([index.size, (await index.check()).ok, reads.length]);
      await index.close();
    }
    console.log(JSON.stringify(seen));
  `);
  assert.deepEqual(seen, [[5000, 5000, true, 2], [5000, true, 3], [5000, 5000, true, 3], [5000, true, 3]]);
});
