// The public types of the package: shapes, units, ranges. Nothing here exists at run time.
import type { Durability, Mode, Store } from "./store.js";

/**
 * The caller's key of a record: a non-negative safe integer, or a string of 1 to 4096 bytes in UTF-8 without unpaired
 * surrogates. No operation changes it.
 */
export type Id = number | string;

/**
 * One vector: exactly `dimensions` finite numbers, stored as 32-bit floats. The index copies it, so the caller may
 * reuse the array.
 *
 * A vector of another length is DIMENSION_MISMATCH. A value that is not finite is INVALID_VECTOR, and so is a vector
 * whose Euclidean length is more than 1e17 or, under cosine, less than 1e-18: an all-zero vector has no direction.
 */
export type Vector = Float32Array | readonly number[];

/**
 * The data a record carries besides its vector: a JSON value or raw bytes. It is returned as it was given.
 *
 * A value that JSON would lose is INVALID_OPTION: functions, symbols, bigints, cycles, NaN, infinities, maps, regular
 * expressions, errors, typed arrays inside an object, and objects with their own tag (`Symbol.toStringTag`).
 *
 * JSON's rules apply to the rest. Undefined members are left out, and -0 becomes 0. An object with a `toJSON` method,
 * such as a Date, becomes what that method returns. An instance of your own class becomes a plain object with the same
 * members.
 *
 * TypeScript assigns a `type` of an object to this one, but not an `interface`, which may gain members: declare the
 * shape of your payloads with `type`, or pass `{ ...payload }`.
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
 * How vectors are encoded for the graph search. The codes are always in memory.
 *
 * - `none`: 4 bytes for each dimension, plus 4.
 * - `int8`: 1 byte for each dimension, rounded up to a multiple of 128, plus at most 8.
 * - `binary`: 1/8 byte for each dimension plus 16, rounded up to a multiple of 64. Needs a larger `ef` for the same
 *   recall.
 * - `product`: 64 bytes for each started group of 384 dimensions. Needs a larger `ef` for the same recall. A search is
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
   * searches better. Default 200. (From 80 to 256 it makes next to no difference where `insertMany` links many rows
   * together.)
   */
  efConstruction?: number;
  /** Search width of searches that do not give one, 1 to 10,000. Default 64. */
  ef?: number;
  /**
   * Seed of the random levels, 0 to 2^53 - 1. The same calls in the same order with the same seed build the same index.
   * (Where `insertMany` links thousands of rows together, the links are other than those of single inserts, and if
   * `thermocline-bulk.wasm` cannot be loaded within three seconds, those of single inserts.) An index that is stored
   * keeps its seed, whatever `open` is given; `import` replaces that of the bytes.
   */
  seed?: number;
  /** Share of tombstones above which `needsCompaction` is true. Clamped to [0.01, 0.99]. Default 0.3. */
  compactionThreshold?: number;
  /**
   * Memory that an index in a store may use, in bytes. Full vectors and payloads beyond it stay in the store and are
   * read when a call needs them. Codes, links and ids are always in memory: an insert is OUT_OF_MEMORY if they would
   * not fit. 4 GiB or more, all that WebAssembly can address, is no limit.
   *
   * The value is not stored, so pass it each time the index is opened. INVALID_OPTION for an index in memory. Default:
   * no limit.
   */
  maxBytes?: number;
}

/**
 * Options of `open`, and of `import` with a name. `dimensions` is required to create an index. For an existing index,
 * `dimensions`, `metric`, `quantization` and `m` may be repeated but not changed. `ef`, `efConstruction` and
 * `compactionThreshold` replace the stored values for good, and those that are left out stay: the next checkpoint,
 * at the latest that of `close`, stores them. With mode "readonly" they apply only to this index.
 */
export interface OpenOptions extends Partial<IndexOptions> {
  /**
   * Where the index is stored. Browsers support "indexeddb" (the default) and "opfs", the origin private file system.
   * Node supports "fs": a directory whose path is the name of the index.
   *
   * You can also pass your own Store. It holds one index, whatever the name is, which then only says in messages which
   * index is meant: give each index a Store of its own. It is closed with the index. A call that returns no index, such
   * as a failed `open` and every `destroy`, leaves it open: you can try again, or close it.
   */
  store?: "indexeddb" | "opfs" | "fs" | Store;
  /**
   * What a change waits for before its promise resolves.
   *
   * - "relaxed", the default: the change has been handed to the platform and outlives the process.
   * - "strict": the change is on the medium and outlives a power failure. INVALID_OPTION with "opfs", which cannot wait
   *   for the medium.
   *
   * With your own Store, this is up to the Store.
   */
  durability?: Durability;
  /**
   * "readwrite", the default, allows one index at a time: opening another is LOCKED. "readonly" sees the index as it
   * was stored when it was opened.
   */
  mode?: Mode;
  /**
   * Ends the opening with ABORTED at its next step and releases its lock. If the store does not answer, the call ends a
   * quarter of a second after the signal, and the lock is released once the store answers. An `import` that has begun
   * to write goes on to its end, and the index then exists.
   */
  signal?: AbortSignal;
}

/** One record for `insertMany`. Without an `id`, it gets the next number that was never used. */
export interface Row {
  id?: Id;
  vector: Vector;
  payload?: Payload;
  /** Milliseconds after which the record expires; see `InsertOptions`. */
  ttlMs?: number;
}

/** Many records for `insertMany`, without an object for each record. */
export interface FlatRows {
  /** The vectors one after the other: `count * dimensions` values. */
  vectors: Float32Array;
  /** One id for each vector. Without ids, each record gets the next number that was never used. */
  ids?: readonly Id[];
  /** One payload for each vector; `undefined` for a record without a payload. */
  payloads?: readonly (Payload | undefined)[];
}

/** Options of `insert`, `insertWithId` and `upsert`. */
export interface InsertOptions {
  /**
   * Milliseconds after which the record expires: a finite number above 0. An expired record counts as deleted, and no
   * call returns it. Time also passes while the index is closed. Default: the record never expires.
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
  /**
   * The current phase: "insert" or "search"; in a compaction "graph", "move" (moving the remaining records to the
   * front) or "warm", then in a stored index "store" (writing to the store what has changed) and with `erase` "erase"
   * (rewriting there what holds deleted records).
   */
  phase: string;
}

/** Options of every long call. */
export interface LongOptions {
  /**
   * Ends the call with ABORTED after the current slice, or at once while it waits for the store. The index stays
   * consistent.
   */
  signal?: AbortSignal;
  /**
   * Called between slices and at the end. If it throws, the call rejects with that error and the index stays
   * consistent.
   */
  onProgress?: (progress: Progress) => void;
}

/** Options of `insertMany`. */
export interface InsertManyOptions extends LongOptions {
  /** If true, a row replaces the live record with its id. If false, such a row is DUPLICATE_ID. Default false. */
  upsert?: boolean;
}

/** Options of `search`. */
export interface SearchOptions {
  /** Number of hits, 1 to 10,000. Fewer are returned only if fewer live records match. Default 10. */
  k?: number;
  /**
   * Search width, 1 to 10,000. A larger value is slower and finds more of the true neighbours. Raised to `k` when it is
   * smaller. Default: the `ef` of the index. With "int8" codes of more than 128 dimensions, a search without a filter
   * that is at least four times as wide as `k` becomes up to 16 times as wide if it cannot tell its candidates apart,
   * as in clusters that are very tight.
   */
  ef?: number;
  /**
   * Which records may be hits. A function gets an id and returns true or false. It must be synchronous and must not use
   * the index. An object is matched against payloads (see `Filter`). Do not change it until the search has ended.
   */
  filter?: Filter | ((id: Id) => boolean);
  /** Orders the hits by full-precision distance. Default true, unless the quantization is "none". */
  rerank?: boolean;
  /** What a hit contains besides its id and distance. Default `{ payload: true, vector: false }`. */
  include?: { payload?: boolean; vector?: boolean };
  /**
   * Ends the search with ABORTED before it begins, while it waits for the store, or while it reads payloads for a
   * filter.
   */
  signal?: AbortSignal;
}

/** One result of a search. `vector` is a copy. */
export interface Hit {
  id: Id;
  distance: number;
  payload?: Payload;
  vector?: Float32Array;
}

/**
 * Options of `searchMany`: those of `search` except `include`, which is INVALID_OPTION. `filter` applies to every
 * query.
 */
export interface SearchManyOptions extends LongOptions {
  /** Number of hits for each query, 1 to 10,000. Fewer are returned only if fewer live records match. Default 10. */
  k?: number;
  /**
   * Search width, 1 to 10,000. A larger value is slower and finds more of the true neighbours. Raised to `k` when it is
   * smaller. Default: the `ef` of the index. With "int8" codes of more than 128 dimensions, a search without a filter
   * that is at least four times as wide as `k` becomes up to 16 times as wide if it cannot tell its candidates apart,
   * as in clusters that are very tight.
   */
  ef?: number;
  /** Orders the hits by full-precision distance. Default true, unless the quantization is "none". */
  rerank?: boolean;
  /**
   * As in `search`: a function that gets an id and returns true to keep it, or conditions on payloads. Applies to all
   * queries.
   */
  filter?: Filter | ((id: Id) => boolean);
}

/**
 * The results of many queries. The hits of query `i`, nearest first, are at positions `offsets[i]` (inclusive) to
 * `offsets[i + 1]` (exclusive) in `ids` and `distances`.
 */
export interface ManyHits {
  /** One more entry than there are queries. */
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
 * Conditions on payload fields, as in MongoDB's queries. All of them must hold:
 * `{ lang: "en", year: { $gte: 1990 }, "author.name": { $in: names } }`.
 *
 * A field is a path with its parts joined by dots. A condition is a JSON value or an object of operators.
 *
 * - A JSON value matches an equal value; the order of an object's members does not matter. A field with an array
 *   matches if the array or one of its elements does. null also matches a missing field.
 * - Operators of a field: $eq, $ne, $gt, $gte, $lt, $lte (numbers or strings), $in, $nin, $all, $exists, $size,
 *   $elemMatch, $not, and $regex with $options. Use a $regex only from a trusted source: it may run forever.
 * - In place of a field: $and, $or, $nor.
 *
 * Anything else is INVALID_FILTER, and the message says where it is. A payload that is not an object has no fields.
 * `{}` matches every record. No other filter matches a record whose block in the store is damaged.
 *
 * Payloads are not indexed. A search checks the payload of each record it comes across, reading it if it is only in the
 * store. A check takes a few microseconds per record, in slices of 8 ms. The results for the last 8 filters are cached
 * until the record changes, so repeating a filter costs little: 2^20 results in all, and more only for the last filter.
 * Filters with the same JSON share their cache. It takes about 40 bytes per checked record, or about 90 if ids are
 * strings. OUT_OF_MEMORY if one filter would be checked for more than 16,777,215 records.
 */
export type Filter = { readonly [field: string]: unknown };

/** Options of `compact`. */
export interface CompactOptions extends LongOptions {
  /** Longest time for which the call holds the thread at once, in milliseconds; above 0. Default 4. */
  sliceMs?: number;
  /**
   * Erases every record that was deleted or replaced before this call: afterwards no byte of its vector, code, payload
   * or id is left in the index's memory or in its store. Takes as much time and memory as a compaction, writing all
   * changes to the store, and a `reload` together.
   *
   * A call that fails may have erased some of this data or none. Copies outside the index are out of reach: remains of
   * removed files on the medium or in the system, of removed values in a browser's database, and of unused objects in
   * the JavaScript engine.
   */
  erase?: boolean;
  /**
   * Also puts the index in graph order: records near each other in the graph are placed side by side in memory, so that
   * searches wait less for memory. They take a twentieth less time with 100,000 records and a third less with a
   * million. Use it once after building an index.
   *
   * Takes about a fifteenth of the time of building the index, in slices like the rest of a compaction. Meanwhile codes
   * and links take up to a quarter more memory, or that of 1,024 more records, and up to eight bytes a record:
   * OUT_OF_MEMORY if `maxBytes` leaves no room. Searches find the same records, but equally distant ones may change
   * their order. In a store, the next checkpoint writes the codes and links of every record. If `thermocline-bulk.wasm`
   * cannot be loaded within three seconds, the index is compacted as it lies.
   */
  pack?: boolean;
}

/** What a compaction did. The counts of removed tombstones and reclaimed bytes are 0 if there was nothing to do. */
export interface CompactionReport {
  tombstonesRemoved: number;
  /** Number of live records afterwards. */
  newSize: number;
  /** Bytes freed or made available for reuse, by part. */
  reclaimedBytes: { graph: number; codes: number; warm: number; cold: number; total: number };
  slices: number;
  /** The longest time for which a slice held the thread. */
  longestSliceMs: number;
  /**
   * From the start of the compaction to its end, in the store too, including whatever ran between its slices. (Not
   * what `erase` does after it.)
   */
  durationMs: number;
}

/** Actual counts and sizes of an index, not estimates. */
export interface Stats {
  size: number;
  deletedCount: number;
  /**
   * Records that are not linked into the graph yet, because opening found them so in the store, or because they were
   * inserted while others were waiting, while "product" codes were being trained, by a long `insertMany` that is not
   * done, or after many inserts of which none was awaited. Searches score them one by one.
   */
  pending: number;
  /** Tombstones as a share of all slots in use, 0 to 1. */
  tombstoneRatio: number;
  /**
   * Bytes in memory, by part. `graph` includes the buffers of searches, changes that are in no log yet, and what a
   * compaction under way holds.
   */
  bytes: { codes: number; graph: number; ids: number; warm: number; coldCache: number; total: number };
  /**
   * Bytes in the store, by part; zeros for an index in memory. Of an index that is open for reading only, those when it
   * was opened. `coldRaw` is the uncompressed size of `cold` and not part of the total.
   */
  storedBytes: { segments: number; cold: number; coldRaw: number; log: number; total: number };
  /** Bytes that a compaction could reclaim. */
  reclaimableBytes: number;
  /** Bytes of codes, links and ids per live record, without full vectors and payloads. */
  bytesPerVector: number;
  /**
   * The blocks that calls needed for records that are only in the store: `hits` were in memory, `misses` had to be
   * read from the store. A call counts a block once, however many of its records it looks at; with a filter object,
   * each of its looks at payloads is one. `hitRate` is the share of hits, 0 to 1.
   */
  cache: { hits: number; misses: number; hitRate: number };
  /**
   * Size of the index's WebAssembly memory. It never shrinks, except when `reload` or `compact` with `erase` moves the
   * index into another memory.
   */
  wasmMemoryBytes: number;
  /** How new blocks of records are compressed in the store: the codec that did best on a sample. */
  codec: "none" | "lz4" | "deflate" | "deflate-more";
  simd: "scalar" | "simd128" | "relaxed-simd";
  lastCompaction?: CompactionReport;
}

/**
 * The result of checking the structure of an index: every live record is reachable from the entry point, links are
 * within bounds and never lead to a free slot, and ids and records correspond one to one. A record that is `pending`
 * counts as reachable. Records lost with a damaged block are among the problems, by their ids, once the block has been
 * read. At most 32 problems are listed.
 */
export interface CheckReport {
  ok: boolean;
  live: number;
  reachable: number;
  problems: string[];
}
