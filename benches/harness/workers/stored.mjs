// thermocline with a stored index, through its public npm package: the cost of opening, saving and cold records.
// Measurements that need a fresh start each get their own process, so that nothing is compiled or read in advance.
import { readFileSync, writeFileSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";
import { VectorIndex } from "./package.mjs";
import { CountingStore } from "./counting-store.mjs";
import { Random } from "../lib/random.mjs";
import { rowsIn, serve, timed } from "./serve.mjs";

const K = 10;
const EF = 64;
/** Number of rows inserted at a time, each with its payload. */
const ROWS = 10_000;
const TEXT = "A thermocline is the layer in a lake where warm water meets cold; ".repeat(16);

let set, queries;

/** About 100 bytes, like a title and a link. */
const payloadOf = (row) => ({ row, text: TEXT.slice(row % 60, (row % 60) + 80) });
const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

/** Returns the bytes that this process passed to the operating system for writing; NaN if unavailable. */
function written() {
  try {
    return Number(/^wchar: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))[1]);
  } catch {
    return NaN;
  }
}

async function using(path, options, use) {
  const index = await VectorIndex.open(path, options);
  try {
    return await use(index);
  } finally {
    await index.close();
  }
}

/** Queries serve as new records. */
const fresh = (number) => ({ id: set.rows + number, vector: queries.row(number % queries.count), payload: payloadOf(number) });
const searchOf = (number, options) => [queries.row(number % queries.count), { k: K, ef: EF, ...options }];

/** Resolves when all stored records that may be in memory are there. */
async function settled(index) {
  const cached = async () => (await index.stats()).bytes.coldCache;
  for (let before = -1, now = await cached(); now !== before; now = await cached()) {
    before = now;
    await turn(200);
  }
}

await serve({
  open(given) {
    const [rows, dimensions, m, efConstruction] = ["rows", "dimensions", "m", "efConstruction"].map((key) => Number(given[key]));
    set = { ...given, rows, dimensions, m, efConstruction };
    queries = rowsIn(given.queries, dimensions);
  },

  /** Creates a directory with all rows, each with a payload, and almost no log. */
  async build({ path }) {
    const base = rowsIn(set.base, set.dimensions);
    const { dimensions, metric, m, efConstruction } = set;
    return using(path, { dimensions, metric, m, efConstruction }, async (index) => {
      const times = await timed(async () => {
        for (let from = 0; from < base.count; from += ROWS) {
          const ids = Array.from({ length: Math.min(ROWS, base.count - from) }, (_, i) => from + i);
          await index.insertMany({ vectors: base.range(from, from + ids.length), ids, payloads: ids.map(payloadOf) });
        }
        // Makes a checkpoint of everything.
        await index.reload();
      });
      const { storedBytes, bytesPerVector, bytes } = await index.stats();
      return { ...times, storedBytes, bytesPerVector, residentBytes: bytes.total };
    });
  },

  /**
   * Measures from a process that has only loaded the package to the first answer. The index is left as by a killed
   * process.
   */
  async reopen({ path }) {
    let index;
    const times = await timed(async () => {
      index = await VectorIndex.open(path);
      await index.search(...searchOf(0));
    });
    return { ...times, logBytes: (await index.stats()).storedBytes.log };
  },

  /** Measures the bytes written by each of `count` inserts that are saved one by one. */
  saves: ({ path, from, count }) =>
    using(path, {}, async (index) => {
      const bytes = [];
      for (let i = 0; i < Number(count); i++) {
        const before = written();
        const { id, vector, payload } = fresh(Number(from) + i);
        await index.insertWithId(id, vector, payload);
        bytes.push(written() - before);
      }
      return { bytes };
    }),

  /** Measures the bytes written by a checkpoint after `count` inserts, and the bytes stored. */
  checkpoint: ({ path, from, count }) =>
    using(path, {}, async (index) => {
      const { storedBytes } = await index.stats();
      await index.insertMany(Array.from({ length: Number(count) }, (_, i) => fresh(Number(from) + i)));
      await index.flush();
      const before = written();
      // `reload` begins with a checkpoint and writes nothing else.
      const times = await timed(() => index.reload());
      return { ...times, bytes: written() - before, storedBytes: storedBytes.total };
    }),

  /**
   * Adds records until the log has `bytes` bytes, and leaves it for the next opening: no close, which might clear it.
   */
  async grow({ path, from, bytes }) {
    const index = await VectorIndex.open(path);
    let records = 0;
    while ((await index.stats()).storedBytes.log < Number(bytes)) {
      await index.insertMany(Array.from({ length: 20 }, () => fresh(Number(from) + records++)));
    }
    return { records, logBytes: (await index.stats()).storedBytes.log };
  },

  export: ({ path, to }) =>
    using(path, { mode: "readonly" }, async (index) => {
      const bytes = await index.export();
      writeFileSync(to, bytes);
      return { bytes: bytes.length };
    }),

  /**
   * Compares searches of the directory, with all records in blocks and all blocks in memory, with those of an index
   * with all records warm.
   */
  coldSearches: ({ path, file, rounds }) =>
    using(path, { mode: "readonly" }, async (cold) => {
      await settled(cold);
      const warm = await VectorIndex.import(readFileSync(file));
      const { bytes, cache } = await cold.stats();
      const misses = cache.misses;
      const latencies = async (index, include) => {
        const took = [];
        for (let i = 0; i < queries.count; i++) {
          const start = performance.now();
          await index.search(...searchOf(i, { include }));
          took.push(performance.now() - start);
        }
        return took.sort((a, b) => a - b)[took.length >> 1];
      };
      const measured = [];
      for (let round = 0; round <= Number(rounds); round++) {
        const warmMs = await latencies(warm, { payload: false });
        const coldMs = await latencies(cold, { payload: false });
        const withPayloadMs = await latencies(cold, { payload: true });
        // The first round includes compilation.
        if (round > 0) measured.push({ warmMs, coldMs, withPayloadMs });
      }
      await warm.close();
      return { rounds: measured, misses: (await cold.stats()).cache.misses - misses, bytes };
    }),

  /**
   * Measures how long reading a record by id takes if it is only in the directory and memory is mostly used for others.
   */
  coldReads: ({ path, count, maxBytes }) =>
    using(path, { mode: "readonly", maxBytes: Number(maxBytes) }, async (index) => {
      await settled(index);
      const missed = [];
      const misses = async () => (await index.stats()).cache.misses;
      for (let i = 0; i < Number(count); i++) {
        const id = (i * 7919) % set.rows;
        const before = await misses();
        const start = performance.now();
        await index.get(id);
        const ms = performance.now() - start;
        if ((await misses()) > before) missed.push(ms);
      }
      return { missedMs: missed };
    }),

  /** Counts the reads of each search in a newly opened index, with no records in memory. */
  async trips({ file, count }) {
    const store = new CountingStore();
    await (await VectorIndex.import(readFileSync(file), { name: "counted", store })).close();
    const asked = async (number, options) => {
      const index = await VectorIndex.open("counted", { store, mode: "readonly" });
      store.forget();
      await index.search(...searchOf(number, options));
      const { calls, keys } = store.reads;
      await index.close();
      return { calls, keys };
    };
    const searches = [];
    const payloads = [];
    for (let i = 0; i < Number(count); i++) {
      // Spread over all queries, since consecutive ones may be alike.
      const number = Math.floor((i * queries.count) / Number(count));
      searches.push(await asked(number));
      // Without reranking, only the records of the answer are read.
      payloads.push(await asked(number, { rerank: false }));
    }
    return { searches, payloads };
  },

  /**
   * Compacts `count` live records of about 1 KB mixed with as many deleted ones, `runs` times. Returns the slices by
   * phase.
   */
  async warmCompaction({ count, sliceMs, runs }) {
    const dimensions = 16;
    const live = Number(count);
    const vectors = rowsIn(set.base, dimensions).range(0, 2 * live);
    const ids = Array.from({ length: 2 * live }, (_, i) => i);
    const payloads = ids.map((row) => ({ row, text: TEXT.slice(0, 930) }));
    const deleted = new Random(3).shuffle([...ids]).slice(0, live);
    // The package reports each slice as a user timing.
    let timings = [];
    const observer = new PerformanceObserver((list) => void timings.push(...list.getEntries()));
    observer.observe({ entryTypes: ["measure"] });
    const all = [];
    for (let run = 0; run < Number(runs); run++) {
      const index = await VectorIndex.memory({ dimensions });
      await index.insertMany({ vectors, ids, payloads });
      await index.deleteMany(deleted);
      timings = [];
      const phases = ["graph"];
      const report = await index.compact({ sliceMs: Number(sliceMs), onProgress: ({ phase }) => phases.push(phase) });
      timings.push(...observer.takeRecords());
      const slices = timings.map(({ duration }, i) => ({ ms: duration, phase: phases[i] }));
      all.push({ report, slices });
      await index.close();
    }
    return { all };
  },
});
