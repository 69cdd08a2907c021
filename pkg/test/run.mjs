// Runs the package's tests against the packed tarball. Needs a built dist/ (npm run build).
//
//     node test/run.mjs [api] [store] [browser] [worker] [firefox] [threads] [packaging]        all but firefox and threads when none is named
//
// api: the interface, in Node, from a throw-away project. store: the stores of Node, and OPFS in a folder in memory, from their sources. browser: the
// interface's files in headless Chromium, what only a browser has, its stores, and "thermocline/whole" in a service worker. worker: the interface's files against
// "thermocline/worker" in Node, what it has of its own there, and both in headless Chromium. firefox: the interface's files in headless Firefox, which needs geckodriver. threads: "thermocline/threads" in Node and in headless Chromium,
// where the build has made it, and the interface's files that store nothing with it. packaging: what the tarball holds and weighs, what others
// read of its metrics, and the tarball in projects of every kind.
import { spawn } from "node:child_process";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onWorker } from "./support/on-worker.mjs";
import { filesThatStore, PKG, pack, project, remove, withoutStores } from "./support/project.mjs";

/** For one file of tests, which takes seconds: one that hangs must say so. */
const TIMEOUT_MS = 240_000;
/** For all of the interface's files in one. */
const FIREFOX_TIMEOUT_MS = 900_000;
const SUITES = ["api", "store", "browser", "worker", "firefox", "threads", "packaging"];
const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !SUITES.includes(name));
if (unknown.length) throw new Error(`expected suites out of ${SUITES.join(", ")}, got ${unknown.join(", ")}`);
const wanted = chosen.length ? chosen : SUITES.filter((name) => !["firefox", "threads"].includes(name));

let failed = false;
if (wanted.includes("api")) failed = !(await api()) || failed;
if (wanted.includes("store")) failed = !(await nodeTest(PKG, await stores())) || failed;
if (wanted.includes("browser")) failed = !(await nodeTest(PKG, ["test/browser.test.mjs", "test/store.browser.test.mjs", "test/service-worker.test.mjs"])) || failed;
if (wanted.includes("worker")) {
  failed = !(await apiOnWorker()) || failed;
  failed = !(await nodeTest(PKG, ["test/worker.test.mjs"])) || failed;
}
if (wanted.includes("firefox")) failed = !(await nodeTest(PKG, ["test/firefox.test.mjs"], FIREFOX_TIMEOUT_MS)) || failed;
if (wanted.includes("threads")) failed = !(await threads()) || failed;
if (wanted.includes("packaging")) failed = !(await nodeTest(PKG, ["test/shipped.test.mjs", "test/split.test.mjs", "test/simd.test.mjs", "test/metrics.test.mjs", "test/packaging.test.mjs"])) || failed;
process.exitCode = failed ? 1 : 0;

/** What `run` gives of a project with the interface's tests that knows nothing but the tarball. */
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

/** The interface's tests, and what only Node has. */
function api() {
  return inProject(async (at) => {
    for (const name of await readdir(join(PKG, "test/node"))) await cp(join(PKG, "test/node", name), join(at, name));
    const files = (await readdir(at)).filter((name) => /\.test\.[cm]js$/.test(name));
    const storing = await filesThatStore(at, files);
    const stored = await nodeTest(at, storing);
    // Whatever stores nothing must do without the files of those that do.
    await withoutStores(at);
    return (await nodeTest(at, files.filter((name) => !storing.includes(name)))) && stored;
  });
}

/** "thermocline/threads" by itself, and the interface's tests of indexes in memory, for which "thermocline" is that entry. */
async function threads() {
  const own = await nodeTest(PKG, ["test/threads.test.mjs", "test/threads-life.test.mjs"]);
  return inProject(async (at) => {
    const files = (await readdir(at)).filter((name) => name.endsWith(".test.mjs"));
    const storing = await filesThatStore(at, files);
    const manifest = join(at, "node_modules/thermocline/package.json");
    const { exports, ...rest } = JSON.parse(await readFile(manifest, "utf8"));
    await writeFile(manifest, JSON.stringify({ ...rest, exports: { ...exports, ".": exports["./threads"] } }));
    return (await nodeTest(at, files.filter((name) => !storing.includes(name)))) && own;
  });
}

/** The same against "thermocline/worker", with the tests of what that has of its own. */
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
