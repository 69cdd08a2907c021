// thermocline as a contender, only through the public interface of its package; the same in Node and in a page. Files
// are read and written by the callers, workers/thermocline and workers/thermocline-chromium.
import { runQueries } from "./queries.mjs";

/** `timed` runs work and returns its times; `turn` waits for one turn of the event loop. */
export class Subject {
  #index;

  constructor({ VectorIndex, timed, turn }) {
    Object.assign(this, { VectorIndex, timed, turn });
  }

  /** `base` and `queries` are Rows or similar. */
  open(set, base, queries) {
    Object.assign(this, { set, base, queries });
  }

  async create({ seed }) {
    await this.#index?.close();
    const { dimensions, metric, quantization, m, efConstruction } = this.set;
    this.#index = await this.VectorIndex.memory({
      dimensions, metric, quantization, m, efConstruction, ...(seed && { seed: Number(seed) }),
    });
  }

  /** Inserts rows from..to, or the rows of these numbers; a row's number is its id. */
  insert({ from, to, rows }) {
    const ids = rows ?? Array.from({ length: to - from }, (_, i) => from + i);
    const vectors = rows ? this.base.gather(rows) : this.base.range(from, to);
    return this.timed(() => this.#index.insertMany({ vectors, ids }));
  }

  search({ k, ef, mode, rerank, ...how }) {
    const options = { k, ef, ...(rerank === 0 && { rerank: false }) };
    if (mode === "batch") return this.#searchMany(options, how);
    return runQueries(this.queries, { k, ...how }, this.timed, async (query, out, at) => {
      const hits = await this.#index.search(query, options);
      for (let i = 0; i < hits.length; i++) out[at + i] = hits[i].id;
    });
  }

  /** Answers all queries in one call. */
  async #searchMany(options, { count = this.queries.count }) {
    const queries = this.queries.gather(Array.from({ length: count }, (_, i) => i % this.queries.count));
    const ids = new Int32Array(count * options.k).fill(-1);
    const times = await this.timed(async () => {
      const many = await this.#index.searchMany(queries, options);
      for (let i = 0; i < count; i++) ids.set(many.ids.slice(many.offsets[i], many.offsets[i + 1]), i * options.k);
    });
    return { ...times, count, ids };
  }

  async memory() {
    const { bytesPerVector, bytes, wasmMemoryBytes, simd, size } = await this.#index.stats();
    return { residentBytes: wasmMemoryBytes, how: "wasm memory", bytesPerVector, bytes, size, simd };
  }

  async delete(ids) {
    let deleted;
    const times = await this.timed(async () => (deleted = await this.#index.deleteMany(ids)));
    return { ...times, deleted };
  }

  async compact({ sliceMs, pack }) {
    let report;
    const times = await this.timed(async () => (report = await this.#index.compact({ sliceMs, pack: pack === 1 })));
    return { ...times, report };
  }

  check() {
    return this.#index.check();
  }

  /** `keep` stores the exported bytes. */
  async save(keep) {
    let bytes;
    const times = await this.timed(async () => keep((bytes = await this.#index.export())));
    return { ...times, bytes: bytes.length };
  }

  /** `take` returns the stored bytes. */
  async reopen(take) {
    await this.#index?.close();
    return this.timed(async () => {
      this.#index = await this.VectorIndex.import(take());
      await this.#index.search(this.queries.row(0), { k: 10, ef: 64 });
    });
  }

  /**
   * Measures latencies of searches with a turn of the event loop between them, as in an application, with nothing else
   * running.
   */
  async calm({ k, ef, count }) {
    const latenciesMs = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await this.#index.search(this.queries.row(i % this.queries.count), { k, ef });
      latenciesMs.push(performance.now() - start);
      await this.turn();
    }
    return { latenciesMs };
  }

  /** Compacts in slices, with one search after every slice, and samples the resident bytes. */
  async compactWhileSearching({ k, ef, sliceMs }) {
    const before = await this.#resident();
    const latenciesMs = [];
    const gapsMs = [];
    const peak = { ...before };
    let report;
    const start = performance.now();
    const job = this.#index.compact({ sliceMs }).then((done) => (report = done));
    for (let i = 0; !report; i++) {
      const begun = performance.now();
      await this.#index.search(this.queries.row(i % this.queries.count), { k, ef });
      const searched = performance.now();
      latenciesMs.push(searched - begun);
      await this.turn();
      gapsMs.push(performance.now() - searched);
      const held = await this.#resident();
      peak.totalBytes = Math.max(peak.totalBytes, held.totalBytes);
      peak.wasmMemoryBytes = Math.max(peak.wasmMemoryBytes, held.wasmMemoryBytes);
    }
    await job;
    return { wallMs: performance.now() - start, report, before, peak, after: await this.#resident(), latenciesMs, gapsMs };
  }

  async #resident() {
    const { bytes, wasmMemoryBytes } = await this.#index.stats();
    return { totalBytes: bytes.total, wasmMemoryBytes };
  }
}
