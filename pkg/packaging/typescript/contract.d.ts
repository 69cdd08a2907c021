// The interface that the package promises. The package may have more; main.ts makes the compiler check that it has no
// less.

/** A caller's key. A number is a non-negative safe integer; a string is non-empty. Never changed by any operation. */
export type Id = number | string;

/** One vector. Finite values only (else INVALID_VECTOR, as for an all-zero vector under cosine, which has no direction);
 *  length must equal `dimensions`. It is copied: the caller keeps its array. */
export type Vector = Float32Array | readonly number[];

/** What a record carries beside its vector: JSON-able data, or raw bytes. Returned as it was given. */
export type Payload = Uint8Array | { readonly [key: string]: unknown } | readonly unknown[] | string | number | boolean | null;

/** Smaller is closer, always. cosine: 1 - cos, in [0, 2]. l2: squared Euclidean, as in hnswlib and faiss. dot: -<a, b>. */
export type Metric = "cosine" | "l2" | "dot";

/** How the codes that search walks over are stored. none: f32. int8: 1 byte a dimension. binary: RaBitQ, 1 bit a
 *  dimension (plus the rerank record). product: trained PQ. Bytes per vector are in `stats().bytesPerVector`. */
export type Quantization = "none" | "int8" | "binary" | "product";

export interface IndexOptions {
  dimensions: number;                 // 1 to 8192; fixed for the life of the index
  metric?: Metric;                    // default "cosine"
  quantization?: Quantization;        // default "int8"
  m?: number;                         // links per node above level 0 (2m at level 0); default 16; 4 to 64
  efConstruction?: number;            // default 200
  ef?: number;                        // default search width when a search gives none; default 64
  seed?: number;                      // level draws; same input, order and seed: the same index, and with int8 codes the same bytes on every platform
  compactionThreshold?: number;       // tombstone ratio above which needsCompaction is true; default 0.3; clamped to [0.01, 0.99]
  maxBytes?: number;                  // memory budget: records beyond it are demoted to the cold tier (needs a store); default none
}

export interface OpenOptions extends Partial<IndexOptions> {
  // `dimensions` is needed to create; on an existing index a differing dimensions, metric or quantization is an error
  store?: "indexeddb" | "opfs" | "fs" | Store;  // default: "indexeddb" in browsers, "fs" in Node (name is then a directory's path)
  durability?: "strict" | "relaxed";  // what "acknowledged" waits for: flushed to the medium, or handed to the platform. Default "relaxed"
  mode?: "readwrite" | "readonly";    // a second writer on the same name gets ThermoclineError LOCKED
  signal?: AbortSignal;
}

export interface Row { id?: Id; vector: Vector; payload?: Payload; ttlMs?: number }
export interface InsertOptions { ttlMs?: number }             // expired records are never returned, whether swept or not
export interface Progress { done: number; total: number; phase: string }
export interface LongOptions { signal?: AbortSignal; onProgress?: (p: Progress) => void }

export interface SearchOptions {
  k?: number;                         // default 10; fewer hits only when fewer live records match
  ef?: number;                        // search width; raised to k when smaller
  filter?: Filter | ((id: Id) => boolean);
  rerank?: boolean;                   // order the result by full-precision distances; default true unless quantization is "none"
  include?: { payload?: boolean; vector?: boolean };          // default { payload: true, vector: false }
  signal?: AbortSignal;
}
export interface Hit { id: Id; distance: number; payload?: Payload; vector?: Float32Array }

/** MongoDB-style predicate over payload fields: { lang: "en", year: { $gte: 1990 }, $or: [...], tags: { $in: [...] } }. */
export type Filter = { readonly [field: string]: unknown };

export interface CompactOptions extends LongOptions {
  sliceMs?: number;                   // longest time the caller's thread is held at once; default 4
  erase?: boolean;                    // also overwrite every byte of deleted records, in memory and in the store
}
export interface CompactionReport {
  tombstonesRemoved: number;
  newSize: number;                    // live records
  reclaimedBytes: { graph: number; codes: number; warm: number; cold: number; total: number };
  slices: number; longestSliceMs: number; durationMs: number;
}

export interface Stats {
  size: number; deletedCount: number; tombstoneRatio: number;
  bytes: { codes: number; graph: number; ids: number; warm: number; coldCache: number; total: number };  // resident
  storedBytes: { segments: number; cold: number; log: number; total: number };                            // in the store
  reclaimableBytes: number; bytesPerVector: number;
  cache: { hits: number; misses: number; hitRate: number };
  wasmMemoryBytes: number; simd: "scalar" | "simd128" | "relaxed-simd";
  lastCompaction?: CompactionReport;
}
/** Proof of structure: every live record reachable from the entry point, links in bounds and never to a free slot, ids bijective. */
export interface CheckReport { ok: boolean; live: number; reachable: number; problems: string[] }

export class VectorIndex implements AsyncDisposable {
  static memory(options: IndexOptions): Promise<VectorIndex>;                       // nothing is stored
  static open(name: string, options?: OpenOptions): Promise<VectorIndex>;           // create or reopen
  static import(bytes: Uint8Array, options?: OpenOptions & { name?: string }): Promise<VectorIndex>;
  static destroy(name: string, options?: Pick<OpenOptions, "store">): Promise<void>;

  insert(vector: Vector, payload?: Payload, options?: InsertOptions): Promise<number>;
  insertWithId(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id>;   // DUPLICATE_ID if live
  upsert(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id>;
  insertMany(rows: Iterable<Row> | AsyncIterable<Row> | { vectors: Float32Array; ids?: readonly Id[]; payloads?: readonly Payload[] },
             options?: LongOptions & { upsert?: boolean }): Promise<Id[]>;           // flat vectors: row-major
  search(query: Vector, options?: SearchOptions): Promise<Hit[]>;
  get(id: Id): Promise<{ id: Id; vector: Float32Array; payload?: Payload } | undefined>;
  has(id: Id): Promise<boolean>;
  delete(id: Id): Promise<boolean>;                                                  // false when it was not there
  deleteMany(ids: Iterable<Id>): Promise<number>;
  clear(): Promise<void>;

  readonly size: number;              // live records
  readonly deletedCount: number;      // tombstones
  readonly dimensions: number;
  readonly metric: Metric;
  readonly needsCompaction: boolean;
  compactionThreshold: number;        // set: clamped to [0.01, 0.99]
  compact(options?: CompactOptions): Promise<CompactionReport>;
  compactWhenIdle(options?: { sliceMs?: number; onReport?: (r: CompactionReport) => void }): () => void;  // returns stop()
  maintain(deadline: { timeRemaining(): number }): boolean;    // one slice for a caller's own scheduler; true while work remains

  stats(): Promise<Stats>;
  metrics(): Promise<string>;         // OpenMetrics text
  check(): Promise<CheckReport>;
  flush(): Promise<void>;             // everything so far is in the store
  export(): Promise<Uint8Array>;      // the portable byte format
  reload(): Promise<{ returnedBytes: number }>;               // moves into a fresh wasm instance: the page gets freed memory back
  close(options?: { timeoutMs?: number }): Promise<void>;     // flushes; default 5000; any later call is ThermoclineError CLOSED
  [Symbol.asyncDispose](): Promise<void>;
}

/** Any place for bytes: keys in, bytes out; a commit is all or nothing. */
export interface Store {
  read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  commit(batch: { puts: readonly [string, Uint8Array][]; deletes: readonly string[] }): Promise<void>;
  append?(key: string, bytes: Uint8Array): Promise<void>;   // durable like a commit; without it the log is written as small values
  list(prefix: string): Promise<string[]>;
  close(): Promise<void>;
}

export class ThermoclineError extends Error {
  readonly code:
    | "DIMENSION_MISMATCH" | "INVALID_VECTOR" | "INVALID_ID" | "DUPLICATE_ID" | "INVALID_OPTION" | "INVALID_FILTER"
    | "NOT_FOUND" | "CLOSED" | "LOCKED" | "READ_ONLY" | "CORRUPT" | "UNSUPPORTED_VERSION" | "QUOTA_EXCEEDED"
    | "OUT_OF_MEMORY" | "ABORTED" | "STORE_FAILED" | "UNTRAINED";
}
