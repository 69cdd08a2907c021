// hnswlib-wasm 0.8.2. Its file is built for browsers only and looks for a window, but asks for nothing that Node lacks until
// something is saved (that needs IndexedDB, so saving is not measured here). Unit vectors are given to its inner-product space: the same order as
// cosine, without normalizing anything again.
import { Rows, runQueries, serve, timed } from "./serve.mjs";

globalThis.window = globalThis;
globalThis.location ??= { href: import.meta.url };

const factory = (await import("../node_modules/hnswlib-wasm/dist/hnswlib-317962d7.js")).default;

let library, base, queries, set, index;

await serve({
  async open(given) {
    set = { ...given, rows: Number(given.rows), dimensions: Number(given.dimensions) };
    base = new Rows(given.base, set.dimensions);
    queries = new Rows(given.queries, set.dimensions);
    library = await factory();
  },
  create() {
    index?.delete();
    index = new library.HierarchicalNSW(set.metric === "l2" ? "l2" : "ip", set.dimensions, "");
    index.initIndex(set.rows, Number(set.m), Number(set.efConstruction), 100);
  },
  insert({ from, to }) {
    const labels = Array.from({ length: to - from }, (_, i) => Number(from) + i);
    const rows = labels.map((label) => base.row(label));
    return timed(() => index.addPoints(rows, labels, false));
  },
  search(given) {
    index.setEfSearch(Number(given.ef));
    const k = Number(given.k);
    return runQueries(queries, given, (query, out, at) => {
      out.set(index.searchKnn(query, k, undefined).neighbors, at);
    });
  },
  memory() {
    return { residentBytes: library.HEAP8.length, how: "wasm memory" };
  },
});
