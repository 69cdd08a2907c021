import { booleanOf, checkIdLength, fail, numberOf, optionsOf, refuse, signalOf, typedArrayName, unavailable, wrong } from "./guard.js";
import { Handle } from "./handle.js";
import { insertMany } from "./insert-many.js";
import { Maintenance } from "./maintenance.js";
import { decodePayloads, encodePayload } from "./payload.js";
import { freshInstance, type RawIndex } from "./raw.js";
import { Slice } from "./turn.js";
import type {
  CheckReport, CompactionReport, CompactOptions, FlatRows, Hit, Id, IndexOptions, InsertManyOptions, InsertOptions, Metric,
  OpenOptions, Payload, Row, SearchOptions, Stats, StoredRecord, Vector,
} from "./types.js";
import { vectorOf } from "./vector.js";

/** What the core reads of a caller's options; it judges their values. */
const CORE_OPTIONS = ["dimensions", "metric", "quantization", "m", "efConstruction", "ef", "seed", "compactionThreshold"] as const;
/** Hands a finished handle to the constructor, which nobody outside this module can call. */
const made = new WeakSet<Handle>();

/**
 * A vector index in a WebAssembly instance of its own: records with stable ids, approximate nearest neighbours by HNSW.
 *
 * Every failure is a ThermoclineError, as a rejection from what returns a promise and thrown by the rest; after one the
 * index is as it was before the call. After `close` every call and every property is CLOSED.
 */
export class VectorIndex implements AsyncDisposable {
  readonly #handle: Handle;
  readonly #maintenance: Maintenance;
  readonly #dimensions: number;
  readonly #metric: Metric;

  static {
    // The minifier shortens it, and consoles show it.
    Object.defineProperty(this, "name", { value: "VectorIndex" });
  }

  private constructor(handle: Handle) {
    if (!made.has(handle)) fail("INVALID_OPTION", "new VectorIndex: use VectorIndex.memory() or VectorIndex.import()");
    this.#handle = handle;
    this.#maintenance = new Maintenance(handle);
    this.#dimensions = handle.call((raw) => raw.dimensions);
    this.#metric = handle.call((raw) => raw.metric);
  }

  /** An empty index that is stored nowhere. INVALID_OPTION when an option is out of its range; OUT_OF_MEMORY. */
  static async memory(options: IndexOptions): Promise<VectorIndex> {
    const core = coreOptions(options);
    const index = await VectorIndex.#make((Raw) => Raw.create(core));
    index.#handle.mayHavePayloads = false;
    return index;
  }

  /** Not available in this version: INVALID_OPTION. */
  static async open(name: string, options?: OpenOptions): Promise<VectorIndex> {
    unavailable("VectorIndex.open");
  }

  /**
   * An index from what `export` returned, on any platform. CORRUPT when the bytes are not an export, cut short or damaged;
   * UNSUPPORTED_VERSION; INVALID_OPTION or DIMENSION_MISMATCH when an option contradicts them. Takes time in proportion to the bytes.
   */
  static async import(bytes: Uint8Array, options?: OpenOptions & { name?: string }): Promise<VectorIndex> {
    if (typedArrayName(bytes) !== "Uint8Array") wrong("bytes", "a Uint8Array", bytes);
    const core = coreOptions(optionsOf(options) as IndexOptions);
    signalOf(options?.signal);
    // The core knows the arrays of its own realm.
    const own = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
    return VectorIndex.#make((Raw) => Raw.import(own, core));
  }

  /** Not available in this version: INVALID_OPTION. */
  static async destroy(name: string, options?: Pick<OpenOptions, "store">): Promise<void> {
    unavailable("VectorIndex.destroy");
  }

  static async #make(make: ConstructorParameters<typeof Handle>[1]): Promise<VectorIndex> {
    const handle = new Handle(await freshInstance(), make);
    made.add(handle);
    return new VectorIndex(handle);
  }

  /** Adds a record under the next number that was never used, and returns that number. O(log size), holds the thread meanwhile. */
  async insert(vector: Vector, payload?: Payload, options?: InsertOptions): Promise<number> {
    return this.#put(vector, payload, options, (raw, ready, kind, bytes) => raw.insert(ready, kind, bytes));
  }

  /** Adds a record under exactly this id. INVALID_ID; DUPLICATE_ID while the id is live: a deleted one may come again at once. */
  async insertWithId(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    checkIdLength(id);
    return this.#put(vector, payload, options, (raw, ready, kind, bytes) => {
      raw.insertWithId(id, ready, kind, bytes);
      return id;
    });
  }

  /** Adds a record under this id, in place of the one that has it. */
  async upsert(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    checkIdLength(id);
    this.#put(vector, payload, options, (raw, ready, kind, bytes) => raw.upsert(id, ready, kind, bytes));
    this.#maintenance.touched();
    return id;
  }

  /**
   * Adds many records in slices of about 8 ms; other calls are legal between them. Returns the ids in the order of the rows.
   *
   * Rows in an array, another iterable or flat are all checked first: if any is wrong, the error names it and nothing was
   * inserted. Leave them unchanged until the promise settles. Async rows go in as they come: those before a wrong one stay.
   * After ABORTED what was inserted stays.
   */
  async insertMany(rows: Iterable<Row> | AsyncIterable<Row> | FlatRows, options?: InsertManyOptions): Promise<Id[]> {
    try {
      return await insertMany(this.#handle, this.#dimensions, rows, options);
    } finally {
      if (this.#handle.isOpen) this.#maintenance.touched();
    }
  }

  /**
   * The nearest live records, nearest first. DIMENSION_MISMATCH or INVALID_VECTOR for the query, INVALID_OPTION for the
   * rest. Runs at once, within this call; what a filter throws comes back as it is.
   */
  async search(query: Vector, options?: SearchOptions): Promise<Hit[]> {
    const given = optionsOf(options);
    const { filter, include, signal } = given;
    this.#handle.checkOpen();
    const k = numberOf("k", given.k);
    const ef = numberOf("ef", given.ef);
    const rerank = booleanOf("rerank", given.rerank);
    const withPayload = (include === undefined || (booleanOf("include.payload", optionsOf(include).payload) ?? true)) && this.#handle.mayHavePayloads;
    const withVector = include !== undefined && booleanOf("include.vector", include.vector) === true;
    if (signal !== undefined) signalOf(signal);
    if (filter !== undefined && typeof filter !== "function") {
      fail("INVALID_FILTER", "filter: expected a function; filter objects are not available in this version");
    }
    const vector = vectorOf(query, this.#dimensions);
    const guarded = filter && this.#handle.guardFilter(filter);
    return this.#handle.call((raw) => {
      const triples = raw.search(vector, k, ef, rerank, guarded);
      const count = triples.length / 3;
      const hits = new Array<Hit>(count);
      const slots = withPayload ? new Uint32Array(count) : undefined;
      for (let i = 0, at = 0; i < count; i++, at += 3) {
        const slot = triples[at]!;
        const id = triples[at + 1]!;
        const hit: Hit = { id: id === id ? id : raw.idAt(slot), distance: triples[at + 2]! };
        if (slots) slots[i] = slot;
        if (withVector) hit.vector = raw.vectorAt(slot);
        hits[i] = hit;
      }
      if (slots) {
        const payloads = decodePayloads(raw.payloadsAt(slots), count);
        for (let i = 0; i < count; i++) if (payloads[i] !== undefined) hits[i]!.payload = payloads[i]!;
      }
      return hits;
    });
  }

  /** The record under this id, or undefined. O(1). INVALID_ID. */
  async get(id: Id): Promise<StoredRecord | undefined> {
    checkIdLength(id);
    return this.#handle.call((raw) => {
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
    const deleted = this.#handle.call((raw) => raw.delete(id));
    this.#maintenance.touched();
    return deleted;
  }

  /** Deletes many, in slices; returns how many were there. INVALID_ID for any of them, and then none is deleted. */
  async deleteMany(ids: Iterable<Id>): Promise<number> {
    this.#handle.checkOpen();
    if (typeof ids !== "object" || ids === null || !(Symbol.iterator in ids)) wrong("ids", "an iterable of ids", ids);
    const all = [...ids];
    const slice = new Slice(8);
    let deleted = 0;
    for (const id of all) {
      checkIdLength(id);
      this.#handle.call((raw) => raw.checkId(id));
      if (slice.over) await slice.next();
    }
    for (const id of all) {
      if (this.#handle.call((raw) => raw.delete(id))) deleted += 1;
      if (slice.over) await slice.next();
    }
    this.#maintenance.touched();
    return deleted;
  }

  /** Deletes everything. Numbers given out before are not given out again. */
  async clear(): Promise<void> {
    this.#handle.call((raw) => raw.clear());
    this.#maintenance.touched();
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
   */
  async compact(options?: CompactOptions): Promise<CompactionReport> {
    return this.#maintenance.compact(options);
  }

  /**
   * Compacts in idle time, whenever `needsCompaction` is true, until the returned function is called or the index closed.
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
    return this.#handle.call((raw) => ({ ...raw.stats(), wasmMemoryBytes: this.#handle.memoryBytes }));
  }

  /** Not available in this version: INVALID_OPTION. */
  async metrics(): Promise<string> {
    return this.#unavailable("metrics");
  }

  /** Proves the structure. O(size), holds the thread meanwhile. */
  async check(): Promise<CheckReport> {
    return this.#handle.call((raw) => raw.check());
  }

  /** Not available in this version: INVALID_OPTION. */
  async flush(): Promise<void> {
    return this.#unavailable("flush");
  }

  /** The whole index in the portable byte format, for `import` here or elsewhere. O(size), holds the thread meanwhile. */
  async export(): Promise<Uint8Array> {
    return this.#handle.call((raw) => raw.export());
  }

  /** Not available in this version: INVALID_OPTION. */
  async reload(): Promise<{ returnedBytes: number }> {
    return this.#unavailable("reload");
  }

  /**
   * Ends the index and gives its memory back; what runs is CLOSED at its next slice. `timeoutMs`, by default 5000, is the
   * longest that closing may take.
   */
  async close(options?: { timeoutMs?: number }): Promise<void> {
    this.#handle.checkClosable();
    const { timeoutMs } = optionsOf(options);
    if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0)) wrong("timeoutMs", "milliseconds, 0 or more", timeoutMs);
    this.#maintenance.close();
    this.#handle.close();
  }

  /** `close`, for `await using`; does nothing when the index is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#handle.isClosed) await this.close();
  }

  #put<T>(
    vector: Vector,
    payload: Payload | undefined,
    options: InsertOptions | undefined,
    insert: (raw: RawIndex, ready: Float32Array, kind: number, bytes: Uint8Array | undefined) => T,
  ): T {
    this.#handle.checkOpen();
    refuse(optionsOf(options), "ttlMs");
    const ready = vectorOf(vector, this.#dimensions);
    const { kind, bytes } = encodePayload(payload);
    if (kind) this.#handle.mayHavePayloads = true;
    return this.#handle.call((raw) => insert(raw, ready, kind, bytes));
  }

  #unavailable(name: string): never {
    this.#handle.checkOpen();
    unavailable(name);
  }
}

function coreOptions(options: IndexOptions): object {
  if (options === undefined) wrong("options", "an object with dimensions", options);
  const given = optionsOf(options);
  refuse(given, "maxBytes", "name", "store", "durability", "mode");
  return Object.fromEntries(CORE_OPTIONS.map((name) => [name, given[name]]));
}
