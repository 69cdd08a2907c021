// Wasm files that are elsewhere or in the program itself: each case runs in a separate program, whose package has no
// wasm files.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "thermocline-locate-"));
  const dist = join(folder, "node_modules/thermocline/dist");
  await cp(new URL("node_modules/thermocline", import.meta.url), join(folder, "node_modules/thermocline"), { recursive: true });
  await mkdir(join(folder, "else where"));
  for (const name of await readdir(dist)) if (name.endsWith(".wasm")) await rename(join(dist, name), join(folder, "else where", name));
});

after(() => rm(folder, { recursive: true, force: true }));

/** Returns what a program prints for an entry loaded by `import` or `require`. */
async function printed(entry, body, how = "import") {
  const load = how === "import" ? `await import(${JSON.stringify(entry)})` : `createRequire(import.meta.url)(${JSON.stringify(entry)})`;
  const program = `
    import { readFile } from "node:fs/promises";
    import { createRequire } from "node:module";
    import { pathToFileURL } from "node:url";
    import { runInNewContext } from "node:vm";
    const { locateWasm, VectorIndex, ThermoclineError } = ${load};
    const at = (file) => "else where/" + file;
    const works = async (open) => {
      const index = await open;
      await index.insert([1, 2]);
      const { size } = index;
      await index.close();
      return size;
    };
    const memory = () => works(VectorIndex.memory({ dimensions: 2 }));
    const code = (call) => (async () => call())().then((value) => value, (error) => [error instanceof ThermoclineError, error.code]);
    console.log(JSON.stringify(await (async () => { ${body} })()));
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], { cwd: folder, timeout: 20_000 });
  return JSON.parse(stdout);
}

const SOURCES = {
  "a path": "locateWasm(at);",
  "a URL": "locateWasm((file) => pathToFileURL(at(file)));",
  "the text of a URL": "locateWasm((file) => pathToFileURL(at(file)).href);",
  bytes: 'const bytes = {}; for (const name of NAMES) bytes[name] = await readFile(at(name)).then((read) => new Uint8Array(read)); locateWasm((file) => bytes[file]);',
  "a URL of another realm": "locateWasm((file) => ({ href: pathToFileURL(at(file)).href, [Symbol.toStringTag]: \"URL\" }));",
  "a module of another realm": 'const modules = {}; for (const name of NAMES) modules[name] = runInNewContext("new WebAssembly.Module(bytes)", { bytes: await readFile(at(name)) }); locateWasm((file) => modules[file]);',
  "a module": "const modules = {}; for (const name of NAMES) modules[name] = await WebAssembly.compile(await readFile(at(name))); locateWasm((file) => modules[file]);",
};
const NAMES = ["thermocline.wasm", "thermocline-store.wasm"];

for (const entry of ["thermocline", "thermocline/whole", "thermocline/worker"]) {
  for (const how of ["import", "require"]) {
    test(`${entry} by ${how}: a file is where it is said to be, ${Object.keys(SOURCES).join(", ")}`, async () => {
      assert.deepEqual(await printed(entry, "return code(memory);", how), [true, "NOT_FOUND"], "it is not beside the scripts");
      for (const [what, locate] of Object.entries(SOURCES)) {
        const name = `places/${entry}-${how}-${what}`;
        const seen = await printed(entry, `
          const NAMES = ${JSON.stringify(NAMES)};
          ${locate}
          return [await memory(), await works(VectorIndex.open(${JSON.stringify(name)}, { dimensions: 2 }))];
        `, how);
        assert.deepEqual(seen, [1, 1], what);
      }
    });
  }
}

test("thermocline/threads: its one file", async (t) => {
  const names = await readdir(join(folder, "else where"));
  if (!names.includes("thermocline-threads.wasm")) return t.skip("it was not built");
  for (const how of ["import", "require"]) {
    const seen = await printed("thermocline/threads", `
      const asked = [];
      locateWasm((file) => { asked.push(file); return at(file); });
      return [await works(VectorIndex.memory({ dimensions: 2, threads: 2 })), asked];
    `, how);
    assert.deepEqual(seen, [1, ["thermocline-threads.wasm"]]);
  }
});

test("each file is asked for once, when it is needed", async () => {
  const seen = await printed("thermocline", `
    const asked = [];
    locateWasm((file) => { asked.push(file); return at(file); });
    const seen = [[...asked]];
    await memory();
    await memory();
    seen.push([...asked]);
    for (let i = 0; i < 2; i++) await works(VectorIndex.open("places/asked", { dimensions: 2 }));
    return [...seen, asked];
  `);
  assert.deepEqual(seen, [[], ["thermocline.wasm"], NAMES]);
});

for (const entry of ["thermocline", "thermocline/worker"]) {
  test(`${entry}: what is no function or no source is INVALID_OPTION, what throws or is not there NOT_FOUND, what is no wasm file CORRUPT`, async () => {
    const seen = await printed(entry, `
      const seen = [];
      for (const locate of [5, null, "else where/", {}]) seen.push(await code(() => locateWasm(locate)));
      for (const source of [5, null, {}, Promise.resolve(at("thermocline.wasm")), new Float32Array(2), () => 1]) {
        locateWasm(() => source);
        seen.push(await code(memory));
      }
      locateWasm(() => { throw new Error("no such luck"); });
      seen.push(await code(memory));
      locateWasm((file) => "nowhere/" + file);
      seen.push(await code(memory));
      locateWasm(() => new Uint8Array(100));
      seen.push(await code(memory));
      locateWasm(at);
      return [...seen, await memory()];
    `);
    const invalid = Array.from({ length: 10 }, () => [true, "INVALID_OPTION"]);
    assert.deepEqual(seen, [...invalid, [true, "NOT_FOUND"], [true, "NOT_FOUND"], [true, "CORRUPT"], 1]);
  });
}

test("detached bytes are refused before a worker is started, and a view is sent without the rest of its buffer", async () => {
  const seen = await printed("thermocline/worker", `
    const gone = new Uint8Array(8);
    structuredClone(gone, { transfer: [gone.buffer] });
    locateWasm(() => gone);
    const seen = [await code(memory)];
    const read = {};
    for (const name of ${JSON.stringify(NAMES)}) {
      const bytes = await readFile(at(name));
      read[name] = new Uint8Array(bytes.length + 200).subarray(100, 100 + bytes.length);
      read[name].set(bytes);
    }
    locateWasm((file) => read[file]);
    return [...seen, await memory(), await memory()];
  `);
  assert.deepEqual(seen, [[true, "NOT_FOUND"], 1, 1], "the program has ended, too");
});

test("locateWasm is refused once a file is loaded; for a worker, the function set before it starts counts", async () => {
  for (const [entry, expected] of [["thermocline", [true, "INVALID_OPTION"]], ["thermocline/worker", [true, "NOT_FOUND"]]]) {
    const seen = await printed(entry, `
      locateWasm(at);
      const first = await memory();
      const said = await code(() => locateWasm((file) => "nowhere/" + file));
      return [first, said ?? await code(memory)];
    `);
    assert.deepEqual(seen, [1, expected], entry);
  }
});

for (const entry of ["thermocline", "thermocline/worker"]) {
  test(`${entry}: rows are inserted whatever is said of thermocline-bulk.wasm`, async () => {
    const answers = {
      "where it is": "at(file)",
      "an error": "(() => { throw new Error('never heard of it'); })()",
      "no source": "null",
      "nothing": "undefined",
      "a path where nothing is": "'nowhere/' + file",
      "another file": "at('thermocline.wasm')",
      "the other file": "at('thermocline-store.wasm')",
      "bytes of something else": "new Uint8Array(100)",
    };
    for (const [what, answer] of Object.entries(answers)) {
      const seen = await printed(entry, `
        const asked = [];
        locateWasm((file) => {
          asked.push(file);
          return file === "thermocline-bulk.wasm" ? ${answer} : at(file);
        });
        const index = await VectorIndex.memory({ dimensions: 130 });
        const ids = await index.insertMany({ vectors: Float32Array.from({ length: 650_000 }, (_, i) => Math.sin(i)) });
        const { pending } = await index.stats();
        const seen = [ids.length, index.size, (await index.check()).ok, pending, asked.includes("thermocline-bulk.wasm")];
        await index.close();
        return seen;
      `);
      assert.deepEqual(seen, [5000, 5000, true, 0, true], what);
    }
  });
}
