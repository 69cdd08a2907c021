// The page's side of workers/thermocline-chromium: commands arrive through `globalThis.command`.
import { VectorIndex } from "/dist/index.browser.js";
import { Rows } from "./queries.mjs";
import { Subject } from "./subject.mjs";

async function timed(work) {
  const start = performance.now();
  await work();
  return { wallMs: performance.now() - start };
}

async function rowsAt(url, dimensions) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return new Rows(new Float32Array(await response.arrayBuffer()), dimensions);
}

const turn = () => new Promise((resolve) => setTimeout(resolve));
const subject = new Subject({ VectorIndex, timed, turn });

const commands = {
  open: async (given) => subject.open(given, await rowsAt(given.base, given.dimensions), await rowsAt(given.queries, given.dimensions)),
  use: async ({ queries }) => void (subject.queries = await rowsAt(queries, subject.set.dimensions)),
  create: (given) => subject.create(given),
  insert: (given) => subject.insert(given),
  async search({ wanted, ...how }) {
    const { ids, ...answer } = await subject.search(how);
    return { ...answer, ...(wanted && { ids: [...ids] }) };
  },
  memory: () => subject.memory(),
  delete: ({ rows }) => subject.delete(rows),
  compact: (given) => subject.compact(given),
  check: () => subject.check(),
};

globalThis.command = (verb, given) => commands[verb](given);
