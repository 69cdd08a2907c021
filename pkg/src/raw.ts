// The interface of the core and its WebAssembly instances. Of src, only this file and threads/raw.ts import generated
// code.
import instantiate from "thermocline-glue";
import { fail } from "./guard.js";
import type { How } from "./how.js";
import { compiledModule, type WasmFile } from "./module.js";
import type { Store } from "./store.js";
import { awake } from "./turn.js";
import type { CheckReport, CompactionReport, Id, Metric, Progress, Stats } from "./types.js";

const STORE = "thermocline-store.wasm";
const BULK = "thermocline-bulk.wasm";

/**
 * A record as the core takes it. Payloads are bytes with a kind, see payload.ts. `expires` is the time from which the
 * record counts as deleted, in milliseconds since 1970; undefined means never. With `putsOff` the record waits for its
 * links, and none of those that wait already is linked.
 */
export type RawRecord = [
  vector: Float32Array, kind: number, bytes: Uint8Array | undefined, expires: number | undefined, putsOff?: boolean,
];

/**
 * The core's own class. A call that returns no promise is synchronous. Failures are errors with a `code`. A slot is
 * valid only until the next call that changes the index.
 *
 * In a stored index, changes are made in memory at once, and stay uncommitted until `commit` writes them to the log.
 * Commits and checkpoints must not overlap, and `free` may only be called while none is running; see keeper.ts. A call
 * that reads records throws `Cold` (handle.ts) if they are only in the store.
 */
export interface RawIndex {
  readonly dimensions: number;
  readonly metric: Metric;
  readonly size: number;
  readonly deletedCount: number;
  readonly needsCompaction: boolean;
  readonly compacting: boolean;
  readonly nextId: number;
  compactionThreshold: number;
  checkVector(vector: Float32Array): void;
  checkNewId(id: unknown): void;
  checkId(id: unknown): void;
  /** Inserts a record. Returns its id if it is the next number, for which `id` is ignored. */
  put(how: How, id: unknown, ...record: RawRecord): number | undefined;
  /** Deletes the records that have expired by `now`. Returns the time at which the next one expires, or Infinity. */
  expire(now: number): number;
  reserve(count: number): void;
  /** The address in memory at which to write the query of the next search, as Float32. Valid until the next call. */
  queryAt(): number;
  /**
   * Searches for the query at `queryAt`. Returns the address in memory of the hits, as Float64, valid until the next
   * call: their number, and then for each hit its slot, its id (NaN when it is a string) and its distance.
   */
  search(
    k: number | undefined, ef: number | undefined, rerank: boolean | undefined, filter: ((id: Id) => boolean) | undefined,
  ): number;
  idAt(slot: number): Id;
  vectorAt(slot: number): Float32Array;
  payloadsAt(slots: Uint32Array): Uint8Array;
  /** The slot of the live record with this id; negative if there is none. */
  locate(id: unknown): number;
  delete(id: unknown): boolean;
  clear(): void;
  /** Starts a compaction. */
  compactStart(): void;
  /** Runs one slice of the compaction. Returns true while work remains. */
  compactStep(budgetMs: number): boolean;
  /** Progress of the running compaction. */
  compactProgress(): Progress | undefined;
  /** Report of the last compaction. */
  compactReport(): CompactionReport | undefined;
  compactAbort(): void;
  /**
   * Proves the links that opening has read, trains product codes, and links some of the records that wait: for that,
   * since opening found them, or for a bulk build. Returns true while work remains.
   */
  linkSlice(budgetMs: number): boolean;
  stats(): Omit<Stats, "wasmMemoryBytes">;
  /** Returns undefined while many rows are being linked together: there is no structure yet. */
  check(): CheckReport | undefined;
  export(): Uint8Array;
  // The next five: only after `addBulk` has added "thermocline-bulk.wasm" to the instance.
  /**
   * Makes records that are inserted from here on wait until `endBulk`. Returns false, and holds nothing, if the index
   * is not empty, if its codes or options do not suit, or if records wait for another reason; records that wait for
   * that are linked together if they are many enough.
   */
  beginBulk(): boolean;
  /** Ends the wait. `linkSlice` links the records. */
  endBulk(): void;
  /** Starts a compaction that also puts the index in graph order. */
  packStart(): void;
  /**
   * The part of this index that begins at a slot: 0, or the one that `take` has returned for the part before. No record
   * may wait, and nothing may change from the first part to the last.
   */
  carry(slot: number): Uint8Array;
  /**
   * Takes the next part of another index, the first one included. Returns the slot at which the part after it begins,
   * undefined once this index has all of the other's records.
   */
  take(part: Uint8Array): number | undefined;
  // From here to `closeStore`: only for an index in a store. An instance for an index in memory lacks these members.
  /**
   * True when more records are in memory than the budget allows. A checkpoint, which evicts them, should then be made
   * soon.
   */
  readonly overBudget: boolean;
  /** True while records wait to be linked together, or are being linked so. A checkpoint need not wait for that. */
  readonly linksTogether: boolean;
  /** True while product codes are being trained. `linkSlice` trains them. */
  readonly isTraining: boolean;
  /**
   * Reads the blocks that a call threw as `Cold`. Once they are in memory, calls `retry`, which repeats that call
   * before the blocks of another call replace them. `retry` returns true if it needs still more blocks.
   */
  fetch(blocks: Uint32Array, retry: () => boolean): Promise<void>;
  /**
   * Exports the index. Records that are only in the store are read one part at a time, and each part is dropped after
   * use. Calls `check` after each part, and rejects with the error that `check` throws. LOCKED if the index changed
   * during every attempt.
   */
  exportStored(check: () => unknown): Promise<Uint8Array>;
  /**
   * Reads some of the records that no call has needed yet, while there is room. Returns true while there are more to
   * read.
   */
  readAhead(): Promise<boolean>;
  /** True if the index is open for reading only: every change is READ_ONLY. */
  readonly readOnly: boolean;
  /** Stores a newly imported index in IndexedDB from now on. INVALID_OPTION if an index of that name exists already. */
  attachIndexedDb(name: string, strict: boolean): Promise<void>;
  /** Stores a newly imported index in `store` from now on. INVALID_OPTION if there is an index in it already. */
  attachStore(store: Store): Promise<void>;
  /** True when the log lacks some of the changes. */
  readonly hasUncommitted: boolean;
  /**
   * Opens a frame of the log (true) or ends it (false). All changes in a frame are one change to the store. Do not
   * commit or make a checkpoint while a frame is open.
   */
  hold(holds: boolean): void;
  /** Writes all changes to the log. */
  commit(): Promise<void>;
  /** True when the log has grown enough for a checkpoint. */
  readonly checkpointDue: boolean;
  /**
   * Writes everything that has changed, in slices between which all synchronous calls are allowed. Links all pending
   * records before the first slice, unless they are linked together.
   */
  checkpoint(): Promise<void>;
  /**
   * Completes a compaction in the store, and returns the number of bytes by which its blocks shrank. With `erases`, no
   * data that was deleted, committed and compacted away earlier is left in the store. `told` gets the share that is
   * done, from 0 to 1, and must not throw.
   */
  compactStore(erases: boolean, told: (share: number) => void): Promise<number>;
  /** Ends the use of the store. Afterwards only `free` may be called. */
  closeStore(): Promise<void>;
  free(): void;
  readonly constructor: RawIndexClass;
}

/** Creates indexes. `options` may lack `dimensions` if there is an index already. */
export interface RawIndexClass {
  /** Adds the code of another wasm file to this class's instance. Call it once for each. */
  add(part: WebAssembly.Module): Promise<void>;
  create(options: object): RawIndex;
  import(bytes: Uint8Array, options: object): RawIndex;
  /** Makes an index that will `take` the parts of another one, of which this is the first. Only after `addBulk`. */
  carried(first: Uint8Array): RawIndex;
  openIndexedDb(name: string, options: object, strict: boolean, readOnly: boolean): Promise<RawIndex>;
  openStore(store: Store, options: object, readOnly: boolean): Promise<RawIndex>;
  destroyIndexedDb(name: string, onlyIfEmpty: boolean): Promise<void>;
}

/** One WebAssembly instance, which holds one index. Its memory is released with the index. */
export interface RawInstance {
  readonly RawIndex: RawIndexClass;
  readonly memory: WebAssembly.Memory;
}

/**
 * Creates a fresh instance of the module, which is compiled once. `stored` says whether its index will be in a store,
 * which takes a second module. OUT_OF_MEMORY if the platform cannot provide its memory. CORRUPT if the two modules have
 * different versions.
 */
export async function freshInstance(stored: boolean): Promise<RawInstance> {
  const [module, storeModule] = await awake(() => Promise.all([
    compiledModule("thermocline.wasm"),
    stored ? compiledModule(STORE) : undefined,
  ]));
  const instance = await attempt(STORE, () => instantiate(module));
  if (storeModule) await attempt(STORE, () => instance.RawIndex.add(storeModule));
  return instance;
}

/** Adds the code for bulk builds and graph order to an instance, once. Errors as those of `freshInstance`. */
export async function addBulk(Raw: RawIndexClass): Promise<void> {
  const module = await awake(() => compiledModule(BULK));
  // A caller's `locateWasm` may know nothing of this file, and say where another is.
  if (!WebAssembly.Module.exports(module).some(({ name }) => name === "rawindex_beginBulk")) {
    fail("CORRUPT", `${BULK}: it is another file`);
  }
  await attempt(BULK, () => Raw.add(module));
}

/** Runs `run`, which needs room in memory. CORRUPT if the code that it adds from `file` is of another version. */
async function attempt<T>(file: WasmFile, run: () => Promise<T>): Promise<T> {
  try {
    return await awake(run);
  } catch (error) {
    if (error instanceof WebAssembly.LinkError) {
      fail("CORRUPT", `thermocline.wasm and ${file} do not belong together: ${error.message}`, error);
    }
    fail("OUT_OF_MEMORY", `no room for another WebAssembly instance: ${(error as Error).message}`, error);
  }
}
