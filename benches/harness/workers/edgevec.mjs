// edgevec 0.9.0. What it needs to be measured at its best:
// - unit vectors under l2: its cosine and dot rank the least similar first (on unit vectors l2 has the order of cosine);
// - `initSync` with the bytes of its wasm: its `init()` fetches, which fails in Node on a file URL;
// - its search width is fixed when an index is made. Building one index per width would take hours, and asking for `ef`
//   results would charge it for making them, so the width is written to the place in its memory that holds it.
// It cannot read its own snapshot, so neither saving nor reopening is measured.
import { readFileSync } from "node:fs";
import { Rows, runQueries, serve, timed } from "./serve.mjs";

const home = new URL("../node_modules/edgevec/", import.meta.url);
const { initSync, EdgeVec, EdgeVecConfig } = await import(new URL("edgevec.js", home).href);

/** A width that nobody asks for, by which the configuration is found in memory. */
const MARK = 61_237;

let memory, base, queries, set, index, width;

function places() {
  const words = new Uint32Array(memory.buffer);
  const pattern = [Number(set.m), 2 * set.m, Number(set.efConstruction), width, set.dimensions];
  const found = [];
  for (let at = words.indexOf(width); at >= 0; at = words.indexOf(width, at + 1)) {
    if (pattern.every((value, i) => words[at - 3 + i] === value)) found.push(at);
  }
  return found;
}

function setWidth(ef) {
  const found = places();
  if (found.length === 0) throw new Error("the search width was not found in edgevec's memory");
  const words = new Uint32Array(memory.buffer);
  for (const at of found) words[at] = ef;
  width = ef;
}

await serve({
  open(given) {
    set = { ...given, rows: Number(given.rows), dimensions: Number(given.dimensions) };
    base = new Rows(given.base, set.dimensions);
    queries = new Rows(given.queries, set.dimensions);
    memory = initSync({ module: readFileSync(new URL("edgevec_bg.wasm", home)) }).memory;
  },
  create() {
    index?.free();
    const config = new EdgeVecConfig(set.dimensions);
    config.metric = "l2";
    config.m = Number(set.m);
    config.m0 = 2 * set.m;
    config.ef_construction = Number(set.efConstruction);
    config.ef_search = width = MARK;
    index = new EdgeVec(config);
  },
  insert({ from, to }) {
    const start = Number(from);
    return timed(() => {
      for (let i = start; i < to; i++) {
        // Its ids count up from 1, so id - 1 is the row.
        const id = index.insert(base.row(i));
        if (id !== i + 1) throw new Error(`edgevec gave row ${i} the id ${id}`);
      }
    });
  },
  search(given) {
    setWidth(Number(given.ef));
    const k = Number(given.k);
    return runQueries(queries, given, (query, out, at) => {
      const hits = index.search(query, k);
      for (let i = 0; i < hits.length; i++) out[at + i] = hits[i].id - 1;
    });
  },
  memory() {
    return { residentBytes: memory.buffer.byteLength, how: "wasm memory" };
  },
});
