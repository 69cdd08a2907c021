// Tests only for an index in a directory: which files belong to it, what is left open, and programs that end without
// closing.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { ThermoclineError, VectorIndex } from "thermocline";
import { fails, flat } from "./helpers.mjs";
import { fresh, MapStore } from "./places.mjs";

const run = promisify(execFile);
const cwd = new URL(".", import.meta.url);

test("a directory of other files is neither written into nor removed", async () => {
  for (const name of ["package.json", "notes~", "commit", "m_1", "data", "s_q_1.txt"]) {
    const path = fresh();
    await mkdir(path, { recursive: true });
    await writeFile(`${path}/${name}`, "somebody's");
    const quoted = new RegExp(`"${name}"`);
    await fails("INVALID_OPTION", () => VectorIndex.open(path, { dimensions: 2 }), quoted);
    await fails("INVALID_OPTION", () => VectorIndex.destroy(path), quoted);
    await fails(name === "commit" ? "STORE_FAILED" : "NOT_FOUND", () => VectorIndex.open(path, { mode: "readonly" }));
    assert.deepEqual(await readdir(path), [name]);
  }
});

/** Checks that each call with this name fails. Fails if one has made anything in the current directory. */
async function refuses(name, code, said) {
  const before = await readdir(".");
  const bytes = await (await VectorIndex.memory({ dimensions: 2 })).export();
  for (const { VectorIndex: Index } of [{ VectorIndex }, await import("thermocline/worker")]) {
    for (const call of [
      () => Index.open(name, { dimensions: 2 }), () => Index.open(name, { mode: "readonly" }), () => Index.destroy(name),
      () => Index.import(bytes, { name }),
    ]) await fails(code, call, said);
  }
  assert.deepEqual(await readdir("."), before);
}

test("a file URL and a name with a null character are no paths", async () => {
  await refuses(new URL("here", import.meta.url).href, "INVALID_OPTION", /^name: expected a path, such as fileURLToPath\(\)/);
  await refuses("a\0b", "INVALID_OPTION", /^name: expected a path, which has no null character/);
});

test("the error of a name that is an ordinary file, or below one, says that it is no directory", async () => {
  const path = fresh();
  await mkdir(path, { recursive: true });
  await writeFile(`${path}/file`, "somebody's");
  for (const name of [`${path}/file`, `${path}/file/below`]) await refuses(name, "STORE_FAILED", /file.*not a directory/);
  assert.equal(await readFile(`${path}/file`, "utf8"), "somebody's");
});

test("an index that cannot be opened leaves no directory", async () => {
  for (const [code, options] of [["NOT_FOUND"], ["INVALID_OPTION", { dimensions: 0 }], ["INVALID_OPTION", { dimensions: 2, m: 3 }], ["INVALID_OPTION", { dimensions: 2, maxBytes: -1 }]]) {
    const path = fresh();
    await fails(code, () => VectorIndex.open(path, options));
    await assert.rejects(() => readdir(path), { code: "ENOENT" });
  }
});

test("destroying leaves other files beside an index", async () => {
  const path = fresh();
  await mkdir(path, { recursive: true });
  await (await VectorIndex.open(path, { dimensions: 2 })).close();
  for (const name of ["package.json", "data"]) await writeFile(`${path}/${name}`, "somebody's");
  await (await VectorIndex.open(path)).close();
  await VectorIndex.destroy(path);
  assert.deepEqual((await readdir(path)).sort(), ["data", "package.json"]);
});

// By then everything in it has been removed, so this must not be a failure. A mount point, or a directory whose parent
// may not be changed, stays too.
test("destroying succeeds where the directory itself cannot be removed, such as a symbolic link", async () => {
  const [path, link] = [fresh(), fresh()];
  await mkdir(path, { recursive: true });
  await symlink(resolve(path), link, "junction");
  await (await VectorIndex.open(link, { dimensions: 2 })).close();
  await VectorIndex.destroy(link);
  assert.deepEqual(await readdir(path), []);
  await fails("NOT_FOUND", () => VectorIndex.open(link));
  await VectorIndex.destroy(link);
});

test("after closing nothing is left: no file, no timer, no lock", async () => {
  // The test runner's own resources come and go.
  const resources = () => process.getActiveResourcesInfo().filter((name) => !["Immediate", "FSReqPromise", "FSReqCallback"].includes(name)).sort();
  const before = resources();
  const handles = async () => (process.platform === "linux" ? (await readdir("/proc/self/fd")).length : 0);
  const files = await handles();
  const path = fresh();
  for (let i = 0; i < 5; i++) {
    const index = await VectorIndex.open(path, { dimensions: 64 });
    index.compactWhenIdle();
    await index.insertMany({ vectors: flat(1000, 64) });
    await index.deleteMany(Array.from({ length: 500 }, (_, n) => n + 1000 * i));
    await index.compact();
    await index.close();
    assert.deepEqual(resources(), before);
    assert.equal(await handles(), files);
    assert.ok(!(await readdir(path)).some((name) => name.startsWith("lock.")));
  }
  const hanging = new MapStore();
  const index = await VectorIndex.open("own", { store: hanging, dimensions: 2 });
  hanging.before = () => new Promise(() => {});
  index.insert([1, 2]).catch(() => {});
  await fails("STORE_FAILED", () => index.close({ timeoutMs: 20 }));
  assert.deepEqual(resources(), before);
});

/** Runs a separate program. Fails unless it ends by itself. */
async function ends(program, ...more) {
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program, ...more], { cwd, timeout: 20_000 });
  return stdout.trim();
}

test("a program that never closes its index ends by itself, and the next one finds everything", async () => {
  const path = fresh();
  const program = `
    import { ThermoclineError, VectorIndex } from "thermocline";
    const index = await VectorIndex.open(process.argv[1], { dimensions: 256 });
    index.compactWhenIdle();
    await index.insertMany(Array.from({ length: 1500 }, (_, i) => ({ vector: Float32Array.from({ length: 256 }, (_, j) => Math.sin(i * j + i + 1)) })));
    console.log(index.size);
  `;
  assert.equal(await ends(program, path), "1500");
  assert.equal(await ends(program, path), "3000");
});

// A call first loads the scripts of stores. If it resolved the path only then, a program that has changed its directory
// meanwhile would open or remove another index of that name.
test("a relative path is resolved when the call is made, wherever the program changes to afterwards", async () => {
  const program = `
    const { createRequire } = await import("node:module");
    const [entry, ...folders] = process.argv.slice(1);
    const { VectorIndex } = entry.startsWith("require ") ? createRequire(folders[0] + "/")(entry.slice(8)) : await import(entry);
    const from = (folder, use) => {
      process.chdir(folder);
      const result = use();
      process.chdir(folders.at(-1));
      return result;
    };
    const open = () => from(folders[0], () => VectorIndex.open("here", { dimensions: 2 }));
    let index = await open();
    await index.insert([1, 2]);
    const bytes = await index.export();
    await index.close();
    const copy = await from(folders[0], () => VectorIndex.import(bytes, { name: "copy" }));
    await copy.close();
    index = await open();
    console.log(index.size);
    await index.close();
    await from(folders[0], () => VectorIndex.destroy("copy"));
  `;
  for (const entry of ["thermocline", "thermocline/worker", "require thermocline", "require thermocline/worker"]) {
    const folders = [resolve(fresh()), resolve(fresh())];
    for (const folder of folders) await mkdir(folder, { recursive: true });
    // An index of the same name in the other directory must stay as it is.
    await (await VectorIndex.open(join(folders[1], "copy"), { dimensions: 2 })).close();
    assert.equal(await ends(program, entry, ...folders), "1", entry);
    assert.deepEqual(await Promise.all(folders.map((folder) => readdir(folder))), [["here"], ["copy"]], entry);
  }
});

test("import and require: one is LOCKED while the other writes", async () => {
  const { VectorIndex: Other } = createRequire(import.meta.url)("thermocline");
  const path = fresh();
  const index = await VectorIndex.open(path, { dimensions: 2 });
  await index.insert([1, 2]);
  await assert.rejects(Other.open(path), { code: "LOCKED" });
  await index.close();
  const other = await Other.open(path);
  assert.equal(other.size, 1);
  await other.close();
});

test("import and require, both entries: a Store object is LOCKED for all of them while one writes to it", async () => {
  const require = createRequire(import.meta.url);
  const all = [{ VectorIndex }, require("thermocline"), await import("thermocline/worker"), require("thermocline/worker")];
  const values = new Map();
  for (const writer of all) {
    const own = new MapStore(values);
    const index = await writer.VectorIndex.open("own", { store: own, dimensions: 2 });
    for (const other of all) await assert.rejects(other.VectorIndex.open("own", { store: own, dimensions: 2 }), { code: "LOCKED" });
    await index.close();
  }
});

test("an error of the other build that a store throws keeps its code, wherever it is thrown", async () => {
  const { ThermoclineError: Other } = createRequire(import.meta.url)("thermocline");
  const none = async () => [];
  const full = async () => { throw new Other("QUOTA_EXCEEDED", "full"); };
  for (const store of [{ read: none, commit: full, list: none, close: async () => {} }, { read: none, commit: none, list: full, close: none }]) {
    const error = await VectorIndex.destroy("own", { store }).catch((thrown) => thrown);
    assert.ok(error instanceof ThermoclineError, String(error));
    assert.deepEqual([error.code, error.message], ["QUOTA_EXCEEDED", "full"]);
  }
});

test("a global object that cannot be extended, or has another value under the symbol, does no harm", async () => {
  const taken = ["written", "users"].map((name) => `globalThis[Symbol.for("thermocline.${name}")] = 5`);
  for (const before of ["Object.preventExtensions(globalThis)", ...taken]) {
    const program = `
      ${before};
      const { VectorIndex } = await import("thermocline");
      const store = { read: async (keys) => keys.map(() => undefined), commit: async () => {}, list: async () => [], close: async () => {} };
      const index = await VectorIndex.open("own", { store, dimensions: 2 });
      const { code } = await VectorIndex.open("own", { store, dimensions: 2 }).catch((error) => error);
      await index.close();
      console.log(code);
    `;
    assert.equal(await ends(program), "LOCKED", before);
  }
});

test("missing parent directories are created, and a path that is a file is an error that names it", async () => {
  const path = fresh();
  await (await VectorIndex.open(`${path}/deep/down`, { dimensions: 2 })).close();
  assert.ok((await readdir(`${path}/deep/down`)).length > 0);
  await writeFile(`${path}/file`, "");
  await fails("STORE_FAILED", () => VectorIndex.open(`${path}/file`, { dimensions: 2 }), /file/);
});
