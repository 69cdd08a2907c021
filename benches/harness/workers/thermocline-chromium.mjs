// thermocline in a page of headless Chromium. This process passes commands on to the page, where workers/subject
// answers them as in Node, and reads and writes the files. The browser's processes are its children, so they are pinned
// as it is. The CPU time is that of all their threads, as counted by Linux.
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, basename } from "node:path";
import { HARNESS, PACKAGE } from "../lib/paths.mjs";
import { keepIds, numbersIn, serve } from "./serve.mjs";

const PAGE = '<!doctype html><title>bench</title><script type="module" src="/workers/page.mjs"></script>';
/** With these headers a page's clock ticks every 5 us instead of every 100. */
const ISOLATED = { "content-type": "text/html", "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

const folder = mkdtempSync(join(tmpdir(), "thermocline-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

let page;

async function start(given) {
  const { launch } = await import(join(PACKAGE, "test/support/chromium.mjs"));
  const { serve: serveFolder } = await import(join(PACKAGE, "test/support/server.mjs"));
  symlinkSync(join(PACKAGE, "dist"), join(folder, "dist"));
  symlinkSync(join(HARNESS, "workers"), join(folder, "workers"));
  symlinkSync(dirname(given.base), join(folder, "data"));
  const server = await serveFolder(folder);
  // The browser ends with this process.
  page = await (await launch()).newPage();
  page.setDefaultTimeout(0);
  await page.route(`${server.url}/`, (route) => route.fulfill({ body: PAGE, headers: ISOLATED }));
  await page.goto(server.url);
  await page.waitForFunction(() => globalThis.command);
}

/** Passes a command on to the page. If the answer has a wall time, adds the CPU time of the browser. */
async function ask(verb, given = {}) {
  const before = cpuOfChildren();
  const answer = await page.evaluate(([verb, given]) => globalThis.command(verb, given), [verb, given]);
  return answer && "wallMs" in answer ? { ...answer, cpuMs: cpuOfChildren() - before } : answer;
}

/** Returns the CPU milliseconds of all processes below this one, without threads that have ended. */
function cpuOfChildren() {
  const parents = new Map();
  for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const stat = read(`/proc/${id}/stat`);
    // The name is in parentheses and may contain anything; the parent is the second word after it.
    if (stat) parents.set(id, stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  }
  const ours = (id) => id !== undefined && (id === String(process.pid) || ours(parents.get(id)));
  let sum = 0;
  for (const [id, parent] of parents) {
    if (!ours(parent)) continue;
    for (const task of list(`/proc/${id}/task`)) sum += Number(read(`/proc/${id}/task/${task}/schedstat`).split(" ")[0] || 0);
  }
  return sum / 1e6;
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(path) {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

await serve({
  async open(given) {
    await start(given);
    const url = (path) => `/data/${basename(path)}`;
    await ask("open", { ...given, base: url(given.base), queries: url(given.queries) });
  },
  use: ({ queries }) => ask("use", { queries: `/data/${basename(queries)}` }),
  create: (given) => ask("create", given),
  insert: ({ rows, ...range }) => ask("insert", { ...range, rows: rows && numbersIn(rows) }),
  async search({ ids, ...how }) {
    const answer = await ask("search", { ...how, wanted: Boolean(ids) });
    return keepIds(ids, { ...answer, ids: answer.ids && Int32Array.from(answer.ids) });
  },
  memory: () => ask("memory"),
  delete: ({ rows }) => ask("delete", { rows: numbersIn(rows) }),
  compact: (given) => ask("compact", given),
  check: () => ask("check"),
});
