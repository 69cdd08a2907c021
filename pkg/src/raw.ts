// The one place where generated code enters. Everything else sees these interfaces.
import instantiate from "thermocline-glue";
import { fail } from "./guard.js";
import { compiledModule } from "./module.js";
import type { Store } from "./store.js";
import { awake } from "./turn.js";
import type { CheckReport, CompactionReport, Id, Metric, Progress, Stats } from "./types.js";

/**
 * The core's own class. What returns no promise is synchronous; failures are errors with a `code`. A slot is valid only until
 * the next call that changes the index. Payloads are bytes with a kind, see payload.ts.
 *
 * Of a stored index, changes are made in memory at once and wait there until `commit` brings them into the log. Commits and
 * checkpoints are made one after the other, and `free` is legal only when none is under way; see keeper.ts. What reads records
 * throws `Cold` (handle.ts) when they are in the store only.
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
  /** `expires` is the moment from which on the record counts as deleted, in milliseconds since 1970; undefined: never. */
  insert(vector: Float32Array, kind: number, bytes: Uint8Array | undefined, expires: number | undefined): number;
  insertWithId(id: unknown, vector: Float32Array, kind: number, bytes: Uint8Array | undefined, expires: number | undefined): void;
  upsert(id: unknown, vector: Float32Array, kind: number, bytes: Uint8Array | undefined, expires: number | undefined): void;
  /** Deletes what has expired by `now`, and says when the next record expires; Infinity when none does. */
  expire(now: number): number;
  reserve(count: number): void;
  /** The address at which the query of the next search is to be written, in Float32. Good until the next call, as that of hits. */
  queryAt(): number;
  /** The address of the hits, in Float64: how many, and for each its slot, its id (NaN when it is a string), its distance. */
  search(k: number | undefined, ef: number | undefined, rerank: boolean | undefined, filter: ((id: Id) => boolean) | undefined): number;
  idAt(slot: number): Id;
  vectorAt(slot: number): Float32Array;
  payloadsAt(slots: Uint32Array): Uint8Array;
  locate(id: unknown): number;
  delete(id: unknown): boolean;
  clear(): void;
  /** One that also `packs` puts the index in graph order. */
  compactStart(packs: boolean): void;
  compactStep(budgetMs: number): boolean;
  /** Of the job under way. */
  compactProgress(): Progress | undefined;
  /** Of the job that ended last. */
  compactReport(): CompactionReport | undefined;
  compactAbort(): void;
  /** Trains product codes, and links some of the records that wait for that, or that opening has found in logs. True while there is more to do. */
  linkSlice(budgetMs: number): boolean;
  stats(): Omit<Stats, "wasmMemoryBytes">;
  check(): CheckReport;
  export(): Uint8Array;
  // From here to `closeStore` for an index in a store only: an instance that was made for none has none of these.
  /** More records are in memory than may be: a checkpoint, which gives them up, should not wait. */
  readonly overBudget: boolean;
  /**
   * Reads the blocks that a call has thrown as `Cold`. `again` makes that call once more when they are there, and before others
   * make room for theirs.
   */
  fetch(blocks: Uint32Array, again: () => boolean): Promise<void>;
  /**
   * As `export`, with records that are in the store only: they are read a part at a time, and given up again. After each part
   * `check` is called, and ends it by what it throws. LOCKED when the index has changed each time meanwhile.
   */
  exportStored(check: () => unknown): Promise<Uint8Array>;
  /** Reads some of the records that no call has needed yet, as long as there is room. False when there is nothing to read. */
  readAhead(): Promise<boolean>;
  /** Opened for reading only: every change is READ_ONLY. */
  readonly readOnly: boolean;
  /** An index that was just imported is stored there from now on. INVALID_OPTION when there is something already. */
  attachIndexedDb(name: string, strict: boolean): Promise<void>;
  attachStore(store: Store): Promise<void>;
  /** There are changes that the log does not have. Always false for an index in memory. */
  readonly hasUncommitted: boolean;
  /**
   * From here to `hold(false)`, whatever changes is one change to the store. Meanwhile nothing may be committed that comes after it, and no
   * checkpoint be made.
   */
  hold(holds: boolean): void;
  commit(): Promise<void>;
  /** The log has grown enough. */
  readonly checkpointDue: boolean;
  /** Writes what has changed, in slices, between which all synchronous calls are legal. Whatever waits to be linked is, before the first. */
  checkpoint(): Promise<void>;
  /**
   * Brings a compaction to its end in the store: by how many bytes its blocks have become shorter. When it `erases`, nothing of what was
   * deleted, committed and compacted away before is left there.
   */
  compactStore(erases: boolean): Promise<number>;
  /** Ends the use of the store; after it only `free` is legal. */
  closeStore(): Promise<void>;
  free(): void;
}

/** What makes indexes. `options` may lack `dimensions` where an index is that has them. */
export interface RawIndexClass {
  create(options: object): RawIndex;
  import(bytes: Uint8Array, options: object): RawIndex;
  openIndexedDb(name: string, options: object, strict: boolean, readOnly: boolean): Promise<RawIndex>;
  openStore(store: Store, options: object, readOnly: boolean): Promise<RawIndex>;
  destroyIndexedDb(name: string): Promise<void>;
}

/** One WebAssembly instance: an index of its own, whose memory goes when the index goes. */
export interface RawInstance {
  readonly RawIndex: RawIndexClass;
  readonly memory: WebAssembly.Memory;
}

/**
 * A fresh instance of the module, which is compiled once; `stored` says whether its index is going to be in a store, for which
 * there is a second module. OUT_OF_MEMORY when the platform has no room for its memory; CORRUPT when the two are of different versions.
 */
export async function freshInstance(stored: boolean): Promise<RawInstance> {
  const [module, storeModule] = await awake(() => Promise.all([compiledModule("thermocline.wasm"), stored ? compiledModule("thermocline-store.wasm") : undefined]));
  try {
    return await awake(() => instantiate(module, storeModule));
  } catch (error) {
    if (error instanceof WebAssembly.LinkError) fail("CORRUPT", `thermocline.wasm and thermocline-store.wasm do not belong together: ${error.message}`, error);
    fail("OUT_OF_MEMORY", `no room for another WebAssembly instance: ${(error as Error).message}`, error);
  }
}
