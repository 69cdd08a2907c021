// When Node reads which file: thermocline-store.wasm and its script are only for programs that store something.
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
