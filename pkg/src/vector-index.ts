import { deleteMany } from "./delete-many.js";
import { booleanOf, checkIdLength, fail, msOf, numberOf, optionsOf, signalOf, typedArrayName, wrong } from "./guard.js";
import type { Handle } from "./handle.js";
import { insertMany } from "./insert-many.js";
import type { Keeper } from "./keeper.js";
import { Maintenance } from "./maintenance.js";
import { loaded } from "./module.js";
import { destroyed, imported, inMemory, moved, opened, type Moved, type Opened } from "./open.js";
import { decodePayloads, encodePayload } from "./payload.js";
import type { RawIndex } from "./raw.js";
import { searchMany } from "./search-many.js";
import { nextTurn } from "./turn.js";
import type {
  CheckReport, CompactionReport, CompactOptions, FlatRows, Hit, Id, IndexOptions, InsertManyOptions, InsertOptions,
  ManyHits, Metric, OpenOptions, Payload, Row, SearchManyOptions, SearchOptions, Stats, StoredRecord, Vector,
} from "./types.js";
import { vectorOf } from "./vector.js";

/** Once it is loaded: to browsers, importing it again takes a turn. */
let filters: typeof import("./filter.js") | undefined;
/** Hands what was made to the constructor, which nobody outside this module can call. */
const made = /* @__PURE__ */ new WeakSet<Opened>();

/**
 * A vector index in a WebAssembly instance of its own: records with stable ids, approximate nearest neighbours by HNSW.
 *
 * Every failure is a ThermoclineError, as a rejection from what returns a promise and thrown by the rest; after one the
 * index is as it was before the call. What your own objects throw while they are read (getters of rows and options, iterators, filters)
 * comes back as it is. After `close` every call and every property is CLOSED.
 *
 * Of an index in a store, a change is seen by searches at once, and its promise resolves when it is in the store: from then on
 * it outlives the end of the process. Changes that are made together are stored together. When storing one fails, all who wait
 * for it are told, with the store's code (STORE_FAILED, QUOTA_EXCEEDED); searches go on, with those changes in, and every later change is
 * refused with that code until the index is closed and opened again. It then has all that was acknowledged, and of what was
 * not some or nothing. With mode "readonly" every change is READ_ONLY.
 */
export class VectorIndex implements AsyncDisposable {
  readonly #handle: Handle;
  readonly #keeper: Keeper | undefined;
  #closing: Promise<void> | undefined;
  #moving: Promise<Moved> | undefined;
  /** Settles when the memory of all instances that were left has been overwritten; never rejects. */
  #overwriting: Promise<void> = Promise.resolve();
  readonly #maintenance: Maintenance;
  readonly #dimensions: number;
  readonly #metric: Metric;

  static {
    // The minifier shortens it, and consoles show it.
    Object.defineProperty(this, "name", { value: "VectorIndex" });
  }

  private constructor(opened: Opened) {
    if (!made.has(opened)) fail("INVALID_OPTION", "new VectorIndex: use its open(), memory() or import()");
    const { handle, keeper } = opened;
    this.#handle = handle;
    this.#keeper = keeper;
    this.#maintenance = new Maintenance(handle, {
      compacted: keeper && (() => keeper.compacted()),
      erased: keeper && (() => keeper.erased()),
      renewed: () => this.#renew(),
    });
    this.#dimensions = handle.call((raw) => raw.dimensions);
    this.#metric = handle.call((raw) => raw.metric);
  }

  /** An empty index that is stored nowhere. INVALID_OPTION when an option is out of its range; OUT_OF_MEMORY. */
  static async memory(options: IndexOptions): Promise<VectorIndex> {
    return VectorIndex.#of(await inMemory(options));
  }

  /**
   * The index of this name in a store, read into memory; made there if there is none and `dimensions` are given. The store is
   * IndexedDB in browsers, and in Node a directory, whose path is the name.
   *
   * NOT_FOUND when there is nothing, and no `dimensions` or only reading; LOCKED while another writer has it; DIMENSION_MISMATCH
   * or INVALID_OPTION when an option contradicts what is there; CORRUPT when it is damaged; UNSUPPORTED_VERSION; STORE_FAILED;
   * ABORTED. Takes time in proportion to its bytes.
   */
  static async open(name: string, options?: OpenOptions): Promise<VectorIndex> {
    return VectorIndex.#of(await opened(name, options));
  }

  /**
   * An index from what `export` returned, on any platform; in memory, or, if a `name` is given, stored there from now on.
   *
   * CORRUPT when the bytes are not an export, cut short or damaged; UNSUPPORTED_VERSION; INVALID_OPTION or DIMENSION_MISMATCH
   * when an option contradicts them; with a name INVALID_OPTION when there is an index already, and what `open` gives. Takes
   * time in proportion to the bytes.
   */
  static async import(bytes: Uint8Array, options?: OpenOptions & { name?: string }): Promise<VectorIndex> {
    if (typedArrayName(bytes) !== "Uint8Array") wrong("bytes", "a Uint8Array", bytes);
    return VectorIndex.#of(await imported(bytes, options));
  }

  /**
   * Removes the index of this name with all that is stored of it; nothing when there is none. LOCKED while a writer has it. In
   * Node a directory goes with it if nothing else is in it; one that holds other files and no index is INVALID_OPTION.
   */
  static async destroy(name: string, options?: Pick<OpenOptions, "store">): Promise<void> {
    return destroyed(name, options);
  }

  static #of(opened: Opened): VectorIndex {
    made.add(opened);
    return new VectorIndex(opened);
  }

  /**
   * Adds a record under the next number that was never used, and returns that number; INVALID_ID when 2^53 - 1 has been an id. O(log size),
   * holds the thread meanwhile.
   *
   * With `ttlMs` it expires when so many milliseconds have passed, by the clock of the device, also while the index is closed.
   * From then on it counts as deleted. What has expired leaves at the next call of any kind, which takes as long as deleting it.
   */
  async insert(vector: Vector, payload?: Payload, options?: InsertOptions): Promise<number> {
    const put = this.#put(vector, payload, options, (raw, ready, kind, bytes, expires) => raw.insert(ready, kind, bytes, expires));
    // Without a turn when it is made, as whoever closes the index next to this call should find it.
    const id = put instanceof Promise ? await put : put;
    if (this.#keeper) await this.#keeper.committed();
    return id;
  }

  /** Adds a record under exactly this id. INVALID_ID; DUPLICATE_ID while the id is live: a deleted one may come again at once. */
  async insertWithId(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    checkIdLength(id);
    const put = this.#put(vector, payload, options, (raw, ready, kind, bytes, expires) => {
      this.#handle.forget(id);
      raw.insertWithId(id, ready, kind, bytes, expires);
    });
    if (put instanceof Promise) await put;
    if (this.#keeper) await this.#keeper.committed();
    return id;
  }

  /** Adds a record under this id, in place of the one that has it, and of the time at which that one would expire. */
  async upsert(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    checkIdLength(id);
    const put = this.#put(vector, payload, options, (raw, ready, kind, bytes, expires) => {
      this.#handle.forget(id);
      raw.upsert(id, ready, kind, bytes, expires);
    });
    if (put instanceof Promise) await put;
    this.#maintenance.touched();
    if (this.#keeper) await this.#keeper.committed();
    return id;
  }

  /**
   * Adds many records in slices of about 8 ms; other calls are legal between them. Returns the ids in the order of the rows.
   *
   * Rows in an array, another iterable or flat are all checked first: if any is wrong, the error names it and nothing was
   * inserted. Leave them unchanged until the promise settles. Async rows go in as they come: those before a wrong one stay.
   * After ABORTED what was inserted stays.
   *
   * In a store, up to 500 rows that are not async, or 2 MB of vectors and payloads, are one change: after a crash all of them are there or none.
   * More are so many at a time, in their order. Up to 25 (64 KB) go in without a pause, before whatever is called next; a call of
   * more waits where others are on their way in, or a checkpoint is written, and calls after it may come first. What an error ends in
   * the middle (ABORTED, CLOSED, OUT_OF_MEMORY, DUPLICATE_ID where another call has taken an id meanwhile) is a change up to there.
   */
  async insertMany(rows: Iterable<Row> | AsyncIterable<Row> | FlatRows, options?: InsertManyOptions): Promise<Id[]> {
    return this.#ended(insertMany(this.#handle, this.#keeper, this.#dimensions, rows, options));
  }

  /**
   * The nearest live records, nearest first. DIMENSION_MISMATCH or INVALID_VECTOR for the query, INVALID_OPTION for the
   * rest. Runs at once, within this call, unless its filter is an object, see `Filter`; what a filter throws comes back as it is. Records that
   * are in the store only are read, all in one go, and then it runs again; a filter may so be asked twice. ABORTED at once when the signal
   * fires meanwhile. One whose block of the store is damaged comes back
   * without its payload, and `check` tells of it; with `include.vector` that is CORRUPT.
   */
  async search(query: Vector, options?: SearchOptions): Promise<Hit[]> {
    const given = optionsOf(options);
    const { filter, include, signal } = given;
    this.#handle.checkOpen();
    const k = numberOf("k", given.k);
    const ef = numberOf("ef", given.ef);
    const rerank = booleanOf("rerank", given.rerank);
    const included = optionsOf(include);
    const wantsPayload = booleanOf("include.payload", included.payload) ?? true;
    const withVector = booleanOf("include.vector", included.vector);
    signalOf(signal);
    let vector = vectorOf(query, this.#dimensions);
    const find = (passes: ((id: Id) => boolean) | undefined) => this.#searching((raw) => {
      const withPayload = wantsPayload && this.#handle.mayHavePayloads;
      let from = this.#handle.search(raw, vector, this.#dimensions, k, ef, rerank, passes);
      const { doubles } = this.#handle;
      const count = doubles[from++]!;
      const hits = new Array<Hit>(count);
      const slots = new Array<number>(count);
      let isNamed = false;
      for (let i = 0; i < count; i++, from += 3) {
        const id = doubles[from + 1]!;
        slots[i] = doubles[from]!;
        hits[i] = { id, distance: doubles[from + 2]! };
        isNamed ||= id !== id;
      }
      // The first that is read of records, because it says in one go which are missing.
      const payloads = withPayload || withVector ? decodePayloads(raw.payloadsAt(Uint32Array.from(slots)), count) : [];
      for (let i = 0; i < count && (isNamed || withVector || payloads.length); i++) {
        const hit = hits[i]!;
        const slot = slots[i]!;
        if (hit.id !== hit.id) hit.id = raw.idAt(slot);
        if (withVector) hit.vector = raw.vectorAt(slot);
        if (withPayload && payloads[i] !== undefined) hit.payload = payloads[i]!;
      }
      return hits;
    }, signal);
    // What is neither is told so there.
    if (filter !== undefined && typeof filter !== "function") {
      vector = vector.slice();
      filters ??= await loaded("the script of filters", () => import("./filter.js"));
      return filters.filtered(this.#handle, (use) => this.#reading(use, signal), filter, signal, find);
    }
    const found = find(filter && this.#handle.guardFilter(filter));
    // It runs again later, when the caller may have other things in its array.
    if (found instanceof Promise) vector = vector.slice();
    return found;
  }

  /**
   * As `search` of each query, which are vectors or one after the other in one array, in slices of about 8 ms between which the index may
   * change; ids and distances only. Records that are in the store only are read for many queries together. The caller's vectors must
   * stay as they are until it ends. DIMENSION_MISMATCH or INVALID_VECTOR, INVALID_OPTION, ABORTED; and then there is no answer at all.
   */
  async searchMany(queries: Float32Array | readonly Vector[], options?: SearchManyOptions): Promise<ManyHits> {
    return searchMany(this.#handle, this.#keeper, (use, signal) => this.#searching(use, signal), this.#dimensions, queries, options);
  }

  /** The record under this id, or undefined. O(1), and one read if it is in the store only. INVALID_ID; CORRUPT when the store has lost it. */
  async get(id: Id): Promise<StoredRecord | undefined> {
    checkIdLength(id);
    return this.#reading((raw) => {
      const slot = raw.locate(id);
      if (slot < 0) return undefined;
      const record: StoredRecord = { id, vector: raw.vectorAt(slot) };
      const [payload] = decodePayloads(raw.payloadsAt(Uint32Array.of(slot)), 1);
      if (payload !== undefined) record.payload = payload;
      return record;
    });
  }

  /** True when a live record has this id. O(1). INVALID_ID. */
  async has(id: Id): Promise<boolean> {
    checkIdLength(id);
    return this.#handle.call((raw) => raw.locate(id) >= 0);
  }

  /** Deletes; false when it was not there. O(1): the space comes back with a compaction. INVALID_ID. */
  async delete(id: Id): Promise<boolean> {
    checkIdLength(id);
    const done = this.#handle.changeLater((raw) => raw.delete(id));
    const deleted = typeof done === "boolean" ? done : await done;
    this.#maintenance.touched();
    if (this.#keeper) await this.#keeper.committed();
    return deleted;
  }

  /**
   * Deletes many, in slices; returns how many were there. INVALID_ID for any of them, and then none is deleted. In a store up to 500 are one
   * change, as rows of `insertMany`.
   */
  async deleteMany(ids: Iterable<Id>): Promise<number> {
    return this.#ended(deleteMany(this.#handle, this.#keeper, ids));
  }

  /** Deletes everything. Numbers given out before are not given out again. */
  async clear(): Promise<void> {
    const done = this.#handle.changeLater((raw) => {
      this.#handle.forget();
      raw.clear();
    });
    if (done instanceof Promise) await done;
    this.#maintenance.touched();
    if (this.#keeper) await this.#keeper.committed();
  }

  /** Live records. */
  get size(): number {
    return this.#handle.call((raw) => raw.size);
  }

  /** Tombstones: deleted records that a compaction has not removed yet. */
  get deletedCount(): number {
    return this.#handle.call((raw) => raw.deletedCount);
  }

  /** Length of every vector. */
  get dimensions(): number {
    this.#handle.checkOpen();
    return this.#dimensions;
  }

  /** What "near" means here. */
  get metric(): Metric {
    this.#handle.checkOpen();
    return this.#metric;
  }

  /** True when the share of tombstones is above `compactionThreshold`. */
  get needsCompaction(): boolean {
    return this.#handle.call((raw) => raw.needsCompaction);
  }

  /** Share of tombstones above which `needsCompaction` is true. Setting clamps to [0.01, 0.99]; not a number: INVALID_OPTION. */
  get compactionThreshold(): number {
    return this.#handle.call((raw) => raw.compactionThreshold);
  }

  set compactionThreshold(threshold: number) {
    this.#handle.checkOpen();
    if (typeof threshold !== "number" || threshold !== threshold) wrong("compactionThreshold", "a number", threshold);
    this.#handle.call((raw) => (raw.compactionThreshold = threshold));
    this.#maintenance.touched();
  }

  /**
   * Removes all tombstones and gives their space back, in slices; searches, inserts and deletes are legal between them. Ids
   * and payloads stay as they are. A second call while one runs joins it. ABORTED leaves a whole index, partly compacted.
   *
   * In a store, blocks of records of which too much is dead are then written anew, and what only earlier checkpoints needed goes:
   * `reclaimedBytes.cold`. When the store refuses that, it is 0, and `flush` says why. With `erase`, see there, it is thrown.
   */
  async compact(options?: CompactOptions): Promise<CompactionReport> {
    return this.#maintenance.compact(options);
  }

  /**
   * Compacts in idle time, whenever `needsCompaction` is true, and at least a second after the last time, until the returned function is called or the index closed.
   * Costs nothing while there is nothing to do, and does not keep a Node process alive. `sliceMs` is 4 unless given.
   */
  compactWhenIdle(options?: { sliceMs?: number; onReport?: (report: CompactionReport) => void }): () => void {
    return this.#maintenance.whenIdle(options);
  }

  /** One slice of compaction of at most `deadline.timeRemaining()` milliseconds, if one is needed or under way. True while work remains. */
  maintain(deadline: { timeRemaining(): number }): boolean {
    return this.#maintenance.maintain(deadline);
  }

  /** Counts and bytes, as they really are. */
  async stats(): Promise<Stats> {
    return this.#handle.call((raw) => {
      const stats: Stats = { ...raw.stats(), wasmMemoryBytes: this.#handle.memoryBytes };
      // The core has forgotten it when the index has moved.
      const { last } = this.#maintenance.compactions;
      if (last) stats.lastCompaction = last;
      return stats;
    });
  }

  /**
   * What `stats` says and what compactions came to since the index was opened, as OpenMetrics text, for a monitoring system. One
   * index to a text: whoever keeps several tells them apart by a label of the target.
   */
  async metrics(): Promise<string> {
    const stats = await this.stats();
    const { openMetrics } = await loaded("the script of metrics", () => import("./metrics.js"));
    return openMetrics(stats, this.#maintenance.compactions);
  }

  /** Proves the structure. O(size), holds the thread meanwhile. */
  async check(): Promise<CheckReport> {
    return this.#handle.call((raw) => raw.check());
  }

  /**
   * Resolves when everything so far is in the store; at once for an index in memory. Rejects also with what has made the
   * clearing of the log fail in idle time meanwhile: then nothing is lost, and it is tried again later.
   */
  async flush(): Promise<void> {
    this.#handle.checkOpen();
    return this.#keeper?.flush();
  }

  /**
   * The whole index in the portable byte format, for `import` here or elsewhere. O(size), holds the thread meanwhile, but while it
   * waits for records that are in the store only. Of these it holds a megabyte at a time; all of them when the index has changed
   * each of three times.
   */
  async export(): Promise<Uint8Array> {
    return this.#keeper ? this.#keeper.exported() : this.#handle.call((raw) => raw.export());
  }

  /**
   * Moves into a fresh WebAssembly instance, and says by how much its memory is smaller: WebAssembly memory never shrinks, so
   * after a peak, as many deletes and a compaction, this gives back what is not needed any more. Meanwhile there are both.
   * Nothing else changes; a compaction under way begins anew. A second call while one runs joins it.
   *
   * An index in memory holds the thread for a time in proportion to its size. One in a store is stored first and then read from
   * there: searches go on meanwhile, changes wait. One that is read only then has what was stored by others since. Whatever fails
   * (what `open` gives, OUT_OF_MEMORY), it stays where it was.
   */
  async reload(): Promise<{ returnedBytes: number }> {
    this.#handle.checkOpen();
    return (await (this.#moving ?? this.#move())).told;
  }

  /**
   * Ends the index and gives its memory back; what runs is CLOSED at its next slice, and what was changed before is brought into
   * the store, which is then closed.
   *
   * Takes at most `timeoutMs`, by default 5000. When there are changes that could not be stored, by then or at all, and nobody
   * has been told so, it rejects with STORE_FAILED or the store's code; it is closed all the same. A store that is still at work
   * by then gets no new call, and keeps its lock until the last call has ended.
   */
  async close(options?: { timeoutMs?: number }): Promise<void> {
    this.#handle.checkClosable();
    const { timeoutMs = 5000 } = optionsOf(options);
    if (!(typeof timeoutMs === "number" && timeoutMs >= 0)) wrong("timeoutMs", "milliseconds, 0 or more", timeoutMs);
    this.#maintenance.close();
    this.#handle.close();
    if (!this.#keeper) return this.#handle.free();
    return (this.#closing = this.#keeper.close(timeoutMs));
  }

  /** `close`, for `await using`; when the index is closed, or is being closed, waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#handle.isClosed) return this.close();
    // Whoever closes it is told what fails.
    await this.#closing?.catch(() => {});
  }

  #move(): Promise<Moved> {
    return (this.#moving = moved(this.#handle, this.#keeper)
      .then((ended) => {
        this.#overwriting = Promise.allSettled([this.#overwriting, ended.overwritten]).then(() => {});
        return ended;
      })
      .finally(() => (this.#moving = undefined)));
  }

  /** Moves into a fresh instance, and waits until the memory of the old one has been overwritten, and of those before it. */
  async #renew(): Promise<void> {
    await this.#moving?.catch(() => {});
    await (await this.#move()).overwritten;
    await this.#overwriting;
  }

  /** What a call comes to that makes many changes. Where it fails, those before that stay: they are stored as well. */
  async #ended<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } finally {
      if (this.#handle.isOpen) {
        this.#maintenance.touched();
        // Whoever waits, waits in the call.
        void this.#keeper?.committed().catch(() => {});
      }
    }
  }

  #put<T>(
    vector: Vector,
    payload: Payload | undefined,
    options: InsertOptions | undefined,
    insert: (raw: RawIndex, ready: Float32Array, kind: number, bytes: Uint8Array | undefined, expires: number | undefined) => T,
  ): T | Promise<T> {
    this.#handle.checkOpen();
    const ttlMs = msOf("ttlMs", optionsOf(options).ttlMs);
    const expires = ttlMs && Date.now() + ttlMs;
    const ready = vectorOf(vector, this.#dimensions);
    const { kind, bytes } = encodePayload(payload);
    if (kind) this.#handle.mayHavePayloads = true;
    // What waits must not change with the caller's own.
    const [own, ownBytes] = this.#handle.isMoving ? [ready.slice(), bytes?.slice()] : [ready, bytes];
    return this.#handle.changeLater((raw) => {
      const done = insert(raw, own, kind, ownBytes, expires);
      if (expires) this.#handle.expiresAt(expires);
      return done;
    });
  }

  /** Calls into the core for what may need records that are in the store only. */
  #reading<T>(use: (raw: RawIndex) => T, signal?: AbortSignal): T | Promise<T> {
    return this.#keeper ? this.#keeper.reading(use, signal) : this.#handle.call(use);
  }

  /** As `#reading`; where codes are to be trained for it and can be, that comes first, in slices. */
  #searching<T>(use: (raw: RawIndex) => T, signal: AbortSignal | undefined): T | Promise<T> {
    try {
      return this.#reading(use, signal);
    } catch (error) {
      if ((error as { code?: unknown } | null)?.code !== "UNTRAINED") throw error;
      return this.#trained().then(() => this.#reading(use, signal));
    }
  }

  async #trained(): Promise<void> {
    while (this.#handle.call((raw) => raw.linkSlice(8))) await nextTurn();
  }
}
