// Installs and runs the tarball in throw-away projects of every supported kind.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";
import * as esbuild from "esbuild";
import { build, createServer, preview } from "vite";
import webpack from "webpack";
import { EXPECTED } from "../packaging/scenario.mjs";
import { resultOf } from "./support/chromium.mjs";
import { PKG, remove, run } from "./support/project.mjs";
import { serve } from "./support/server.mjs";
import { shared } from "./support/shared.mjs";

/** The files that esbuild does not find by itself, as pkg/README.md says. */
const BESIDE = ["thermocline.wasm", "thermocline-store.wasm", "thermocline-bulk.wasm", "worker-host.browser.js"];
const own = shared();
let tarball;
let browser;

before(async () => {
  tarball = await own.tarball();
  browser = await own.browser();
});

async function made(name, type) {
  const folder = await own.project(join(PKG, "packaging", name), tarball, type);
  for (const file of ["page.js", "scenario.mjs"]) await cp(join(PKG, "packaging", file), join(folder, file));
  return folder;
}

/** Returns the result of the page of a folder. */
async function seenIn(folder, types) {
  const server = await serve(folder, types);
  try {
    return await resultOf(browser, server.url);
  } finally {
    await server.stop();
  }
}

test("Node, ES modules", async () => {
  const cwd = await made("node-esm");
  assert.deepEqual(JSON.parse(await run(process.execPath, ["main.mjs"], { cwd })), EXPECTED);
});

test("Node, CommonJS", async () => {
  const cwd = await made("node-cjs", "commonjs");
  assert.deepEqual(JSON.parse(await run(process.execPath, ["main.cjs"], { cwd })), EXPECTED);
});

test("in Node thermocline/whole is thermocline", async () => {
  const cwd = await made("node-esm");
  const [esm, cjs] = [
    `import * as whole from "thermocline/whole"; import * as usual from "thermocline"; console.log(whole === usual);`,
    `console.log(require("thermocline/whole") === require("thermocline"));`,
  ];
  assert.equal(await run(process.execPath, ["--input-type=module", "--eval", esm], { cwd }), "true\n");
  assert.equal(await run(process.execPath, ["--input-type=commonjs", "--eval", cjs], { cwd }), "true\n");
});

test("the README's examples run and print what they say", async () => {
  const readme = await readFile(join(PKG, "../README.md"), "utf8");
  const example = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, block]) => block).join("");
  const promised = [...example.matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)].map(([, printed]) => printed);
  assert.ok(promised.length > 0);
  const cwd = await made("node-esm");
  await writeFile(join(cwd, "readme.mjs"), example);
  assert.deepEqual((await run(process.execPath, ["readme.mjs"], { cwd })).trimEnd().split("\n"), promised);
});

test("the examples of the package's README run", async (t) => {
  const readme = await readFile(join(PKG, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, block]) => block.replaceAll("\n  ", "\n"));
  /** Returns the example that contains this text. */
  const example = (text) => blocks.find((block) => block.includes(text)) ?? assert.fail(`no example has ${text}`);
  const cwd = await made("node-esm");
  const printed = async (text, ending) => {
    const names = `
      const flat = (count) => Float32Array.from({ length: count * 384 }, (_, i) => Math.sin(i * 1.7 + (i % 384) ** 2));
      const [embedding, query, queries, vectors] = [flat(1), flat(1), flat(3), flat(20)];
      const ids = Array.from({ length: 20 }, (_, i) => "id " + i);
      const rows = ids.map((id, i) => ({ id, vector: vectors.slice(i * 384, (i + 1) * 384) }));
    `;
    await writeFile(join(cwd, "example.mjs"), `${names}${text}${ending}`);
    return JSON.parse((await run(process.execPath, ["example.mjs"], { cwd, timeout: 30_000 })).trimEnd().split("\n").at(-1));
  };
  const first = `stop(); const again = await VectorIndex.open("notes"); console.log(JSON.stringify([hits.length, again.size, copy.size]));`;
  assert.deepEqual(await printed(example('open("notes", { dimensions: 384 });\nawait index.insertWithId("doc-1"'), first), [10, 20, 20]);
  const locked = `
    const writer = await openNotes();
    const reader = await openNotes();
    const changed = await Promise.all([writer, reader].map((index) => index.insert(embedding).then(() => "in", ({ code }) => code)));
    await reader.reload();
    console.log(JSON.stringify([changed, reader.size]));
  `;
  assert.deepEqual(await printed(`import { VectorIndex } from "thermocline";\n${example("function openNotes()")}`, locked), [["in", "READ_ONLY"], 21]);
  const worker = `await index.insert(embedding); console.log(JSON.stringify(index.size)); await index.close();`;
  assert.equal(await printed(example('from "thermocline/worker"'), worker), 22);
  if (!(await readdir(join(PKG, "dist"))).includes("threads.node.js")) return t.diagnostic("without threads, which were not built");
  assert.deepEqual(await printed(example('from "thermocline/threads"'), "console.log(JSON.stringify(idsOfFirst.length));"), 10);
});

test("TypeScript, strict, as Node and as a bundler resolve it", async () => {
  const cwd = await made("typescript");
  const tsc = join(PKG, "node_modules/typescript/bin/tsc");
  await run(process.execPath, [tsc, "--project", "tsconfig.json"], { cwd });
  await run(process.execPath, [tsc, "--project", "tsconfig.bundler.json"], { cwd });
});

test("Vite's dev server, without a configuration", async () => {
  const root = await made("vite");
  const server = await createServer({ root, configFile: false, logLevel: "warn", server: { port: 0, host: "127.0.0.1" } });
  try {
    await server.listen();
    assert.deepEqual(await resultOf(browser, server.resolvedUrls.local[0]), EXPECTED);
  } finally {
    await server.close();
  }
});

test("Vite's build and preview, without a configuration", async () => {
  const root = await made("vite");
  await build({ root, configFile: false, logLevel: "warn" });
  const assets = await readdir(join(root, "dist/assets"));
  assert.equal(assets.filter((file) => /^worker-host\.browser-[\w-]+\.js$/.test(file)).length, 1, `the worker's script in ${assets}`);
  for (const name of [/^thermocline-(?!store-|bulk-)[\w-]+\.wasm$/, /^thermocline-store-[\w-]+\.wasm$/, /^thermocline-bulk-[\w-]+\.wasm$/]) {
    assert.equal(assets.filter((file) => name.test(file)).length, 1, `${name} in ${assets}`);
  }
  const server = await preview({ root, configFile: false, logLevel: "warn", preview: { port: 0, host: "127.0.0.1" } });
  try {
    assert.deepEqual(await resultOf(browser, server.resolvedUrls.local[0]), EXPECTED);
  } finally {
    await server.close();
  }
});

test("webpack's build, without a configuration", async () => {
  const context = await made("webpack");
  const stats = await promisify(webpack)({ context, entry: "./page.js", mode: "production", output: { path: join(context, "built") } });
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
  assert.deepEqual(errors, []);
  // By default it warns about any file over 244 KiB before compression.
  for (const { message } of warnings) assert.match(message, /^asset size limit: .*\n.*\nAssets: \n {2}\w+\.wasm .*$/);
  const built = await readdir(join(context, "built"));
  assert.equal(built.filter((file) => file.endsWith(".wasm")).length, 3, `the wasm files in ${built}`);
  await remove(join(context, "node_modules"));
  assert.deepEqual(await seenIn(context), EXPECTED);
});

for (const splitting of [false, true]) {
  test(`esbuild, with the package's other files beside its output, ${splitting ? "in several scripts" : "in one script"}`, async () => {
    const folder = await made("esbuild");
    const outdir = join(folder, "built");
    const { errors, warnings } = await esbuild.build({ entryPoints: [join(folder, "page.js")], bundle: true, format: "esm", splitting, outdir, logLevel: "silent" });
    assert.deepEqual([errors, warnings], [[], []]);
    for (const name of BESIDE) await cp(join(folder, "node_modules/thermocline/dist", name), join(outdir, name));
    await remove(join(folder, "node_modules"));
    assert.deepEqual(await seenIn(folder), EXPECTED);
  });
}

test("esbuild, with the wasm files in the script, as the README says", async () => {
  const folder = await made("esbuild");
  const readme = await readFile(join(PKG, "README.md"), "utf8");
  const [, script, command] = /Or embed the wasm files[^]*?```js\n([^]*?)```\n\n```sh\nnpx esbuild (.*)\n```/.exec(readme);
  await writeFile(join(folder, "main.js"), `
    ${script}
    import * as thermocline from "thermocline";
    import * as worker from "thermocline/worker";
    import { scenario } from "./scenario.mjs";
    worker.locateWasm((file) => files[file]);
    scenario(thermocline, worker).then((seen) => (globalThis.result = seen), (error) => (globalThis.result = String(error.stack)));
  `);
  await run(join(PKG, "node_modules/.bin/esbuild"), command.split(" "), { cwd: folder });
  // The browser of this test has the function; others lack it, and need one that stands in for it.
  assert.doesNotMatch(await readFile(join(folder, "public/main.js"), "utf8"), /fromBase64\(/);
  await mkdir(join(folder, "built"));
  await cp(join(folder, "public/main.js"), join(folder, "built/page.js"));
  await cp(join(folder, "node_modules/thermocline/dist/worker-host.browser.js"), join(folder, "built/worker-host.browser.js"));
  await remove(join(folder, "node_modules"));
  assert.deepEqual(await seenIn(folder), EXPECTED);
});

test("esbuild, as scripts that are no ES modules: locateWasm says where the files are, and without it the error does", async () => {
  const folder = await made("esbuild");
  const dist = join(folder, "node_modules/thermocline/dist");
  const bundled = async (entry, locate, options) => {
    await writeFile(join(folder, "page.js"), `
      import { locateWasm, VectorIndex } from ${JSON.stringify(entry)};
      ${locate}
      const made = VectorIndex.memory({ dimensions: 3 }).then(async (index) => "id " + (await index.insert([1, 2, 3])));
      made.catch((error) => error.code + " " + error.message).then((seen) => (typeof document === "object" ? (globalThis.result = seen) : console.log(seen)));
    `);
    await esbuild.build({ entryPoints: [join(folder, "page.js")], bundle: true, outdir: join(folder, "built"), logLevel: "silent", ...options });
  };
  const missing = /^NOT_FOUND .*no import\.meta\.url: use locateWasm/;
  const hasThreads = existsSync(join(dist, "thermocline-threads.wasm"));
  for (const entry of ["thermocline", ...(hasThreads ? ["thermocline/threads"] : [])]) {
    const inNode = async (locate) => {
      await bundled(entry, locate, { format: "cjs", platform: "node", outExtension: { ".js": ".cjs" } });
      return run(process.execPath, [join(folder, "built/page.cjs")]);
    };
    assert.equal(await inNode(`locateWasm((file) => ${JSON.stringify(dist)} + "/" + file);`), "id 0\n", entry);
    assert.match(await inNode(""), missing, entry);
  }
  for (const entry of ["thermocline", "thermocline/whole"]) {
    const inPage = async (locate) => {
      await bundled(entry, locate, { format: "iife" });
      return seenIn(folder);
    };
    assert.equal(await inPage('locateWasm((file) => "node_modules/thermocline/dist/" + file);'), "id 0", entry);
    assert.match(await inPage(""), missing, entry);
  }
});

test("a page without a bundler", async () => {
  assert.deepEqual(await seenIn(await made("plain")), EXPECTED);
});

test("a page whose server gives the wasm file a wrong MIME type", async () => {
  assert.deepEqual(await seenIn(await made("plain"), { ".wasm": "application/octet-stream" }), EXPECTED);
});

test("a page whose wasm file is missing, or is a page itself, says so", async () => {
  const folder = await made("plain");
  const wasm = join(folder, "node_modules/thermocline/dist/thermocline.wasm");
  const server = await serve(folder);
  try {
    await cp(join(folder, "index.html"), wasm);
    // Served as wasm, so that the engine itself rejects it while streaming.
    assert.match(await resultOf(browser, server.url), /ThermoclineError: .*thermocline\.wasm could not be loaded/);
    await remove(wasm);
    assert.match(await resultOf(browser, server.url), /ThermoclineError: .*got HTTP status 404/);
  } finally {
    await server.stop();
  }
  const fallback = await made("plain");
  await cp(join(fallback, "index.html"), join(fallback, "node_modules/thermocline/dist/thermocline.wasm"));
  const other = await serve(fallback, { ".wasm": "text/html" });
  try {
    assert.match(await resultOf(browser, other.url), /ThermoclineError: .*expected WebAssembly, got \d+ bytes/);
  } finally {
    await other.stop();
  }
});

test("a page without the wasm file of stores says so when it stores something", async () => {
  const folder = await made("plain");
  await rm(join(folder, "node_modules/thermocline/dist/thermocline-store.wasm"));
  const server = await serve(folder);
  try {
    assert.match(await resultOf(browser, server.url), /ThermoclineError: .*expected thermocline-store\.wasm, got HTTP status 404/);
  } finally {
    await server.stop();
  }
});

test("scripts that a dev server moved into its cache without the wasm file, as Vite 5 to 7 do", async () => {
  const folder = await made("plain");
  const modules = join(folder, "node_modules");
  for (const name of ["shared.browser.js", "index.browser.js", "stored.browser.js", "filter.browser.js", "worker.browser.js"]) await cp(join(modules, "thermocline/dist", name), join(modules, ".vite/deps", name));
  // Such a server answers with a page if a file is missing.
  for (const name of ["thermocline.wasm", "thermocline-store.wasm"]) await cp(join(folder, "index.html"), join(modules, ".vite/deps", name));
  await writeFile(join(folder, "index.html"), (await readFile(join(folder, "index.html"), "utf8")).replaceAll("thermocline/dist/", ".vite/deps/"));
  const server = await serve(folder, { ".wasm": undefined });
  try {
    assert.deepEqual(await resultOf(browser, server.url), EXPECTED);
  } finally {
    await server.stop();
  }
});
