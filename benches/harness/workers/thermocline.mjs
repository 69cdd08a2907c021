// thermocline in Node, through its public npm package and nothing else.
import { readFileSync, writeFileSync } from "node:fs";
import { VectorIndex } from "./package.mjs";
import { Rows, numbersIn, runQueries, serve, timed } from "./serve.mjs";

let base, queries, set, index;

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function resident() {
  const { bytes, wasmMemoryBytes } = await index.stats();
  return { totalBytes: bytes.total, wasmMemoryBytes };
}

await serve({
  open(given) {
    set = { ...given, dimensions: Number(given.dimensions) };
    base = new Rows(given.base, set.dimensions);
    queries = new Rows(given.queries, set.dimensions);
  },
  async create({ seed }) {
    await index?.close();
    index = await VectorIndex.memory({
      dimensions: set.dimensions,
      metric: set.metric,
      quantization: set.quantization,
      m: Number(set.m),
      efConstruction: Number(set.efConstruction),
      ...(seed && { seed: Number(seed) }),
    });
  },
  // Rows from..to, or the rows whose numbers are in a file; a row's number is its id.
  async insert({ from, to, rows }) {
    const ids = rows ? numbersIn(rows) : Array.from({ length: to - from }, (_, i) => Number(from) + i);
    const vectors = rows ? base.gather(ids) : base.range(Number(from), Number(to));
    return timed(() => index.insertMany({ vectors, ids }));
  },
  search(given) {
    const options = { k: Number(given.k), ef: Number(given.ef) };
    return runQueries(queries, given, async (query, out, at) => {
      const hits = await index.search(query, options);
      for (let i = 0; i < hits.length; i++) out[at + i] = hits[i].id;
    });
  },
  async memory() {
    const { bytesPerVector, bytes, wasmMemoryBytes, simd, size } = await index.stats();
    return { residentBytes: wasmMemoryBytes, how: "wasm memory", bytesPerVector, bytes, size, simd };
  },
  async delete({ rows }) {
    const ids = numbersIn(rows);
    let deleted;
    const times = await timed(async () => (deleted = await index.deleteMany(ids)));
    return { ...times, deleted };
  },
  async compact({ sliceMs }) {
    let report;
    const times = await timed(async () => (report = await index.compact({ sliceMs: Number(sliceMs) })));
    return { ...times, report };
  },
  check: () => index.check(),
  async save({ path }) {
    let bytes;
    const times = await timed(async () => writeFileSync(path, (bytes = await index.export())));
    return { ...times, bytes: bytes.length };
  },
  async reopen({ path }) {
    await index?.close();
    return timed(async () => {
      index = await VectorIndex.import(readFileSync(path));
      await index.search(queries.row(0), { k: 10, ef: 64 });
    });
  },
  /** Searches that leave the event loop a turn between them, as an application's do: latencies, nothing else going on. */
  async calm(given) {
    const options = { k: Number(given.k), ef: Number(given.ef) };
    const latenciesMs = [];
    for (let i = 0; i < Number(given.count); i++) {
      const start = performance.now();
      await index.search(queries.row(i % queries.count), options);
      latenciesMs.push(performance.now() - start);
      await turn();
    }
    return { latenciesMs };
  },
  /** A compaction in slices, one search after every slice, and what is resident sampled as it goes. */
  async compactWhileSearching(given) {
    const options = { k: Number(given.k), ef: Number(given.ef) };
    const before = await resident();
    const latenciesMs = [];
    const gapsMs = [];
    const peak = { ...before };
    let report;
    const start = performance.now();
    const job = index.compact({ sliceMs: Number(given.sliceMs) }).then((done) => (report = done));
    for (let i = 0; !report; i++) {
      const begun = performance.now();
      await index.search(queries.row(i % queries.count), options);
      const searched = performance.now();
      latenciesMs.push(searched - begun);
      await turn();
      gapsMs.push(performance.now() - searched);
      const held = await resident();
      peak.totalBytes = Math.max(peak.totalBytes, held.totalBytes);
      peak.wasmMemoryBytes = Math.max(peak.wasmMemoryBytes, held.wasmMemoryBytes);
    }
    await job;
    return { wallMs: performance.now() - start, report, before, peak, after: await resident(), latenciesMs, gapsMs };
  },
});
