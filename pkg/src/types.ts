// The public types of the package: shapes, units, ranges. Nothing here exists at run time.
import type { Durability, Mode, Store } from "./store.js";

/**
 * A caller's key: a non-negative safe integer, or a string of 1 to 4096 bytes of UTF-8. No operation ever changes it.
 */
export type Id = number | string;

/**
 * One vector: exactly `dimensions` finite numbers, stored as 32-bit floats. It is copied: the caller keeps its array.
 *
 * Another length is DIMENSION_MISMATCH. A value that is not finite is INVALID_VECTOR. So is a vector of zeros under
 * cosine, because it has no direction.
 */
export type Vector = Float32Array | readonly number[];

/**
 * What a record carries beside its vector: a value that JSON can carry, or raw bytes. It comes back as it was given.
 *
 * A value that JSON would lose is INVALID_OPTION: functions, symbols, bigints, cycles, NaN, infinities, maps, regular
 * expressions, errors, typed arrays inside an object, and objects with a tag of their own (`Symbol.toStringTag`).
 *
 * JSON's rules apply to the rest. Members that are undefined are left out, and -0 becomes 0. An object with a `toJSON`
 * method, such as a Date, becomes what that method returns. An instance of your own class becomes a plain object with
 * the same members.
 */
export type Payload = Uint8Array | { readonly [key: string]: unknown } | readonly unknown[] | string | number | boolean | null;

/**
 * How the distance of two vectors is computed. A smaller distance is always closer.
 *
 * - `cosine`: 1 - cos, in [0, 2].
 * - `l2`: the squared Euclidean distance.
 * - `dot`: the negated inner product.
 */
export type Metric = "cosine" | "l2" | "dot";

/**
 * How vectors are encoded for the walk over the graph. Codes are always in memory.
 *
 * - `none`: 4 bytes for each dimension.
 * - `int8`: 1 byte for each dimension.
 * - `binary`: 1/8 byte for each dimension, and 16 bytes. Needs a larger `ef` for the same recall.
 * - `product`: 64 bytes for each 384 dimensions or part of them. Needs a larger `ef` for the same recall. A search is
 *   UNTRAINED until the index has 1,024 records.
 */
export type Quantization = "none" | "int8" | "binary" | "product";

/** Options of a new index. A value out of its range is INVALID_OPTION. */
export interface IndexOptions {
  /** Length of every vector, 1 to 8192. Fixed for the life of the index. */
  dimensions: number;
  /** How distances are computed. Default "cosine". */
  metric?: Metric;
  /** How vectors are encoded for the search. Default "int8". */
  quantization?: Quantization;
  /** Links of a node on each level above 0, 4 to 64. A node has twice as many on level 0. Default 16. */
  m?: number;
  /**
   * Candidates considered when a record is linked into the graph, 8 to 4096. A larger value makes inserts slower and
   * searches better. Default 200.
   */
  efConstruction?: number;
  /** Search width of searches that do not give their own, 1 to 10,000. Default 64. */
  ef?: number;
  /**
   * Seed of the random levels, 0 to 2^53 - 1. The same records, inserted in the same order with the same seed, make the
   * same index.
   */
  seed?: number;
  /** Share of tombstones above which `needsCompaction` is true. Clamped to [0.01, 0.99]. Default 0.3. */
  compactionThreshold?: number;
  /**
   * Memory that an index in a store may use, in bytes. Full vectors and payloads beyond it stay in the store and are
   * read when a call needs them. Codes, links and ids are always in memory: an insert for which they would not fit is
   * OUT_OF_MEMORY.
   *
   * The value is not stored, so give it at each opening. INVALID_OPTION for an index in memory. Default: no limit.
   */
  maxBytes?: number;
}

/**
 * Options of `open`, and of `import` with a name. `dimensions` is required to make a new index. For an existing index
 * `dimensions`, `metric`, `quantization` and `m` may be repeated but not changed.
 */
export interface OpenOptions extends Partial<IndexOptions> {
  /**
   * Where the index is stored. Browsers have "indexeddb" (the default) and "opfs", the origin private file system. Node
   * has "fs": a directory whose path is the name of the index.
   *
   * It may also be a Store of your own. Nothing else should use that Store, and it is closed with the index.
   */
  store?: "indexeddb" | "opfs" | "fs" | Store;
  /**
   * What a change waits for before its promise resolves.
   *
   * - "relaxed", the default: the platform has the change, which outlives the process.
   * - "strict": the change is on the medium and outlives a loss of power. INVALID_OPTION with "opfs", which has no way
   *   to wait for the medium.
   *
   * A Store of your own decides for itself.
   */
  durability?: Durability;
  /**
   * "readwrite", the default, is for one index at a time: opening another is LOCKED. "readonly" sees what was stored
   * when it was opened.
   */
  mode?: Mode;
  /**
   * Ends the opening with ABORTED at its next step, and releases what it had locked. When the store does not answer,
   * the call ends a quarter of a second after the signal, and the lock is released once the store does answer.
   */
  signal?: AbortSignal;
}

/** One record for `insertMany`. Without an `id` it gets the next number that was never used. */
export interface Row {
  id?: Id;
  vector: Vector;
  payload?: Payload;
  /** Milliseconds after which the record expires; see `InsertOptions`. */
  ttlMs?: number;
}

/** Many records for `insertMany`, without an object for each. */
export interface FlatRows {
  /** The vectors one after the other: `count * dimensions` values. */
  vectors: Float32Array;
  /** One id for each vector. Without it each record gets the next number that was never used. */
  ids?: readonly Id[];
  /** One payload for each vector; `undefined` for a record without a payload. */
  payloads?: readonly (Payload | undefined)[];
}

/** Options of `insert`, `insertWithId` and `upsert`. */
export interface InsertOptions {
  /**
   * Milliseconds after which the record expires: a finite number above 0. An expired record counts as deleted, and no
   * call returns it. The time also passes while the index is closed. Default: the record never expires.
   */
  ttlMs?: number;
}

/**
 * How far a long call has come. `done` never exceeds `total`. For an async source of rows, `total` is the number of
 * rows that have arrived so far.
 */
export interface Progress {
  done: number;
  total: number;
  /** What the call is at: "insert", "search", or of a compaction "graph", "move" (of what is left to the front), "warm". */
  phase: string;
}

/** Options that every long call has. */
export interface LongOptions {
  /** Ends the call with ABORTED after the slice that is running. The index stays consistent. */
  signal?: AbortSignal;
  /** Called between slices, and at the end. An error that it throws rejects the call. The index stays consistent. */
  onProgress?: (progress: Progress) => void;
}

/** Options of `insertMany`. */
export interface InsertManyOptions extends LongOptions {
  /**
   * Replaces the record that has the id of a row. Without it, a row whose id is live is DUPLICATE_ID. Default false.
   */
  upsert?: boolean;
}

/** Options of `search`. */
export interface SearchOptions {
  /** Number of hits, 1 to 10,000. Fewer come back only when fewer live records match. Default 10. */
  k?: number;
  /**
   * Search width, 1 to 10,000. A larger value is slower and finds more of the true neighbours. Raised to `k` when it is
   * smaller. Default: the `ef` of the index.
   */
  ef?: number;
  /**
   * Which records may be hits. A function is given an id and returns true or false; it must be synchronous and must not
   * use the index. An object is matched against payloads (see `Filter`); do not change it before the search has ended.
   */
  filter?: Filter | ((id: Id) => boolean);
  /** Orders the hits by full-precision distance. Default true, unless the quantization is "none". */
  rerank?: boolean;
  /** What a hit has besides its id and distance. Default `{ payload: true, vector: false }`. */
  include?: { payload?: boolean; vector?: boolean };
  /**
   * Ends the search with ABORTED: before it begins, while it waits for the store, or while it looks at payloads for a
   * filter.
   */
  signal?: AbortSignal;
}

/** One answer of a search. `vector` is a copy. */
export interface Hit {
  id: Id;
  distance: number;
  payload?: Payload;
  vector?: Float32Array;
}

/** Options of `searchMany`. `filter` and `include` are INVALID_OPTION here: only `search` has them. */
export interface SearchManyOptions extends LongOptions {
  /** Number of hits for each query, 1 to 10,000. Fewer come back only when fewer live records match. Default 10. */
  k?: number;
  /**
   * Search width, 1 to 10,000. A larger value is slower and finds more of the true neighbours. Raised to `k` when it is
   * smaller. Default: the `ef` of the index.
   */
  ef?: number;
  /** Orders the hits by full-precision distance. Default true, unless the quantization is "none". */
  rerank?: boolean;
  /**
   * As in `search`: a function that gets an id and returns true to keep it, or conditions on payloads. It holds for all
   * queries.
   */
  filter?: Filter | ((id: Id) => boolean);
}

/**
 * The answers to many queries. The hits of query `i` are at the positions `offsets[i]` up to but not including
 * `offsets[i + 1]` of `ids` and `distances`, nearest first.
 */
export interface ManyHits {
  /** One number more than there are queries. */
  offsets: Uint32Array;
  ids: Id[];
  distances: Float32Array;
}

/** One record, as `get` returns it. `vector` is a copy. */
export interface StoredRecord {
  id: Id;
  vector: Float32Array;
  payload?: Payload;
}

/**
 * Conditions on payload fields, all of which must hold, as in MongoDB's queries:
 * `{ lang: "en", year: { $gte: 1990 }, "author.name": { $in: names } }`.
 *
 * A field is a path whose parts are joined by dots. A condition is a JSON value or an object of operators.
 *
 * - A JSON value matches an equal value, whatever the order of an object's members. A field that holds an array matches
 *   when the array or one of its elements does. null also matches a field that is missing.
 * - Operators of a field: $eq, $ne, $gt, $gte, $lt, $lte (numbers or strings), $in, $nin, $all, $exists, $size,
 *   $elemMatch, $not, and $regex with $options. Take a $regex only from a source that you trust: it may run for ever.
 * - In the place of a field: $and, $or, $nor.
 *
 * Anything else is INVALID_FILTER, and the message says where it is. A payload that is not an object has no fields.
 * `{}` matches every record. A record whose block in the store is damaged matches no other filter.
 *
 * Payloads are not indexed. A search looks at a record's payload when it first comes across the record, and reads it if
 * it is only in the store. Looking takes some microseconds a record, in slices of 8 ms. The answer is remembered until
 * the record changes, for the last 8 filters, so that the same question costs little the next time. Two filters are the
 * same when their JSON is. Remembering takes some 40 bytes for each record that was looked at, or some 90 where ids are
 * strings.
 */
export type Filter = { readonly [field: string]: unknown };

/** Options of `compact`. */
export interface CompactOptions extends LongOptions {
  /** Longest time that the call holds the thread at once, in milliseconds; above 0. Default 4. */
  sliceMs?: number;
  /**
   * Erases every record that was deleted or replaced before this call: afterwards no byte of its vector, code, payload
   * and id is left in the index's memory or in its store. It takes as long, and as much memory, as
   * a compaction, writing all changes to the store and a `reload` together.
   *
   * A call that fails has erased some of it, or nothing. It cannot reach copies outside the index: what the medium or
   * the system keeps of removed files, a browser's database of removed values, and a JavaScript engine of objects that
   * are no longer used.
   */
  erase?: boolean;
  /**
   * Also puts the index in graph order: records that are near each other come to lie side by side in memory, so that
   * searches wait less for memory. They take a twentieth less time among 100,000 records, and a third less among a
   * million. Use it once after an index has been built.
   *
   * It takes about a fifteenth of the time that building took, in slices like the rest of a compaction. Meanwhile codes
   * and links take up to an eighth more memory, or that of 1,024 records more: OUT_OF_MEMORY where `maxBytes` leaves no
   * room for it. Searches find the same records as before, but equally distant ones may come in another order. In a
   * store, the next checkpoint writes the codes and links of every record.
   */
  pack?: boolean;
}

/** What a compaction did. All numbers of removed and reclaimed things are 0 when there was nothing to do. */
export interface CompactionReport {
  tombstonesRemoved: number;
  /** Number of live records afterwards. */
  newSize: number;
  /** Bytes that were freed, or that are free for reuse, by part. */
  reclaimedBytes: { graph: number; codes: number; warm: number; cold: number; total: number };
  slices: number;
  /** The longest time that a slice has held the thread. */
  longestSliceMs: number;
  /** From the start of the compaction to its end, what ran between its slices included. */
  durationMs: number;
}

/** Counts and bytes of an index, as they really are. Bytes are what is really held. */
export interface Stats {
  size: number;
  deletedCount: number;
  /**
   * Records that are not linked into the graph yet: opening has read them from the log, or they came while others
   * waited or while "product" codes were being trained. Searches score them one by one.
   */
  pending: number;
  /** Tombstones as a share of all slots in use, 0 to 1. */
  tombstoneRatio: number;
  /** Bytes in memory, by part. Buffers of searches are in `graph`. */
  bytes: { codes: number; graph: number; ids: number; warm: number; coldCache: number; total: number };
  /**
   * Bytes in the store, by part; zeros for an index in memory. `coldRaw` is the size of `cold` when it is decompressed,
   * and is not part of the total.
   */
  storedBytes: { segments: number; cold: number; coldRaw: number; log: number; total: number };
  /** Bytes that a compaction could reclaim. */
  reclaimableBytes: number;
  /** Bytes of codes, links and ids for each live record. Full vectors and payloads are not in it. */
  bytesPerVector: number;
  /**
   * Reads of records that are only in the store: those that found their block in memory, those that had to ask the
   * store, and the share of the first, 0 to 1.
   */
  cache: { hits: number; misses: number; hitRate: number };
  /**
   * Size of the index's WebAssembly memory. It grows and never shrinks, until `reload` or `compact` with `erase` moves
   * the index into another memory.
   */
  wasmMemoryBytes: number;
  /** How new blocks of records are compressed in the store: the best of the codecs when all were tried on a sample. */
  codec: "none" | "lz4" | "deflate" | "deflate-more";
  simd: "scalar" | "simd128" | "relaxed-simd";
  lastCompaction?: CompactionReport;
}

/**
 * The result of checking the structure of an index: every live record can be reached, links are within their bounds and
 * never lead to a free slot, and ids are one to one. A record that is `pending` counts as reachable.
 */
export interface CheckReport {
  ok: boolean;
  live: number;
  reachable: number;
  problems: string[];
}
