import { deleteMany } from "./delete-many.js";
import { asyncDispose } from "./dispose.js";
import { checkIdLength, fail, isAsync, msOf, optionsOf, typedArrayName, wrong } from "./guard.js";
import type { Handle } from "./handle.js";
import { insertMany } from "./insert-many.js";
import type { Keeper } from "./stored/keeper.js";
import { Maintenance } from "./maintenance.js";
import { loaded } from "./module.js";
import { Moves } from "./moves.js";
import { destroyed, imported, inMemory, opened, type Opened } from "./open.js";
import { decodePayloads, encodePayload } from "./payload.js";
import type { RawIndex, RawRecord } from "./raw.js";
import { searchMany } from "./search-many.js";
import { Searches, searchOptionsOf } from "./searches.js";
import type {
  CheckReport, CompactionReport, CompactOptions, FlatRows, Hit, Id, IndexOptions, InsertManyOptions, InsertOptions,
  ManyHits, Metric, OpenOptions, Payload, Row, SearchManyOptions, SearchOptions, Stats, StoredRecord, Vector,
} from "./types.js";
import { UnderWay } from "./under-way.js";
import { vectorOf } from "./vector.js";

/**
 * The arguments that the constructor accepts. Code outside this module cannot add any, so it cannot call the
 * constructor.
 */
const made = /* @__PURE__ */ new WeakSet<Opened>();

/**
 * A vector index in a WebAssembly instance of its own: records with stable ids, and approximate nearest neighbours by
 * HNSW.
 *
 * Every failure is a ThermoclineError: a rejection of a call that returns a promise, and thrown by the other calls.
 * After a failure the index is as it was before the call, unless the call says what stays of its changes. An error
 * that your own objects throw while they are read (getters of rows and options, iterators, filters) comes back
 * unchanged. After `close` every call and every property is CLOSED.
 *
 * In an index with a store, searches see a change at once, and its promise resolves when the change is in the store.
 * From then on it outlives the end of the process. Changes that are made together are stored together. When storing
 * them fails, all callers that wait for it get the store's code (STORE_FAILED, QUOTA_EXCEEDED). Searches go on and see
 * those changes, but every later change is refused with that code until the index is closed and opened again. It then
 * has all changes that were acknowledged, and some or none of the others. With mode "readonly" every change is
 * READ_ONLY.
 */
export class VectorIndex implements AsyncDisposable {
  readonly #handle: Handle;
  readonly #keeper: Keeper | undefined;
  /** Set from the call of `close` on. */
  #closing: Promise<void> | undefined;
  readonly #underWay = new UnderWay();
  readonly #maintenance: Maintenance;
  readonly #moves: Moves;
  readonly #searches: Searches;
  readonly #dimensions: number;
  readonly #metric: Metric;

  static {
    // Consoles show the name of the class, which the minifier shortens.
    Object.defineProperty(this, "name", { value: "VectorIndex" });
  }

  private constructor(opened: Opened) {
    if (!made.has(opened)) fail("INVALID_OPTION", "new VectorIndex: use its open(), memory() or import()");
    const { handle, keeper } = opened;
    this.#handle = handle;
    this.#keeper = keeper;
    this.#dimensions = handle.call((raw) => raw.dimensions);
    this.#metric = handle.call((raw) => raw.metric);
    this.#moves = new Moves(handle, keeper);
    this.#maintenance = new Maintenance(handle, keeper, () => this.#moves.renew());
    this.#searches = new Searches(handle, keeper, this.#underWay, this.#dimensions);
  }

  /**
   * Makes an empty index that is not stored. INVALID_OPTION when an option is out of its range; OUT_OF_MEMORY when the
   * platform has no room for it.
   */
  static async memory(options: IndexOptions): Promise<VectorIndex> {
    return VectorIndex.#of(await inMemory(options));
  }

  /**
   * Opens the index of this name in a store. When there is none and `dimensions` is given, it is made. By default the
   * store is IndexedDB in browsers, and in Node a directory, whose path is the name.
   *
   * NOT_FOUND when there is no index and `dimensions` is not given, or the mode is "readonly". LOCKED while another
   * writer has it open. DIMENSION_MISMATCH or INVALID_OPTION when an option contradicts the index. CORRUPT when it is
   * damaged. Also UNSUPPORTED_VERSION, STORE_FAILED, QUOTA_EXCEEDED, OUT_OF_MEMORY and ABORTED. Reads codes and links,
   * and takes time in proportion to these. Full vectors and payloads are read afterwards in idle time, or with
   * `maxBytes` when a call needs them.
   */
  static async open(name: string, options?: OpenOptions): Promise<VectorIndex> {
    return VectorIndex.#of(await opened(name, options));
  }

  /**
   * Makes an index from the bytes that `export` returned, on any platform. It is in memory only, or stored from now on
   * if a `name` is given.
   *
   * CORRUPT when the bytes are not an export, are cut short or are damaged. UNSUPPORTED_VERSION. INVALID_OPTION or
   * DIMENSION_MISMATCH when an option contradicts the bytes; INVALID_OPTION also for `mode` "readonly", and without a
   * name for `store`, `durability`, `mode` and `maxBytes`. With a name also the errors of `open`, and INVALID_OPTION
   * when there is an index of that name already. Takes time in proportion to the bytes.
   */
  static async import(bytes: Uint8Array, options?: OpenOptions & { name?: string }): Promise<VectorIndex> {
    if (typedArrayName(bytes) !== "Uint8Array") wrong("bytes", "a Uint8Array", bytes);
    return VectorIndex.#of(await imported(bytes, options));
  }

  /**
   * Removes the index of this name and everything that is stored of it. Does nothing when there is none. LOCKED while a
   * writer has it open, and in IndexedDB while a reader has: it is then deleted as soon as the reader closes. In Node the directory is removed too if nothing else is in it. A directory that holds other
   * files and no index is INVALID_OPTION.
   */
  static async destroy(name: string, options?: Pick<OpenOptions, "store">): Promise<void> {
    return destroyed(name, options);
  }

  static #of(opened: Opened): VectorIndex {
    made.add(opened);
    return new VectorIndex(opened);
  }

  /**
   * Adds a record under the next number that was never used, and returns that number. INVALID_ID when 2^53 - 1 has been
   * an id. O(log size), and holds the thread meanwhile.
   *
   * With `ttlMs` the record expires after so many milliseconds by the clock of the device, also while the index is
   * closed. From then on it counts as deleted. Expired records are removed by the next call of any kind, which takes as
   * long as deleting them.
   */
  insert(vector: Vector, payload?: Payload, options?: InsertOptions): Promise<number> {
    return this.#put(undefined, vector, payload, options, (raw, ...record) => raw.insert(...record));
  }

  /**
   * Adds a record under exactly this id. INVALID_ID when the id is not valid. DUPLICATE_ID while a live record has it;
   * the id of a deleted record may be used again at once.
   */
  insertWithId(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    return this.#put(id, vector, payload, options, (raw, ...record) => {
      raw.insertWithId(id, ...record);
      return id;
    });
  }

  /** Adds a record under this id. Replaces the record that has the id, and the time at which that one would expire. */
  upsert(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    const upsert = (raw: RawIndex, ...record: RawRecord) => {
      raw.upsert(id, ...record);
      return id;
    };
    return this.#put(id, vector, payload, options, upsert, true);
  }

  /**
   * Adds many records in slices of about 8 ms; other calls are legal between them. Returns the ids in the order of the
   * rows.
   *
   * Rows in an array, another iterable or a flat array are all checked before the first goes in: if one is wrong, the
   * error names it and nothing was inserted. Do not change an array, its rows or flat rows until the promise settles;
   * any other iterable may fill one vector again for each row. Async rows go in as they come, and those before a wrong
   * one stay. After ABORTED the records that were inserted stay.
   *
   * In a store, up to 500 rows that are not async, or 2 MB of vectors and payloads, are one change: after a crash all
   * of them are there, or none. More rows are several such changes, in their order. Up to 25 rows (64 KB) go in without
   * a pause, before the caller's next call. A call with more rows waits while another such call is under way or a
   * checkpoint is written, and calls after it may come first. When an error ends a change in the middle (ABORTED,
   * CLOSED, OUT_OF_MEMORY, DUPLICATE_ID where another call has taken an id meanwhile), the rows before it are a change.
   */
  async insertMany(rows: Iterable<Row> | AsyncIterable<Row> | FlatRows, options?: InsertManyOptions): Promise<Id[]> {
    const handle = this.#open;
    const call = () => insertMany(handle, this.#keeper, this.#dimensions, rows, options);
    // Rows that are still to come may never come.
    return this.#ended(isAsync(rows) ? call() : this.#underWay.run(call));
  }

  /**
   * Finds the nearest live records, nearest first. DIMENSION_MISMATCH or INVALID_VECTOR for the query, INVALID_OPTION
   * or INVALID_FILTER for the options, UNTRAINED while `product` has too few records, and the store's code when records
   * cannot be read.
   *
   * The search runs at once, within this call, unless its filter is an object (see `Filter`). An error that a filter
   * function throws comes back unchanged. Records that are only in the store are read, all together, and then the
   * search runs again, so that a filter function may be asked twice. ABORTED at once when the signal fires meanwhile.
   *
   * A hit whose block in the store is damaged comes back without its payload, and `check` reports it. With
   * `include.vector` such a hit makes the search CORRUPT.
   */
  async search(query: Vector, options?: SearchOptions): Promise<Hit[]> {
    this.#open.checkOpen();
    return this.#searches.search(query, searchOptionsOf(options));
  }

  /**
   * Answers many queries, in slices of about 8 ms between which the index may change. The queries are vectors, or one
   * array with the vectors one after the other. Returns ids and distances only. Records that are only in the store are
   * read for many queries together; with a filter, for each query by itself. Do not change the vectors and the filter
   * until the promise settles.
   *
   * DIMENSION_MISMATCH or INVALID_VECTOR for a query, INVALID_OPTION, INVALID_FILTER, ABORTED: after an error there are
   * no answers at all.
   */
  async searchMany(queries: Float32Array | readonly Vector[], options?: SearchManyOptions): Promise<ManyHits> {
    const handle = this.#open;
    return this.#underWay.run(() => searchMany(handle, this.#keeper, this.#searches, this.#dimensions, queries, options));
  }

  /**
   * Returns the live record that has this id, or undefined. O(1), and one read if the record is only in the store.
   * INVALID_ID when the id is not valid. CORRUPT when the store has lost the record.
   */
  async get(id: Id): Promise<StoredRecord | undefined> {
    checkIdLength(id);
    this.#open.checkOpen();
    return this.#searches.reading((raw) => {
      const slot = raw.locate(id);
      if (slot < 0) return undefined;
      const record: StoredRecord = { id, vector: raw.vectorAt(slot) };
      const [payload] = decodePayloads(raw.payloadsAt(Uint32Array.of(slot)), 1);
      if (payload !== undefined) record.payload = payload;
      return record;
    });
  }

  /** True when a live record has this id. O(1). INVALID_ID when the id is not valid. */
  async has(id: Id): Promise<boolean> {
    checkIdLength(id);
    return this.#open.call((raw) => raw.locate(id) >= 0);
  }

  /**
   * Deletes the record that has this id. False when there was none. O(1): a compaction gives its space back. INVALID_ID
   * when the id is not valid.
   */
  delete(id: Id): Promise<boolean> {
    const remove = () => {
      checkIdLength(id);
      return this.#open.changeLater((raw) => raw.delete(id));
    };
    return this.#stored(remove, true);
  }

  /**
   * Deletes the records that have these ids, in slices, and returns how many there were. INVALID_ID when one of the ids
   * is not valid, and then nothing is deleted. In a store, up to 500 ids are one change: after a crash all of them are
   * deleted, or none. When an error ends the call in the middle, what was deleted before it stays deleted.
   */
  async deleteMany(ids: Iterable<Id>): Promise<number> {
    const handle = this.#open;
    return this.#ended(this.#underWay.run(() => deleteMany(handle, this.#keeper, ids)));
  }

  /** Deletes all records. Numbers that the index has given out as ids are not given out again. */
  clear(): Promise<void> {
    const removeAll = () => this.#open.changeLater((raw) => {
      this.#handle.forget();
      raw.clear();
    });
    return this.#stored(removeAll, true);
  }

  /** Number of live records. */
  get size(): number {
    return this.#open.call((raw) => raw.size);
  }

  /** Number of tombstones: deleted records that a compaction has not removed yet. */
  get deletedCount(): number {
    return this.#open.call((raw) => raw.deletedCount);
  }

  /** Length of every vector. */
  get dimensions(): number {
    this.#open.checkOpen();
    return this.#dimensions;
  }

  /** How distances are computed. */
  get metric(): Metric {
    this.#open.checkOpen();
    return this.#metric;
  }

  /**
   * True when a compaction would pay: the share of tombstones is above `compactionThreshold`, or more than half of the
   * memory of records, and at least 1 MiB, is of replaced ones. With `maxBytes`, less is enough once three quarters of
   * the budget are used, down to a quarter of each amount.
   */
  get needsCompaction(): boolean {
    return this.#open.call((raw) => raw.needsCompaction);
  }

  /**
   * Share of tombstones above which a compaction is needed. A value that is set is clamped to [0.01, 0.99]; one that
   * is not a number is INVALID_OPTION.
   */
  get compactionThreshold(): number {
    return this.#open.call((raw) => raw.compactionThreshold);
  }

  set compactionThreshold(threshold: number) {
    this.#open.checkOpen();
    if (typeof threshold !== "number" || threshold !== threshold) wrong("compactionThreshold", "a number", threshold);
    this.#handle.call((raw) => (raw.compactionThreshold = threshold));
    this.#maintenance.touched();
  }

  /**
   * Removes all tombstones and reclaims their space, in slices; searches, inserts and deletes are legal between them.
   * Ids and payloads stay as they are. A second call while one runs joins it. After ABORTED the index is consistent and
   * partly compacted.
   *
   * In a store, blocks with too large a share of deleted records are then rewritten, and values that only earlier
   * checkpoints needed are removed: `reclaimedBytes.cold`. When the store refuses that, the number is 0 and `flush`
   * rejects with the reason; with the option `erase` the call itself rejects.
   */
  async compact(options?: CompactOptions): Promise<CompactionReport> {
    return this.#maintenance.compact(options);
  }

  /**
   * Compacts in idle time whenever `needsCompaction` is true, at most once a second, until the returned function is
   * called or the index is closed. Costs nothing while there is nothing to do, and does not keep a Node process alive.
   * `sliceMs` is 4 unless given.
   */
  compactWhenIdle(options?: { sliceMs?: number; onReport?: (report: CompactionReport) => void }): () => void {
    return this.#maintenance.whenIdle(options);
  }

  /**
   * Does one slice of compaction, of at most `deadline.timeRemaining()` milliseconds, if a compaction is needed or
   * under way. True while work remains.
   */
  maintain(deadline: { timeRemaining(): number }): boolean {
    return this.#maintenance.maintain(deadline);
  }

  /** Counts and bytes of the index, as they really are. */
  async stats(): Promise<Stats> {
    return this.#open.call((raw) => {
      const stats: Stats = { ...raw.stats(), wasmMemoryBytes: this.#handle.memoryBytes };
      // The core in the new instance does not know it after a move.
      const { last } = this.#maintenance.compactions;
      if (last) stats.lastCompaction = { ...last, reclaimedBytes: { ...last.reclaimedBytes } };
      return stats;
    });
  }

  /**
   * Most numbers of `stats`, and those of the compactions since the index was opened, as OpenMetrics text for a
   * monitoring system. A text is about one index: to tell several apart, give each target a label.
   */
  async metrics(): Promise<string> {
    const stats = await this.stats();
    const { openMetrics } = await loaded("the script of metrics", () => import("./metrics.js"));
    return openMetrics(stats, this.#maintenance.compactions);
  }

  /** Checks the structure of the index. O(size), and holds the thread meanwhile. */
  async check(): Promise<CheckReport> {
    return this.#open.call((raw) => raw.check());
  }

  /**
   * Resolves when all changes so far are in the store; at once for an index in memory. It also rejects with the error
   * of a checkpoint that has failed in idle time since. Then nothing is lost, and the checkpoint is tried again later.
   */
  async flush(): Promise<void> {
    this.#open.checkOpen();
    return this.#keeper?.flush();
  }

  /**
   * Returns the whole index in the portable byte format, for `import` on this or another platform. O(size), and holds
   * the thread meanwhile, except while it waits for records that are only in the store. It has about a megabyte of
   * those in memory at a time. When the index has changed during each of three tries, it reads all of them into memory.
   */
  async export(): Promise<Uint8Array> {
    const handle = this.#open;
    const records = this.#keeper?.records;
    return records ? this.#underWay.run(() => records.exported()) : handle.call((raw) => raw.export());
  }

  /**
   * Moves the index into a fresh WebAssembly instance, and returns the number of bytes by which its memory is smaller.
   * WebAssembly memory never shrinks: after a peak, such as many deletes and a compaction, this gives back what is no
   * longer needed. Both instances exist during the move. Otherwise nothing changes; a compaction under way starts
   * again. A second call while one runs joins it.
   *
   * An index in memory holds the thread for a time in proportion to its size. An index in a store is stored first and
   * then read from there; searches go on meanwhile, and changes wait. An index that is open for reading only then has
   * what others have stored since it was opened. After a failure (an error of `open`, or OUT_OF_MEMORY) the index is
   * where it was.
   */
  async reload(): Promise<{ returnedBytes: number }> {
    this.#open.checkOpen();
    return this.#moves.reload();
  }

  /**
   * Ends the index and releases its memory. From this call on every other is CLOSED. Inserts, deletions, searches,
   * reads and exports that are under way end first, as far as half of `timeoutMs` goes. What has not ended by then, a
   * compaction, a `reload`, and rows of an async iterable that are not in yet end with CLOSED. All changes are brought
   * into the store, which is then closed; calls that it does not answer in time end with STORE_FAILED.
   *
   * Takes at most `timeoutMs`, by default 5000. When there are changes that could not be stored, in that time or at
   * all, and no caller has been told so, it rejects with STORE_FAILED or the store's code; the index is closed all the
   * same. A store that is still at work by then gets no new call, and keeps its lock until its last call has ended.
   */
  async close(options?: { timeoutMs?: number }): Promise<void> {
    this.#open.checkClosable();
    const { timeoutMs = 5000 } = optionsOf(options);
    if (!(typeof timeoutMs === "number" && timeoutMs >= 0)) wrong("timeoutMs", "milliseconds, 0 or more", timeoutMs);
    return (this.#closing = this.#close(timeoutMs));
  }

  async #close(timeoutMs: number): Promise<void> {
    const began = performance.now();
    this.#maintenance.close();
    const settled = this.#underWay.settled(timeoutMs / 2);
    if (settled) await settled;
    this.#handle.close();
    return this.#keeper ? this.#keeper.close(timeoutMs, began) : this.#handle.free();
  }

  /** Closes the index, for `await using`. When it is being closed already, waits for that. */
  async [asyncDispose](): Promise<void> {
    if (!this.#closing) return this.close();
    // A failure is reported to the caller of `close`.
    await this.#closing.catch(() => {});
  }

  /** The handle, for a call that begins. CLOSED from the call of `close` on; calls under way use `#handle`. */
  get #open(): Handle {
    if (this.#closing) fail("CLOSED", "the index is closed");
    return this.#handle;
  }

  /**
   * Makes a change, and waits until it is in the store. A change that leaves a tombstone `mayNeedCompaction`. It is
   * async so that an error of `make` becomes a rejection.
   */
  async #stored<T>(make: () => T | Promise<T>, mayNeedCompaction?: boolean): Promise<T> {
    const made = make();
    // Does not wait for a change that is made already: a `close` that is called right after this call must find it.
    const result = made instanceof Promise ? await this.#underWay.run(() => made) : made;
    if (mayNeedCompaction) this.#maintenance.touched();
    if (this.#keeper) await this.#keeper.committed();
    return result;
  }

  /**
   * Waits for a call that makes many changes. When it fails, the changes before the failure stay, and are stored as
   * well.
   */
  async #ended<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } finally {
      if (this.#handle.isOpen) {
        this.#maintenance.touched();
        // Not awaited: the call has waited for its own commit.
        void this.#keeper?.committed().catch(() => {});
      }
    }
  }

  /** Checks and encodes a record, has `insert` put it into the core, and waits until it is in the store. */
  #put<T>(
    id: Id | undefined,
    vector: Vector,
    payload: Payload | undefined,
    options: InsertOptions | undefined,
    insert: (raw: RawIndex, ...record: RawRecord) => T,
    mayNeedCompaction?: boolean,
  ): Promise<T> {
    return this.#stored(() => {
      checkIdLength(id);
      this.#open.checkOpen();
      const ttlMs = msOf("ttlMs", optionsOf(options).ttlMs);
      const expires = ttlMs && Date.now() + ttlMs;
      const ready = vectorOf(vector, this.#dimensions);
      const { kind, bytes } = encodePayload(payload);
      if (kind) this.#handle.mayHavePayloads = true;
      // A change that waits for a move keeps copies, since the caller may change its arrays.
      const [own, ownBytes] = this.#handle.isMoving ? [ready.slice(), bytes?.slice()] : [ready, bytes];
      return this.#handle.changeLater((raw) => {
        if (id !== undefined) this.#handle.forget(id);
        const done = insert(raw, own, kind, ownBytes, expires);
        if (expires) this.#handle.expiresAt(expires);
        return done;
      });
    }, mayNeedCompaction);
  }
}
