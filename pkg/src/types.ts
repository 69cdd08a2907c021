// The public types of the package: shapes, units, ranges. Nothing here exists at run time.
import type { Durability, Mode, Store } from "./store.js";

/** A caller's key: a non-negative safe integer, or a string of 1 to 4096 bytes of UTF-8. No operation ever changes it. */
export type Id = number | string;

/**
 * One vector: exactly `dimensions` finite numbers, stored as 32-bit floats. It is copied, so the caller keeps its array.
 * Another length is DIMENSION_MISMATCH; a value that is not finite, or nothing but zeros under cosine (which has no
 * direction), is INVALID_VECTOR.
 */
export type Vector = Float32Array | readonly number[];

/**
 * What a record carries beside its vector: anything JSON can carry, or raw bytes; it comes back as it was given. What
 * JSON would lose (functions, symbols, bigints, cycles, NaN, maps, regular expressions, errors, typed arrays inside an object) is
 * INVALID_OPTION. As in JSON, members that are undefined are left out, -0 is 0, an object with a `toJSON` (a Date) is what that gives, and one
 * of a class of your own, unless it has a tag (`Symbol.toStringTag`), is its members.
 */
export type Payload = Uint8Array | { readonly [key: string]: unknown } | readonly unknown[] | string | number | boolean | null;

/** Smaller is closer, always. cosine: 1 - cos, in [0, 2]. l2: squared Euclidean distance. dot: the negated inner product. */
export type Metric = "cosine" | "l2" | "dot";

/** How the codes that a search walks over are stored: none: 4 bytes a dimension; int8: 1; binary: an eighth and 16, which needs a wider `ef` for the same recall; product: 64 for each 384 dimensions begun, likewise, and a search is UNTRAINED until there are 1,024 records. */
export type Quantization = "none" | "int8" | "binary" | "product";

/** What an index is made of. Every value out of its range is INVALID_OPTION. */
export interface IndexOptions {
  /** Length of every vector, 1 to 8192; fixed for the life of the index. */
  dimensions: number;
  /** What "near" means. Default "cosine". */
  metric?: Metric;
  /** Codes for the search. Default "int8". */
  quantization?: Quantization;
  /** Links per node above level 0, twice as many on level 0; 4 to 64. Default 16. */
  m?: number;
  /** Candidates considered when a record is linked, 8 to 4096: more is slower to build and better to search. Default 200. */
  efConstruction?: number;
  /** Search width for searches that give none, 1 to 10,000. Default 64. */
  ef?: number;
  /** Seeds the level draws, 0 to 2^53 - 1: the same input in the same order with the same seed is the same index. */
  seed?: number;
  /** Share of tombstones above which `needsCompaction` is true; clamped to [0.01, 0.99]. Default 0.3. */
  compactionThreshold?: number;
  /**
   * Memory that an index in a store may take, in bytes: full vectors and payloads beyond it stay in the store, and are read when
   * they are needed. What is always held, codes, links and ids, must fit: an insert that does not is OUT_OF_MEMORY. It is not
   * stored, so each opening says it anew. INVALID_OPTION for an index in memory. Default: none.
   */
  maxBytes?: number;
}

/**
 * Options of `open`, and of `import` with a name. What an existing index already fixes (dimensions, metric, quantization, m)
 * may be repeated, not changed; `dimensions` are needed to make one.
 */
export interface OpenOptions extends Partial<IndexOptions> {
  /**
   * Where the index is kept. "indexeddb", the default in browsers, and "opfs", the private file system there; "fs" in Node, a
   * directory whose path is the name; or a Store of your own, which nothing else should use, and which is closed with the index.
   */
  store?: "indexeddb" | "opfs" | "fs" | Store;
  /**
   * What a change waits for. "relaxed", the default: the platform has it, and it outlives the process. "strict": it is on the
   * medium, and outlives the machine's loss of power; INVALID_OPTION with "opfs", which cannot wait for that. A Store of your
   * own decides for itself.
   */
  durability?: Durability;
  /** "readwrite", the default, is for one at a time: the next is LOCKED. "readonly" sees what was stored when it was opened. */
  mode?: Mode;
  /**
   * Gives up with ABORTED, at the next step, and gives back what was held. When the place does not answer, after a quarter of a second,
   * and what was held is given back once it does.
   */
  signal?: AbortSignal;
}

/** One record for `insertMany`. Without an `id` it gets the next number never used. */
export interface Row {
  id?: Id;
  vector: Vector;
  payload?: Payload;
  /** It expires when so many milliseconds have passed: see `InsertOptions`. */
  ttlMs?: number;
}

/** Many records at once, without an object for each. */
export interface FlatRows {
  /** Row-major: `count * dimensions` values. */
  vectors: Float32Array;
  /** One for each vector; without it each gets the next number never used. */
  ids?: readonly Id[];
  /** One for each vector; `undefined` in a place means no payload there. */
  payloads?: readonly (Payload | undefined)[];
}

/** Options of `insert`, `insertWithId` and `upsert`. */
export interface InsertOptions {
  /**
   * A finite number of milliseconds above 0, after which the record is as one that was deleted: nothing returns it any more, also
   * not when the index was closed meanwhile. Not given: it never expires.
   */
  ttlMs?: number;
}

/** How far a long call has come. `done` never exceeds `total`; for an async source `total` is what has come so far. */
export interface Progress {
  done: number;
  total: number;
  phase: string;
}

/** What every long call takes. */
export interface LongOptions {
  /** Ends the call with ABORTED after the slice that is running; the index stays whole. */
  signal?: AbortSignal;
  /** Called between slices, and when all is done. What it throws rejects the call, and the index stays whole. */
  onProgress?: (progress: Progress) => void;
}

/** Options of `insertMany`. */
export interface InsertManyOptions extends LongOptions {
  /** Replace records whose id is live, instead of DUPLICATE_ID. Default false. */
  upsert?: boolean;
}

/** Options of `search`. */
export interface SearchOptions {
  /** How many hits, 1 to 10,000; fewer come back only when fewer live records match. Default 10. */
  k?: number;
  /** Search width, 1 to 10,000: more is slower and finds more of the true neighbours. Raised to `k` when smaller. Default: the index's own. */
  ef?: number;
  /**
   * Only records for whose id this returns true: it must be synchronous and must not use the index. Or only those whose payloads match an
   * object, which is to stay as it is until the search has ended.
   */
  filter?: Filter | ((id: Id) => boolean);
  /** Order the hits by full-precision distance. Default true, unless quantization is "none". */
  rerank?: boolean;
  /** What a hit carries. Default `{ payload: true, vector: false }`. */
  include?: { payload?: boolean; vector?: boolean };
  /** Ends the search with ABORTED: before it begins, or while it waits for its store, or between looks at payloads. */
  signal?: AbortSignal;
}

/** One answer. `vector` is a copy of its own. */
export interface Hit {
  id: Id;
  distance: number;
  payload?: Payload;
  vector?: Float32Array;
}

/** Options of `searchMany`: `filter` and `include` are of `search` only, and INVALID_OPTION here. */
export interface SearchManyOptions extends LongOptions {
  /** As of `search`. */
  k?: number;
  /** As of `search`. */
  ef?: number;
  /** As of `search`. */
  rerank?: boolean;
}

/** The answers to many queries. Those to query `i` are at `offsets[i]` to `offsets[i + 1]`, nearest first. */
export interface ManyHits {
  /** One more than there are queries. */
  offsets: Uint32Array;
  ids: Id[];
  distances: Float32Array;
}

/** One record, as `get` returns it. `vector` is a copy of its own. */
export interface StoredRecord {
  id: Id;
  vector: Float32Array;
  payload?: Payload;
}

/**
 * Conditions on payload fields, all of which must hold, as in MongoDB's queries: `{ lang: "en", year: { $gte: 1990 }, "author.name": { $in: names } }`.
 * A field is a path with dots; a value of JSON means that one (its members in any order), an array has it if it is that or an element is, and null is also what is
 * missing. Operators of a field: $eq, $ne, $gt, $gte, $lt, $lte (numbers or strings), $in, $nin, $all, $exists, $size, $elemMatch, $not,
 * $regex with $options, which must come from somebody you trust, as it may run for ever; and where fields stand $and, $or, $nor. Anything else
 * is INVALID_FILTER, which says where. A payload that is no object has no fields; `{}` matches every record. One whose block of the store is damaged matches nothing else.
 *
 * There is no index of payloads: a record is looked at when a search first comes by, some microseconds each, in slices of 8 ms, and read
 * if it is in the store only. What the filter said of it is remembered until the record changes, for the last 8 filters (a
 * filter is the same when its JSON is), so the same question costs little the next time: some 40 bytes for each record that was looked at, some
 * 90 where ids are strings.
 */
export type Filter = { readonly [field: string]: unknown };

/** Options of `compact`. */
export interface CompactOptions extends LongOptions {
  /** Longest time in milliseconds that the thread is held at once; greater than 0. Default 4. */
  sliceMs?: number;
  /**
   * Afterwards no byte of a record that was deleted or replaced before this call is left in the index's memory or in its store: vector, code,
   * payload and id. It takes as long as a compaction, writing what has changed and `reload` together, and as much memory as that.
   *
   * A call that fails has erased some or nothing. It reaches no further than the index: what the medium or the system keeps of
   * files that are gone, a browser's database of values that are, and a JavaScript engine of objects that nobody has any more, is theirs.
   */
  erase?: boolean;
  /**
   * Also puts the index in graph order: records that are near each other come to lie side by side in memory, and searches wait less for it:
   * a twentieth less among 100,000 records, a third less among a million. For after an index has been built. It takes about a fifteenth of
   * what building it took, in slices like all of a compaction; meanwhile codes and links take up to an eighth more, or
   * those of 1,024 records: OUT_OF_MEMORY where `maxBytes` leaves no room for that. What searches find stays as it is, but for which of
   * equally distant records come first. In a store, the next checkpoint writes codes and links of every record.
   */
  pack?: boolean;
}

/** What a compaction did. Nothing to do reports zeros. */
export interface CompactionReport {
  tombstonesRemoved: number;
  /** Live records afterwards. */
  newSize: number;
  /** Bytes really freed or free for reuse, by part. */
  reclaimedBytes: { graph: number; codes: number; warm: number; cold: number; total: number };
  slices: number;
  longestSliceMs: number;
  durationMs: number;
}

/** True numbers about an index. Bytes are what is really held. */
export interface Stats {
  size: number;
  deletedCount: number;
  /** Records that searches score one by one, because opening has found them in logs and they are not linked into the graph yet. */
  pending: number;
  /** Tombstones as a share of all slots in use, 0 to 1. */
  tombstoneRatio: number;
  /** Resident bytes, by part. */
  bytes: { codes: number; graph: number; ids: number; warm: number; coldCache: number; total: number };
  /** Bytes in the store, by part; zeros for an index that has none. `coldRaw` is what `cold` unpacks to, and not part of the total. */
  storedBytes: { segments: number; cold: number; coldRaw: number; log: number; total: number };
  /** What a compaction could give back. */
  reclaimableBytes: number;
  bytesPerVector: number;
  cache: { hits: number; misses: number; hitRate: number };
  /** Size of this index's WebAssembly memory; it grows and never shrinks while the index is open. */
  wasmMemoryBytes: number;
  /** How new blocks of records are packed in the store: what paid best when all were tried on some of them. */
  codec: "none" | "lz4" | "deflate" | "deflate-more";
  simd: "scalar" | "simd128" | "relaxed-simd";
  lastCompaction?: CompactionReport;
}

/** Proof of structure: every live record reachable (what is `pending` counts as that), links in bounds and never to a free slot, ids one to one. */
export interface CheckReport {
  ok: boolean;
  live: number;
  reachable: number;
  problems: string[];
}
