import { deleteMany } from "./delete-many.js";
import { asyncDispose } from "./dispose.js";
import { checkIdLength, fail, isAsync, msOf, optionsOf, typedArrayName, wrong } from "./guard.js";
import type { Handle } from "./handle.js";
import { NEW, NEXT, REPLACED, type How } from "./how.js";
import { insertMany } from "./insert-many.js";
import type { Keeper } from "./stored/keeper.js";
import { Maintenance } from "./maintenance.js";
import { loaded } from "./module.js";
import { Moves } from "./moves.js";
import { createInMemory, destroyStored, importIndex, linkInSlices, openStored, type Opened } from "./open.js";
import { decodePayloads, encodePayload } from "./payload.js";
import { searchMany } from "./search-many.js";
import { Searches, searchOptionsOf } from "./searches.js";
import { SingleInserts } from "./single-inserts.js";
import type {
  CheckReport, CompactionReport, CompactOptions, FlatRows, Hit, Id, IndexOptions, InsertManyOptions, InsertOptions,
  ManyHits, Metric, OpenOptions, Payload, Row, SearchManyOptions, SearchOptions, Stats, StoredRecord, Vector,
} from "./types.js";
import { UnderWay } from "./under-way.js";
import { checkLength, vectorOf } from "./vector.js";
import { MANY_SLICE_MS, nextTurn } from "./turn.js";

/**
 * The arguments that the constructor accepts. Code outside this module cannot add any, so it cannot call the
 * constructor.
 */
const genuine = /* @__PURE__ */ new WeakSet<Opened>();

/**
 * A vector index in its own WebAssembly instance: records with stable ids, and approximate nearest neighbour search by
 * HNSW.
 *
 * Every failure is a ThermoclineError: calls that return a promise reject with it, and the others throw it. A failed
 * call leaves the index unchanged unless its documentation says otherwise. Errors thrown by your own objects (getters
 * of rows and options, iterators, filters) are passed on unchanged. After `close`, every call and every property is
 * CLOSED.
 *
 * In an index with a store, searches see a change at once. Its promise resolves when the change is in the store and so
 * outlives the process. Changes made at the same time are stored together. If storing fails, every caller waiting for
 * it gets the store's code (STORE_FAILED, QUOTA_EXCEEDED). Searches keep working and see those changes, but every later
 * change is refused with that code until the index is closed and opened again. The reopened index has all acknowledged
 * changes, and some or none of the others. With mode "readonly", every change is READ_ONLY.
 */
export class VectorIndex implements AsyncDisposable {
  readonly #handle: Handle;
  readonly #keeper: Keeper | undefined;
  /** Set once `close` has been called. */
  #closing: Promise<void> | undefined;
  readonly #underWay = new UnderWay();
  readonly #inserts: SingleInserts;
  readonly #maintenance: Maintenance;
  readonly #moves: Moves;
  readonly #searches: Searches;
  readonly #dimensions: number;
  readonly #metric: Metric;

  static {
    // Consoles show the class name, and the minifier shortens it.
    Object.defineProperty(this, "name", { value: "VectorIndex" });
  }

  private constructor(opened: Opened) {
    if (!genuine.has(opened)) fail("INVALID_OPTION", "new VectorIndex: use its open(), memory() or import()");
    const { handle, keeper } = opened;
    this.#handle = handle;
    this.#keeper = keeper;
    this.#dimensions = handle.call((raw) => raw.dimensions);
    this.#metric = handle.call((raw) => raw.metric);
    this.#moves = new Moves(handle, keeper);
    this.#maintenance = new Maintenance(handle, keeper, () => this.#moves.renew());
    this.#inserts = new SingleInserts(handle, keeper);
    this.#searches = new Searches(handle, keeper, this.#underWay, this.#dimensions);
  }

  /**
   * Creates an empty index that is not stored. INVALID_OPTION if an option is out of range; OUT_OF_MEMORY if the
   * platform cannot provide the memory.
   */
  static async memory(options: IndexOptions): Promise<VectorIndex> {
    return VectorIndex.#of(await createInMemory(options));
  }

  /**
   * Opens the index of this name in a store, or creates it if there is none and `dimensions` is given. The default
   * store is IndexedDB in browsers; in Node it is a directory whose path is the name.
   *
   * NOT_FOUND if there is no index and `dimensions` is not given or the mode is "readonly". LOCKED while another writer
   * has it open. DIMENSION_MISMATCH or INVALID_OPTION if an option contradicts the index. CORRUPT if the index is
   * damaged. Also UNSUPPORTED_VERSION, STORE_FAILED, QUOTA_EXCEEDED, OUT_OF_MEMORY and ABORTED. Takes time proportional
   * to the size of the codes and links, which it reads. Full vectors and payloads are read afterwards in idle time or,
   * with `maxBytes`, when a call needs them.
   */
  static async open(name: string, options?: OpenOptions): Promise<VectorIndex> {
    return VectorIndex.#of(await openStored(name, options));
  }

  /**
   * Creates an index from the bytes that `export` returned, on any platform. With a `name` the index is stored; without
   * one it is in memory only. Do not change or transfer the bytes until the promise settles: they are not copied, and
   * read once WebAssembly is loaded.
   *
   * CORRUPT if the bytes are not an export, are truncated or are damaged. UNSUPPORTED_VERSION. INVALID_OPTION or
   * DIMENSION_MISMATCH if an option contradicts the bytes. INVALID_OPTION also for `mode` "readonly" and, without a
   * name, for `store`, `durability`, `mode` and `maxBytes`. With a name also the errors of `open`, and INVALID_OPTION
   * if an index of that name exists already. Takes time proportional to the number of bytes.
   */
  static async import(bytes: Uint8Array, options?: OpenOptions & { name?: string }): Promise<VectorIndex> {
    if (typedArrayName(bytes) !== "Uint8Array") wrong("bytes", "a Uint8Array", bytes);
    return VectorIndex.#of(await importIndex(bytes, options));
  }

  /**
   * Removes the index of this name with everything stored for it. Does nothing if there is none. LOCKED while a writer
   * has it open, but not while readers do: what they have not read yet is gone, and reading it is STORE_FAILED. In Node
   * the directory is removed too if it can be and nothing else is in it. A directory that holds other files and no
   * index is INVALID_OPTION.
   */
  static async destroy(name: string, options?: Pick<OpenOptions, "store">): Promise<void> {
    return destroyStored(name, options);
  }

  static #of(opened: Opened): VectorIndex {
    genuine.add(opened);
    return new VectorIndex(opened);
  }

  /**
   * Adds a record under the next number that was never used, and returns that number. INVALID_ID if 2^53 - 1 has been
   * used as an id. O(log size), and holds the thread meanwhile. The record is there when this returns, unless `reload`
   * is running. After each 8 ms of single inserts a promise settles in a later turn of the event loop, so that a loop
   * that awaits each of them lets the page draw. Inserts that follow without being awaited are linked afterwards, in
   * slices (`pending`, see `Stats`), and their promises wait for that unless something else links them; searches find
   * them at once. For many records use `insertMany`, which checks all of them first and takes less time.
   *
   * With `ttlMs` the record expires after that many milliseconds on the device's clock, even while the index is closed.
   * It then counts as deleted. The next call of any kind removes expired records, which takes as long as deleting them.
   */
  insert(vector: Vector, payload?: Payload, options?: InsertOptions): Promise<number> {
    return this.#put<number>(NEXT, undefined, vector, payload, options);
  }

  /**
   * Adds a record under exactly this id, in the same time as `insert`. INVALID_ID if the id is not valid. DUPLICATE_ID
   * if a live record has it; the id of a deleted record can be reused at once.
   */
  insertWithId(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    return this.#put(NEW, id, vector, payload, options);
  }

  /**
   * Adds a record under this id, replacing any live record with the id together with its expiry time. Takes as long as
   * `insert`. INVALID_ID if the id is not valid.
   */
  upsert(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    return this.#put(REPLACED, id, vector, payload, options);
  }

  /**
   * Adds many records in slices of about 8 ms; other calls are allowed between slices. Returns the ids in the order of
   * the rows.
   *
   * Rows in an array, another iterable or flat arrays are all checked before the first is inserted: if one is wrong,
   * the error names it and nothing is inserted. Do not change an array, its rows or flat rows until the promise
   * settles; any other iterable may reuse one vector and one payload for every row. Async rows are inserted as they
   * arrive, and those before a wrong one stay. After ABORTED, the records inserted so far stay.
   *
   * Into an empty index with "int8" codes, more than 128 dimensions, an `efConstruction` of 80 to 256 and an `m` of at
   * least 12, 4,096 rows or more that are not async are inserted first and linked together afterwards (`pending`, see
   * `Stats`), unless one vector comes more than `m` + 1 times, or the vectors have no neighbourhoods, as random ones.
   * That takes half the time, in a store two thirds, and gives other links than single inserts. Until the call ends, a
   * search compares all of them, which takes some 3 ms with 100,000 rows, and `onProgress` counts rows that are
   * inserted. If the call is aborted in between, idle time links the rest. The WebAssembly memory grows by some 350
   * bytes a row meanwhile. In a store, the call also waits for a checkpoint of the links. If the program ends before
   * that, the next one that opens the index links the rows that are stored.
   *
   * In a store, up to 500 rows that are not async, or 2 MB of vectors and payloads, form one change: after a crash all
   * of them are there, or none. More rows form several such changes, in order. Up to 25 rows (64 KB) are inserted
   * without a pause, before the caller's next call. A call with more rows waits while another such call is running or a
   * checkpoint is being written, and later calls may overtake it. If an error ends a change midway (ABORTED, CLOSED,
   * OUT_OF_MEMORY, or DUPLICATE_ID because another call took an id in the meantime), the rows before the error form a
   * change.
   */
  async insertMany(rows: Iterable<Row> | AsyncIterable<Row> | FlatRows, options?: InsertManyOptions): Promise<Id[]> {
    const handle = this.#open;
    const call = () => insertMany(handle, this.#keeper, this.#dimensions, rows, options);
    // Closing does not wait for async rows, since they may never arrive.
    return this.#finishMany(isAsync(rows) ? call() : this.#underWay.run(call));
  }

  /**
   * Returns the nearest live records, nearest first. About O(ef log size), plus O(pending) (see `Stats`); more if a
   * filter excludes most records. DIMENSION_MISMATCH or INVALID_VECTOR for the query, INVALID_OPTION or INVALID_FILTER
   * for the options, UNTRAINED while a "product" index has too few records, and the store's code if records cannot be
   * read.
   *
   * The search runs at once, within this call, unless its filter is an object (see `Filter`). If the search needs
   * records that are only in the store, they are read together and the search runs again, so a filter function may be
   * called more than once for any id, also for that of a record in memory. An error that a filter function throws is
   * passed on unchanged. ABORTED as soon as the signal fires during such a read.
   *
   * A hit whose block in the store is damaged is returned without its payload, and `check` reports the block. With
   * `include.vector`, such a hit makes the search CORRUPT.
   */
  async search(query: Vector, options?: SearchOptions): Promise<Hit[]> {
    this.#open.checkOpen();
    return this.#searches.search(query, searchOptionsOf(options));
  }

  /**
   * Answers many queries, in slices of about 8 ms between which the index may change. The queries are an array of
   * vectors, or one flat array of consecutive vectors. Returns ids and distances only. Records that are only in the
   * store are read for many queries together, but with a filter for each query separately. Do not change the vectors or
   * the filter until the promise settles.
   *
   * DIMENSION_MISMATCH or INVALID_VECTOR for a query, otherwise the errors of `search`. ABORTED also between slices. An
   * error discards the results of all queries.
   */
  async searchMany(queries: Float32Array | readonly Vector[], options?: SearchManyOptions): Promise<ManyHits> {
    const handle = this.#open;
    return this.#underWay.run(() => searchMany(handle, this.#keeper, this.#searches, this.#dimensions, queries, options));
  }

  /**
   * Returns the live record with this id, or undefined. O(1), plus one read if the record is only in the store.
   * INVALID_ID if the id is not valid. CORRUPT if the store has lost the record.
   */
  async get(id: Id): Promise<StoredRecord | undefined> {
    this.#openFor(id);
    return this.#searches.reading((raw) => {
      const slot = raw.locate(id);
      if (slot < 0) return undefined;
      const record: StoredRecord = { id, vector: raw.vectorAt(slot) };
      const [payload] = decodePayloads(raw.payloadsAt(Uint32Array.of(slot)), 1, () => id);
      if (payload !== undefined) record.payload = payload;
      return record;
    });
  }

  /** Returns true if a live record has this id. O(1). INVALID_ID if the id is not valid. */
  async has(id: Id): Promise<boolean> {
    return this.#openFor(id).call((raw) => raw.locate(id) >= 0);
  }

  /**
   * Deletes the record with this id. Returns false if there is none. O(1): its space is reclaimed by a compaction.
   * INVALID_ID if the id is not valid.
   */
  delete(id: Id): Promise<boolean> {
    const remove = () => this.#openFor(id).changeLater((raw) => raw.delete(id));
    return this.#storeChange(remove, true);
  }

  /**
   * Deletes the records with these ids, in slices, and returns the number of records deleted. INVALID_ID if any id is
   * not valid; then nothing is deleted. In a store, up to 500 ids form one change: after a crash all of them are
   * deleted, or none. If an error ends the call midway, records deleted before it stay deleted.
   */
  async deleteMany(ids: Iterable<Id>): Promise<number> {
    const handle = this.#open;
    return this.#finishMany(this.#underWay.run(() => deleteMany(handle, this.#keeper, ids)));
  }

  /** Deletes all records. Numbers that the index has assigned as ids are not assigned again. */
  clear(): Promise<void> {
    const removeAll = () => this.#open.changeLater((raw) => {
      this.#handle.forget();
      raw.clear();
    });
    return this.#storeChange(removeAll, true);
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
   * True when a compaction is worthwhile: the share of tombstones is above `compactionThreshold`, or more than half of
   * the memory of records, and at least 1 MiB, belongs to deleted or replaced ones. With `maxBytes`, these limits fall
   * once three quarters of the budget are used, down to a quarter of each.
   */
  get needsCompaction(): boolean {
    return this.#open.call((raw) => raw.needsCompaction);
  }

  /**
   * Share of tombstones above which a compaction is needed. Setting it clamps the value to [0.01, 0.99]; a value that
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
    void this.#keeper?.planCheckpoint();
  }

  /**
   * Removes all tombstones and reclaims their space, in slices; searches, inserts and deletes are allowed between
   * slices. Ids and payloads do not change. A second call joins a compaction that is running. After ABORTED the index
   * is consistent and partly compacted.
   *
   * In a store, blocks with too large a share of deleted records are then rewritten, and values that only earlier
   * checkpoints needed are removed. `reclaimedBytes.cold` is how much shorter the blocks in use have become. If the
   * store fails to do so, that number is 0 and `flush` rejects with the reason; with the option `erase` the call itself
   * rejects.
   */
  async compact(options?: CompactOptions): Promise<CompactionReport> {
    return structuredClone(await this.#maintenance.compact(options));
  }

  /**
   * Compacts in idle time whenever `needsCompaction` is true, at most once a second, until the returned function is
   * called or the index is closed. Costs nothing while there is nothing to do, and does not keep a Node process alive.
   * `sliceMs` defaults to 4. `onReport` is called with the report of each compaction of which idle time has run a part,
   * also if a call of `compact` has run the rest.
   */
  compactWhenIdle(options?: { sliceMs?: number; onReport?: (report: CompactionReport) => void }): () => void {
    return this.#maintenance.whenIdle(options);
  }

  /**
   * Runs one slice of compaction, of at most `deadline.timeRemaining()` milliseconds, if a compaction is needed or
   * running. Returns true while work remains, also if there is no time for it or the index is moving (`reload`): let
   * the thread go before the next call.
   */
  maintain(deadline: { timeRemaining(): number }): boolean {
    return this.#maintenance.maintain(deadline);
  }

  /** Returns the actual counts and sizes of the index. */
  async stats(): Promise<Stats> {
    return this.#open.call((raw) => {
      const stats: Stats = { ...raw.stats(), wasmMemoryBytes: this.#handle.memoryBytes };
      // After a move, the core in the new instance does not know the last compaction.
      const { last } = this.#maintenance.compactions;
      if (last) stats.lastCompaction = structuredClone(last);
      return stats;
    });
  }

  /**
   * Returns most numbers of `stats`, and totals of the compactions since the index was opened, as OpenMetrics text for
   * a monitoring system. The text covers one index: to tell several apart, label each target.
   */
  async metrics(): Promise<string> {
    const stats = await this.stats();
    const { openMetrics } = await loaded("the script of metrics", () => import("./metrics.js"));
    return openMetrics(stats, this.#maintenance.compactions);
  }

  /**
   * Checks the structure of the index. O(size), and holds the thread meanwhile. Reads nothing from the store: damage to
   * a block of records is known only once the block has been read. `export` reads all of them.
   */
  async check(): Promise<CheckReport> {
    const handle = this.#open;
    for (;;) {
      const report = handle.call((raw) => raw.check());
      if (report) return report;
      if (handle.call((raw) => raw.linkSlice(MANY_SLICE_MS))) await nextTurn();
    }
  }

  /**
   * Resolves when all changes so far are in the store; at once for an index in memory. Rows of an `insertMany` that is
   * still running are stored by that call. Also rejects with the error of a checkpoint that failed in idle time, if it
   * has not been reported yet. In that case nothing is lost, and the checkpoint is retried later.
   */
  async flush(): Promise<void> {
    this.#open.checkOpen();
    return this.#keeper?.flush();
  }

  /**
   * Returns the whole index in the portable byte format, for `import` on this or another platform. O(size), and holds
   * the thread meanwhile, except while it waits for records that are only in the store. It holds about a megabyte of
   * those in memory at a time. If the index changes during each of three attempts, it reads all of them into memory.
   * Records that are `pending` (see `Stats`) are linked first, in slices, so changes made meanwhile are included.
   */
  async export(): Promise<Uint8Array> {
    const handle = this.#open;
    const records = this.#keeper?.records;
    return this.#underWay.run(async () => {
      if (records) return records.export();
      if (handle.call((raw) => raw.stats()).pending) await linkInSlices(handle);
      return handle.call((raw) => raw.export());
    });
  }

  /**
   * Moves the index into a fresh WebAssembly instance, and returns the number of bytes by which its memory became
   * smaller. WebAssembly memory never shrinks, so after many deletes and a compaction, for example, this is how to give
   * back unneeded memory. Both instances exist during the move. Nothing else changes, except that a running compaction
   * starts over. A second call joins a move that is running.
   *
   * Meanwhile searches continue and changes wait. An index in memory is carried over in slices of about 8 ms, longer
   * where the codes and links of 1,024 records take longer, or all of these records where some expire. That needs
   * `thermocline-bulk.wasm`: if it cannot be loaded within three seconds, or memory is short, this holds the thread for
   * a time proportional to the size. An index in a store is stored first and then read from there. A read-only index
   * picks up what others have stored since it was opened, unless they have replaced it by one of other dimensions
   * (DIMENSION_MISMATCH), of another metric, or of other options than were given to `open` (INVALID_OPTION). Once a
   * writer has made two checkpoints, reads of a read-only index may be STORE_FAILED ("written to since it was opened")
   * until it is reloaded. After a failure (an error of `open`, or OUT_OF_MEMORY) the index stays in its old instance.
   */
  async reload(): Promise<{ returnedBytes: number }> {
    this.#open.checkOpen();
    return this.#moves.reload();
  }

  /**
   * Closes the index and releases its memory. Every later call is CLOSED. Running inserts, deletes, searches, reads and
   * exports may take up to half of `timeoutMs` to finish. Those that do not, as well as a compaction, a `reload` and an
   * insert of async rows, end with CLOSED. All changes are written to the store, which is then closed; calls that it
   * does not answer in time end with STORE_FAILED.
   *
   * Takes at most `timeoutMs`, by default 5000. If changes could not be stored, in that time or at all, and no caller
   * has been told, it rejects with STORE_FAILED or the store's code; the index is closed all the same. It also rejects
   * after a checkpoint that failed and that no `flush` has reported; then nothing is lost. A store that is still busy
   * at that time gets no new calls, and keeps its lock until its last call has ended.
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

  /** Closes the index, for `await using`. If it is already being closed, waits for that. */
  async [asyncDispose](): Promise<void> {
    if (!this.#closing) return this.close();
    // A failure is reported to the caller of `close`.
    await this.#closing.catch(() => {});
  }

  /** The handle for a new call. CLOSED once `close` has been called; running calls use `#handle`. */
  get #open(): Handle {
    if (this.#closing) fail("CLOSED", "the index is closed");
    return this.#handle;
  }

  /** The handle for a new call with this id. CLOSED or CORRUPT like any call, otherwise INVALID_ID if it is too long. */
  #openFor(id: Id | undefined): Handle {
    const handle = this.#open;
    handle.checkOpen();
    checkIdLength(id);
    return handle;
  }

  /**
   * Makes a change and waits until it is in the store. Pass `mayNeedCompaction` for a change that can leave a
   * tombstone. Async so that an error thrown by `make` becomes a rejection.
   */
  async #storeChange<T>(make: () => T | Promise<T>, mayNeedCompaction?: boolean): Promise<T> {
    try {
      const made = make();
      // A change that has already been made is not awaited: a `close` called right after this call must find it.
      const result = made instanceof Promise ? await this.#underWay.run(() => made) : made;
      if (mayNeedCompaction) this.#maintenance.touched();
      if (this.#keeper) await this.#keeper.commit();
      return result;
    } catch (error) {
      this.#keeper?.throwTold(error);
      throw error;
    }
  }

  /** Waits for a call that makes many changes. If it fails, the changes before the failure stay and are stored too. */
  async #finishMany<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      this.#keeper?.throwTold(error);
      throw error;
    } finally {
      if (this.#handle.isOpen) {
        this.#maintenance.touched();
        // Not awaited: a successful call has already waited for its own commit. After any other, `close` reports a
        // failure that no caller has been told of.
        void this.#keeper?.commit().catch(() => {});
      }
    }
  }

  /** Checks and encodes a record, puts it into the core, and waits until it is in the store. Returns its id. */
  #put<T extends Id>(
    how: How, id: T | undefined, vector: Vector, payload: Payload | undefined, options: InsertOptions | undefined,
  ): Promise<T> {
    return this.#inserts.run((make) => this.#storeChange(() => {
      this.#openFor(id);
      const ttlMs = msOf("ttlMs", optionsOf(options).ttlMs);
      const expires = ttlMs && Date.now() + ttlMs;
      const read = vectorOf(vector, this.#dimensions);
      const { kind, bytes } = encodePayload(payload);
      // A payload's `toJSON` may have changed the array or transferred its buffer.
      const ready = checkLength(read, this.#dimensions);
      if (kind) this.#handle.mayHavePayloads = true;
      // A change that waits for a move needs copies, since the caller may change its arrays.
      const [own, ownBytes] = this.#handle.isMoving
        ? [new Float32Array(ready), bytes && new Uint8Array(bytes)]
        : [ready, bytes];
      return this.#handle.changeLater((raw) => {
        if (id !== undefined) this.#handle.forget(id);
        const number = make((putsOff) => raw.put(how, id, own, kind, ownBytes, expires, putsOff));
        if (expires) this.#handle.expiresAt(expires);
        return (number ?? id) as T;
      });
    }, how === REPLACED));
  }
}
