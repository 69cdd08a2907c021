// The content and size of the tarball.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { LIMITS, shipped, sizes } from "../build/sizes.mjs";
import { factoryFrom, FIRST } from "../build/glue.mjs";
import { withShortImports } from "../build/imports.mjs";
import { PKG, manifest, pack, remove, run, temporary } from "./support/project.mjs";

const DIST = join(PKG, "dist");
const SHIPPED = shipped(DIST);
/** Built only with a nightly toolchain. */
const HAS_THREADS = SHIPPED.includes("thermocline-threads.wasm");

test("the tarball holds what ships and nothing else", async () => {
  const { files, folder } = await pack();
  await remove(folder);
  const optional = ["dist/LICENSE-APACHE", "dist/LICENSE-MIT"];
  const declarations = ["index", "worker", ...(HAS_THREADS ? ["threads"] : [])].flatMap((name) => [`dist/${name}.d.cts`, `dist/${name}.d.ts`]);
  const expected = ["README.md", "package.json", ...declarations, ...SHIPPED.map((name) => `dist/${name}`)].sort();
  assert.deepEqual(files.filter((name) => !optional.includes(name)).sort(), expected);
});

test("installing runs nothing and needs nothing", async () => {
  const { scripts, dependencies, optionalDependencies, peerDependencies, devDependencies, sideEffects } = await manifest();
  for (const name of Object.keys(scripts)) assert.doesNotMatch(name, /install|prepare/);
  assert.deepEqual([dependencies, optionalDependencies, peerDependencies, sideEffects], [undefined, undefined, undefined, false]);
  for (const [name, version] of Object.entries(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/, name);
});

test("every file that package.json names is there", async () => {
  const { exports, main, types } = await manifest();
  const named = JSON.stringify([Object.values(exports), main, types]).match(/\.\/[^"]+/g);
  assert.ok(named.length >= 10);
  for (const path of new Set(named)) if (HAS_THREADS || !/threads/.test(path)) assert.ok((await readFile(join(PKG, path))).length > 0, path);
});

test("npm pack refuses a package that was not built", async () => {
  const folder = await temporary("unbuilt");
  try {
    await mkdir(join(folder, "build"));
    for (const name of ["package.json", "build/prepack.mjs"]) await copyFile(join(PKG, name), join(folder, name));
    const packing = run(process.execPath, ["build/prepack.mjs"], { cwd: folder });
    await assert.rejects(packing, /\.\/dist\/index\.node\.js, which is not there[^]*cargo xtask build/);
  } finally {
    await remove(folder);
  }
});

test("sizes are within their limits", () => {
  for (const { name, gzip, within } of sizes(DIST)) assert.ok(within, `${name}: ${gzip} bytes gzipped, limits ${JSON.stringify(LIMITS)}`);
});

test("no script carries the wasm file inside of it", async () => {
  for (const name of SHIPPED.filter((file) => !file.endsWith(".wasm"))) {
    const text = await readFile(join(DIST, name), "utf8");
    assert.doesNotMatch(text, /[A-Za-z0-9+/]{400}/, name);
    assert.doesNotMatch(text, /AGFzbQ/, `${name}: base64 of the wasm magic`);
  }
});

// Node prints the whole line of the script from which the error was thrown, and as much again to mark the place.
test("an uncaught error in Node is printed with a few kilobytes of the script", async () => {
  const loads = { module: (path) => `import { VectorIndex } from ${path};`, commonjs: (path) => `const { VectorIndex } = require(${path});` };
  for (const [type, load] of Object.entries(loads)) {
    for (const entry of ["index", "worker"]) {
      const path = JSON.stringify(join(DIST, `${entry}.node.${type === "module" ? "js" : "cjs"}`));
      const program = `${load(path)} VectorIndex.memory({ dimensions: 3 }).then((index) => index.insert("none"));`;
      const { stderr } = await promisify(execFile)(process.execPath, [`--input-type=${type}`, "--eval", program]).catch((error) => error);
      assert.match(stderr, /INVALID_VECTOR/);
      assert.ok(stderr.length < 6000, `${type}, ${entry}: ${stderr.length} characters`);
    }
  }
});

test("scripts in one piece load no other script", async () => {
  for (const name of ["whole.browser.js", "worker-host.browser.js"]) {
    const text = await readFile(join(DIST, name), "utf8");
    assert.doesNotMatch(text, /\.browser\.js|\bfrom ?"/, name);
  }
});

test("the first shipped wasm file computes with SIMD", async () => {
  const text = await run(process.execPath, [join(PKG, "node_modules/binaryen/bin/wasm-dis"), "--enable-simd", join(DIST, "thermocline.wasm")]);
  for (const instruction of ["i32x4.dot_i16x8_s", "f32x4.mul", "f32x4.add", "v128.load"]) {
    assert.ok(text.split(instruction).length > 4, `${instruction}: expected in the kernels`);
  }
});

test("the glue's maker refuses output of a shape that it does not know", async () => {
  const generated = await readFile(join(PKG, "wasm/generated.js"), "utf8");
  assert.match(factoryFrom(generated), /^export default async function instantiate\(module\)/m);
  const changes = [
    (text) => text.replace("let wasmModule, wasmInstance, wasm;", "let wasm;"),
    (text) => text.replace("export class RawIndex {", "export class RawIndex{"),
    (text) => `import * as other from "./other.js";\n${text}`,
    (text) => text.replace("    wasm.__wbindgen_start();\n", "    wasm.__wbindgen_start();\n    wasm.other();\n"),
    (text) => text.replace("function __wbg_get_imports() {", "function imports() {"),
    (text) => `${text}export { other };\n`,
    (text) => text.replace("let WASM_VECTOR_LEN = 0;", "export let WASM_VECTOR_LEN = 0;"),
  ];
  for (const change of changes) {
    assert.notEqual(change(generated), generated, String(change));
    assert.throws(() => factoryFrom(change(generated)), /output has changed/, String(change));
  }
});

test("what the wasm files import of the glue has short names, and the glue the same ones", async () => {
  for (const [file, fewest] of [["thermocline.wasm", 10], ["thermocline-store.wasm", 10], ["thermocline-bulk.wasm", 0]]) {
    const imports = WebAssembly.Module.imports(await WebAssembly.compile(await readFile(join(DIST, file)))).filter(({ module }) => module !== FIRST);
    assert.ok(imports.length >= fewest);
    for (const { name } of imports) assert.match(name, /^i[0-9a-z]+$/);
  }
  const [wasm, glue] = await Promise.all(["generated_bg.wasm", "generated.js"].map((name) => readFile(join(PKG, "wasm", name))));
  const text = glue.toString();
  assert.match(withShortImports(wasm, text).glue, /\n        i0: function/);
  assert.throws(() => withShortImports(wasm, text.replace(/\n        (__wbg_\w+): function/, "\n        other: function")), /expected __wbg_\w+: once/);
});
