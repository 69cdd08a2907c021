// Runs the package's tests against the packed tarball. Needs a built dist/ (npm run build).
//
//     node test/run.mjs [api] [store] [browser] [worker] [firefox] [webkit] [threads] [packaging]
//
// Without names, runs all but firefox, webkit and threads.
//
// - api: the interface's tests, in Node, in a throw-away project.
// - store: the stores of Node, and OPFS on a folder in memory, from their sources.
// - browser: the interface's tests in headless Chromium, tests of what only a browser has, pages closed
//   while they write, its stores, and "thermocline/whole" in a service worker.
// - worker: the interface's tests against "thermocline/worker" in Node, tests of its additional features there, and
//   both in headless Chromium.
// - firefox: the interface's tests in headless Firefox, which needs geckodriver.
// - webkit: the same in WebKit, the engine of Safari, on a display in memory (Xvfb). WEBKIT is the path of MiniBrowser.
// - threads: "thermocline/threads" in Node and in headless Chromium, if it has been built, and the interface's tests
//   with it, but for those of stores and of bulk builds.
// - packaging: the content and size of the tarball, its metrics as read by others, and the tarball in projects of every
//   kind.
import { spawn } from "node:child_process";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onWorker } from "./support/on-worker.mjs";
import { filesThatStore, PKG, pack, project, remove, withoutStores } from "./support/project.mjs";

/** For one test file, which normally takes seconds: a hanging one must be reported. */
const TIMEOUT_MS = 240_000;
/** For all of the interface's files together, in a browser. */
const BROWSER_TIMEOUT_MS = 900_000;
/** What each suite runs. The functions resolve to whether all tests have passed. */
const SUITES = {
  api,
  store: async () => nodeTest(PKG, await stores()),
  browser: () => nodeTest(PKG, filesOf("browser", "closed-pages", "store.browser", "service-worker")),
  async worker() {
    const passed = await apiOnWorker();
    return (await nodeTest(PKG, filesOf("worker"))) && passed;
  },
  firefox: () => nodeTest(PKG, filesOf("firefox"), BROWSER_TIMEOUT_MS),
  webkit: () => nodeTest(PKG, filesOf("webkit"), BROWSER_TIMEOUT_MS),
  threads,
  packaging: () => nodeTest(PKG, filesOf("shipped", "split", "simd", "metrics", "packaging")),
};
const NAMES = Object.keys(SUITES);
const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !NAMES.includes(name));
if (unknown.length) throw new Error(`expected suites out of ${NAMES.join(", ")}, got ${unknown.join(", ")}`);
const wanted = chosen.length ? chosen : NAMES.filter((name) => !["firefox", "webkit", "threads"].includes(name));

let failed = false;
for (const name of NAMES.filter((name) => wanted.includes(name))) {
  if (!(await SUITES[name]())) failed = true;
}
process.exitCode = failed ? 1 : 0;

function filesOf(...names) {
  return names.map((name) => `test/${name}.test.mjs`);
}

/** Returns the result of `run` in a project with the interface's tests and only the tarball. */
async function inProject(run) {
  const { tarball, folder } = await pack();
  const at = await project(join(PKG, "test/api"), tarball);
  try {
    return await run(at);
  } finally {
    await remove(at);
    await remove(folder);
  }
}

/** The interface's tests, and those of what only Node has. */
function api() {
  return inProject(async (at) => {
    for (const name of await readdir(join(PKG, "test/node"))) await cp(join(PKG, "test/node", name), join(at, name), { force: false, errorOnExist: true });
    const files = (await readdir(at)).filter((name) => /\.test\.[cm]js$/.test(name));
    const storing = await filesThatStore(at, files);
    const stored = await nodeTest(at, storing);
    // Tests that store nothing must work without the files needed only for storing.
    await withoutStores(at);
    return (await nodeTest(at, files.filter((name) => !storing.includes(name)))) && stored;
  });
}

/**
 * The tests of "thermocline/threads", and the interface's tests of indexes in memory with that entry in place of
 * "thermocline".
 */
async function threads() {
  const own = await nodeTest(PKG, ["test/threads.test.mjs", "test/threads-life.test.mjs"]);
  return inProject(async (at) => {
    // Threads insert many rows in another way, without a bulk build.
    const files = (await readdir(at)).filter((name) => name.endsWith(".test.mjs") && name !== "bulk.test.mjs");
    const storing = await filesThatStore(at, files);
    const manifest = join(at, "node_modules/thermocline/package.json");
    const { exports, ...rest } = JSON.parse(await readFile(manifest, "utf8"));
    await writeFile(manifest, JSON.stringify({ ...rest, exports: { ...exports, ".": exports["./threads"] } }));
    return (await nodeTest(at, files.filter((name) => !storing.includes(name)))) && own;
  });
}

/** The interface's tests against "thermocline/worker", with the tests of its additional features. */
function apiOnWorker() {
  return inProject(async (at) => {
    await onWorker(at);
    return nodeTest(at, (await readdir(at)).filter((name) => name.endsWith(".test.mjs")));
  });
}

async function stores() {
  return (await readdir(join(PKG, "test/store"))).filter((name) => name.endsWith(".test.mjs")).map((name) => `test/store/${name}`);
}

function nodeTest(cwd, files, timeoutMs = TIMEOUT_MS) {
  const env = { ...process.env, THERMOCLINE_FIXTURES: join(PKG, "../tests/fixtures/v1") };
  const child = spawn(process.execPath, ["--test", "--test-reporter=spec", `--test-timeout=${timeoutMs}`, ...files], { cwd, env, stdio: "inherit" });
  return new Promise((resolve) => child.on("exit", (code) => resolve(code === 0)));
}
