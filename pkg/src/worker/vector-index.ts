// The class of "thermocline/worker". Each call checks its arguments as far as possible without the index, copies them,
// and sends them to the worker.
import { leave } from "../async-source.js";
import { asyncDispose } from "../dispose.js";
import { checkAborted, fail, functionOf, isIterable, msOf, optionsOf, typedArrayName, wrong } from "../guard.js";
import type { Rows } from "../insert-many.js";
import { nameNow } from "../names.js";
import { vectorsOf } from "../search-many.js";
import type {
  CheckReport, CompactionReport, CompactOptions, FlatRows, Hit, Id, IndexOptions, InsertManyOptions, InsertOptions,
  ManyHits, Metric, OpenOptions, Payload, Row, SearchManyOptions, Stats, StoredRecord, Vector,
} from "../types.js";
import type { SearchOptions, VectorIndex } from "./api.js";
import type { Besides } from "./call.js";
import { Connection } from "./connection.js";
import { buffersOf, filesForWorker } from "./files.js";
import {
  compactOptions, insertManyOptions, insertOptions, makingOptions, searchManyOptions, searchOptions, type MakingOptions,
} from "./options.js";
import type { Made } from "./messages.js";
import type { Start } from "./platform.js";
import { Pull } from "./pull.js";
import { receivedRecord, sentPayload } from "./payloads.js";
import { checkId, checkSent, sentRows, sentVector } from "./rows.js";
import { StoreServer } from "./store-server.js";

let start: Start;

/** Sets how workers are started. Called by the entry file of each platform. */
export function startWith(platform: Start): void {
  start = platform;
}

/**
 * The arguments that the constructor accepts. Code outside this module cannot add any, so it cannot call the
 * constructor.
 */
const genuine = /* @__PURE__ */ new WeakSet<Made>();
/** Closes indexes that were garbage collected without `close`. */
const dropped = /* @__PURE__ */ new FinalizationRegistry<Connection>((connection) => {
  void connection.close(CLOSING_MS, false).catch(() => {});
});
const CLOSING_MS = 5000;
/** Longest time that an aborted opening may take to release its place, in milliseconds. */
const ABORTED_MS = 1000;

export class WorkerIndex implements VectorIndex {
  readonly #connection: Connection;
  readonly #made: Made;
  #threshold: number;
  #closing: Promise<void> | undefined;
  /** True while the worker runs a slice of `maintain`. */
  #isMaintaining = false;
  /** True when the last slice of `maintain` left no work. */
  #isMaintained = true;
  /** The error of the last slice of `maintain`, until the next call throws it. */
  #notMaintained: { readonly error: unknown } | undefined;

  static {
    // Consoles show the class name, and the minifier shortens it.
    Object.defineProperty(this, "name", { value: "VectorIndex" });
  }

  private constructor(connection: Connection, known: Made) {
    if (!genuine.has(known)) fail("INVALID_OPTION", "new VectorIndex: use its open(), memory() or import()");
    this.#connection = connection;
    this.#made = known;
    this.#threshold = known.compactionThreshold;
    dropped.register(this, connection, this);
  }

  static async memory(options: IndexOptions): Promise<WorkerIndex> {
    if (options === undefined) wrong("options", "an object with dimensions", options);
    return WorkerIndex.#make("memory", [], makingOptions(options));
  }

  static async open(name: string, options?: OpenOptions): Promise<WorkerIndex> {
    const making = makingOptions(options);
    return WorkerIndex.#make("open", [nameOf(name, making)], making);
  }

  static async import(bytes: Uint8Array, options?: OpenOptions & { name?: string }): Promise<WorkerIndex> {
    if (typedArrayName(bytes) !== "Uint8Array") wrong("bytes", "a Uint8Array", bytes);
    const making = makingOptions(options);
    checkSent("bytes", bytes.length);
    // A transferred buffer leaves the array empty, and it cannot be copied. The index refuses it, empty as it is.
    const own = new Uint8Array(bytes.length ? bytes : []);
    return WorkerIndex.#make("import", [own], making, [own.buffer]);
  }

  static async destroy(name: string, options?: Pick<OpenOptions, "store">): Promise<void> {
    const making = makingOptions({ store: optionsOf(options).store });
    const { connection, ended } = startWorker("destroy", [nameOf(name, making)], making);
    await ended.finally(() => connection.leave());
  }

  static async #make(name: string, args: unknown[], options: MakingOptions, transfer?: Transferable[]): Promise<WorkerIndex> {
    const { connection, ended } = startWorker(name, args, options, transfer);
    try {
      const known = (await ended) as Made;
      connection.opened();
      genuine.add(known);
      return new WorkerIndex(connection, known);
    } catch (error) {
      const left = connection.leave();
      // An aborted opening may wait for a store that does not answer, and releases it once it does. This is not
      // awaited.
      if (!options.signal?.aborted) await left;
      throw error;
    }
  }

  async insert(vector: Vector, payload?: Payload, options?: InsertOptions): Promise<number> {
    return this.#put("insert", [], vector, payload, options);
  }

  async insertWithId(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    this.#connection.checkOpen();
    checkId(id);
    return this.#put("insertWithId", [id], vector, payload, options);
  }

  async upsert(id: Id, vector: Vector, payload?: Payload, options?: InsertOptions): Promise<Id> {
    this.#connection.checkOpen();
    checkId(id);
    return this.#put("upsert", [id], vector, payload, options);
  }

  async insertMany(rows: Iterable<Row> | AsyncIterable<Row> | FlatRows, options?: InsertManyOptions): Promise<Id[]> {
    this.#connection.checkOpen();
    const { sent, onProgress, signal } = insertManyOptions(options);
    const { dimensions } = this.#made;
    if (typeof (rows as AsyncIterable<Row> | undefined)?.[Symbol.asyncIterator] !== "function") {
      const all = sentRows(rows as Exclude<Rows, AsyncIterable<Row>>, dimensions);
      // The signal may have fired while the rows were read.
      checkAborted(signal);
      return this.#call("insertMany", [all, sent], { onProgress, signal, transfer: [all.vectors.buffer] });
    }
    // Before the call is sent: an error of the caller's source is thrown unchanged.
    const source = (rows as AsyncIterable<Row>)[Symbol.asyncIterator]();
    const pull = new Pull(dimensions);
    const besides = { onProgress, signal, owner: this, onMore: () => pull.more() };
    try {
      const { promise, feed } = this.#connection.feeding<Id[]>("insertStream", [sent], besides);
      void pull.run(source, feed);
      return promise.finally(() => pull.stop());
    } catch (error) {
      leave(source);
      throw error;
    }
  }

  async search(query: Vector, options?: SearchOptions): Promise<Hit[]> {
    this.#connection.checkOpen();
    const { sent, signal } = searchOptions(options);
    const vector = sentVector(query, this.#made.dimensions);
    const hits = await this.#call<Hit[]>("search", [vector, sent], { signal, abortedMs: 0, transfer: [vector.buffer] });
    return hits.map(receivedRecord);
  }

  async searchMany(queries: Float32Array | readonly Vector[], options?: SearchManyOptions): Promise<ManyHits> {
    this.#connection.checkOpen();
    const { sent, onProgress, signal } = searchManyOptions(options);
    const { dimensions } = this.#made;
    const vectors = vectorsOf(queries, dimensions);
    checkSent("queries", vectors.length * dimensions * Float32Array.BYTES_PER_ELEMENT);
    const all = new Float32Array(vectors.length * dimensions);
    vectors.forEach((vector, i) => all.set(vector, i * dimensions));
    return this.#call("searchMany", [all, sent], { onProgress, signal, transfer: [all.buffer] });
  }

  async get(id: Id): Promise<StoredRecord | undefined> {
    const record = await this.#ofId<StoredRecord | undefined>("get", id);
    return record && receivedRecord(record);
  }

  async has(id: Id): Promise<boolean> {
    return this.#ofId("has", id);
  }

  async delete(id: Id): Promise<boolean> {
    return this.#ofId("delete", id);
  }

  async deleteMany(ids: Iterable<Id>): Promise<number> {
    this.#connection.checkOpen();
    if (!isIterable(ids)) wrong("ids", "an iterable of ids", ids);
    const all = [...ids];
    for (const id of all) checkId(id);
    return this.#call("deleteMany", [all]);
  }

  async clear(): Promise<void> {
    return this.#call("clear", []);
  }

  get size(): number {
    return this.#connection.seen.size;
  }

  get deletedCount(): number {
    return this.#connection.seen.deletedCount;
  }

  get dimensions(): number {
    return this.#connection.seen && this.#made.dimensions;
  }

  get metric(): Metric {
    return this.#connection.seen && this.#made.metric;
  }

  get needsCompaction(): boolean {
    return this.#connection.seen.needsCompaction;
  }

  get compactionThreshold(): number {
    return this.#connection.seen && this.#threshold;
  }

  set compactionThreshold(threshold: number) {
    this.#connection.checkOpen();
    if (typeof threshold !== "number" || threshold !== threshold) wrong("compactionThreshold", "a number", threshold);
    this.#threshold = Math.min(Math.max(threshold, 0.01), 0.99);
    // Only the worker knows whether there is work now.
    this.#isMaintained = false;
    this.#connection.post({ threshold });
  }

  async compact(options?: CompactOptions): Promise<CompactionReport> {
    this.#connection.checkOpen();
    const { sent, onProgress, signal } = compactOptions(options);
    return this.#call("compact", [sent], { onProgress, signal });
  }

  compactWhenIdle(options?: { sliceMs?: number; onReport?: (report: CompactionReport) => void }): () => void {
    void this.#connection.seen;
    const given = optionsOf(options);
    return this.#connection.idle(msOf("sliceMs", given.sliceMs), functionOf("onReport", given.onReport));
  }

  maintain(deadline: { timeRemaining(): number }): boolean {
    const { needsCompaction } = this.#connection.seen;
    if (typeof deadline?.timeRemaining !== "function") wrong("deadline", "an object with timeRemaining()", deadline);
    const failed = this.#notMaintained;
    this.#notMaintained = undefined;
    if (failed) throw failed.error;
    if (this.#isMaintaining) return true;
    if (!needsCompaction && this.#isMaintained) return false;
    const left: unknown = deadline.timeRemaining();
    if (typeof left !== "number" || left !== left) wrong("deadline.timeRemaining()", "milliseconds", left);
    if (left > 0) void this.#maintain(left);
    return true;
  }

  async stats(): Promise<Stats> {
    return this.#call("stats", []);
  }

  async metrics(): Promise<string> {
    return this.#call("metrics", []);
  }

  async check(): Promise<CheckReport> {
    return this.#call("check", []);
  }

  async flush(): Promise<void> {
    return this.#call("flush", []);
  }

  async export(): Promise<Uint8Array> {
    return this.#call("export", []);
  }

  async reload(): Promise<{ returnedBytes: number }> {
    return this.#call("reload", []);
  }

  async close(options?: { timeoutMs?: number }): Promise<void> {
    this.#connection.checkClosable();
    const { timeoutMs = CLOSING_MS } = optionsOf(options);
    if (!(typeof timeoutMs === "number" && timeoutMs >= 0)) wrong("timeoutMs", "milliseconds, 0 or more", timeoutMs);
    dropped.unregister(this);
    return (this.#closing = this.#connection.close(timeoutMs, this.#made.isStored));
  }

  async [asyncDispose](): Promise<void> {
    if (!this.#connection.isClosed) return this.close();
    // A failure is reported to the caller of `close`.
    await this.#closing?.catch(() => {});
  }

  #call<T>(name: string, args: readonly unknown[], besides?: Besides): Promise<T> {
    return this.#connection.call(name, args, { ...besides, owner: this });
  }

  #put<T>(
    name: string, id: readonly Id[], vector: Vector, payload: Payload | undefined, options: InsertOptions | undefined,
  ): Promise<T> {
    this.#connection.checkOpen();
    const sent = insertOptions(options);
    const own = sentVector(vector, this.#made.dimensions);
    const carried = sentPayload(payload);
    const transfer = [own.buffer, ...(carried instanceof Uint8Array ? [carried.buffer] : [])];
    return this.#call(name, [...id, own, carried, sent], { transfer });
  }

  async #ofId<T>(name: string, id: Id): Promise<T> {
    this.#connection.checkOpen();
    checkId(id);
    return this.#call(name, [id]);
  }

  async #maintain(left: number): Promise<void> {
    this.#isMaintaining = true;
    try {
      this.#isMaintained = !(await this.#call<boolean>("maintain", [left]));
    } catch (error) {
      // Thrown by the next call of `maintain`, which is CLOSED anyway after `close`.
      this.#notMaintained = { error };
    } finally {
      this.#isMaintaining = false;
    }
  }
}

/** Starts a worker and makes its first call. */
function startWorker(name: string, args: unknown[], { sent, store, signal }: MakingOptions, transfer?: Transferable[]) {
  const files = filesForWorker();
  const connection = new Connection(start, store && new StoreServer(store, (sent as OpenOptions).mode));
  if (files) connection.post({ files }, buffersOf(files));
  return { connection, ended: connection.call(name, [...args, sent], { signal, abortedMs: ABORTED_MS, transfer }) };
}

function nameOf(name: unknown, { store }: MakingOptions): unknown {
  if (typeof name !== "string") wrong("name", "a string that is not empty", name);
  return nameNow(name, store);
}
