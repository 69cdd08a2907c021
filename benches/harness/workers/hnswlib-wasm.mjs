// hnswlib-wasm 0.8.2. It is built only for browsers and looks for a window, but needs nothing that Node lacks except
// for saving (that needs IndexedDB, so saving is not measured here). Unit vectors in its inner-product space order like
// cosine, without normalizing again.
import { runQueries } from "./queries.mjs";
import { FileRows, keepIds, numbersIn, rowsIn, serve, timed } from "./serve.mjs";

globalThis.window = globalThis;
globalThis.location ??= { href: import.meta.url };

const factory = (await import("../node_modules/hnswlib-wasm/dist/hnswlib-317962d7.js")).default;

let library, base, queries, set, index;

await serve({
  async open(given) {
    set = given;
    base = new FileRows(given.base, set.dimensions);
    queries = rowsIn(given.queries, set.dimensions);
    library = await factory();
  },
  use(given) {
    queries = rowsIn(given.queries, set.dimensions);
  },
  create() {
    index?.delete();
    index = new library.HierarchicalNSW(set.metric === "l2" ? "l2" : "ip", set.dimensions, "");
    index.initIndex(set.rows, set.m, set.efConstruction, 100);
  },
  insert({ from, to }) {
    const labels = Array.from({ length: to - from }, (_, i) => from + i);
    const flat = base.range(from, to);
    const rows = labels.map((_, i) => flat.subarray(i * set.dimensions, (i + 1) * set.dimensions));
    return timed(() => index.addPoints(rows, labels, false));
  },
  async search({ ids, ef, ...how }) {
    index.setEfSearch(ef);
    return keepIds(ids, await runQueries(queries, how, timed, (query, out, at) => {
      out.set(index.searchKnn(query, how.k, undefined).neighbors, at);
    }));
  },
  delete({ rows }) {
    const labels = numbersIn(rows);
    return timed(() => index.markDeleteItems(labels));
  },
  memory() {
    return { residentBytes: library.HEAP8.length, how: "wasm memory" };
  },
});
