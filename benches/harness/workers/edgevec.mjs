// edgevec 0.9.0. For its best results it needs:
// - unit vectors under l2: its cosine and dot rank the least similar first (on unit vectors, l2 orders like cosine);
// - `initSync` with the bytes of its wasm: its `init()` fetches, which fails in Node on a file URL;
// - a search width written into its memory, since the width is fixed when an index is created: building one index per
//   width would take hours, and requesting `ef` results would include the cost of producing them. It cannot read its
//   own snapshot, so neither saving nor reopening is measured.
import { readFileSync } from "node:fs";
import { runQueries } from "./queries.mjs";
import { FileRows, keepIds, numbersIn, rowsIn, serve, timed } from "./serve.mjs";

const home = new URL("../node_modules/edgevec/", import.meta.url);
const { initSync, EdgeVec, EdgeVecConfig } = await import(new URL("edgevec.js", home).href);

/** An unusual width by which the configuration is found in memory. */
const MARK = 61_237;

let memory, base, queries, set, index, width;

function places() {
  const words = new Uint32Array(memory.buffer);
  const pattern = [set.m, 2 * set.m, set.efConstruction, width, set.dimensions];
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
    set = given;
    base = new FileRows(given.base, set.dimensions);
    queries = rowsIn(given.queries, set.dimensions);
    memory = initSync({ module: readFileSync(new URL("edgevec_bg.wasm", home)) }).memory;
  },
  use(given) {
    queries = rowsIn(given.queries, set.dimensions);
  },
  create() {
    index?.free();
    const config = new EdgeVecConfig(set.dimensions);
    config.metric = "l2";
    config.m = set.m;
    config.m0 = 2 * set.m;
    config.ef_construction = set.efConstruction;
    config.ef_search = width = MARK;
    index = new EdgeVec(config);
  },
  insert({ from, to }) {
    const flat = base.range(from, to);
    return timed(() => {
      for (let i = from; i < to; i++) {
        // Its ids count up from 1, so id - 1 is the row.
        const id = index.insert(flat.subarray((i - from) * set.dimensions, (i - from + 1) * set.dimensions));
        if (id !== i + 1) throw new Error(`edgevec gave row ${i} the id ${id}`);
      }
    });
  },
  async search({ ids, ef, ...how }) {
    setWidth(ef);
    return keepIds(ids, await runQueries(queries, how, timed, (query, out, at) => {
      const hits = index.search(query, how.k);
      for (let i = 0; i < hits.length; i++) out[at + i] = hits[i].id - 1;
    }));
  },
  delete({ rows }) {
    const numbers = numbersIn(rows);
    return timed(() => numbers.forEach((row) => index.softDelete(row + 1)));
  },
  // It renumbers every record, so later results cannot be compared.
  compact() {
    return timed(() => index.compact());
  },
  memory() {
    return { residentBytes: memory.buffer.byteLength, how: "wasm memory" };
  },
});
