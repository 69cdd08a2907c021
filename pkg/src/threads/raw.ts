// As ../raw.ts, for the module whose memory is shared: its additional members, and its instances.
import instantiate from "thermocline-shared-glue";
import { fail } from "../guard.js";
import { compiledModule } from "../module.js";
import type { RawIndex as Plain, RawIndexClass as PlainClass, RawInstance as PlainInstance } from "../raw.js";
import { awake } from "../turn.js";
import type { Id } from "../types.js";

export type * from "../raw.js";

/** Smallest limit of a memory, in pages of 64 KiB. For an index that may not have these, threads are not worth it. */
const MIN_PAGES = 4096;

export interface RawIndexClass extends PlainClass {
  /**
   * Has `insertGathered` and `searchMany` share their work among `count` threads: this one, and others to be started.
   */
  startThreads(count: number): void;
}

export interface RawInstance extends PlainInstance {
  readonly RawIndex: RawIndexClass;
}

export interface RawIndex extends Plain {
  readonly constructor: RawIndexClass;
  /** Number of records that should be gathered now. It depends only on the index. */
  readonly batchLength: number;
  /**
   * Adds a record to those that `insertGathered` inserts. Without an id it gets the next number that was never used.
   */
  gather(id: unknown, vector: Float32Array, kind: number, bytes: Uint8Array | undefined, expires: number | undefined): void;
  /** Inserts the gathered records, all or none. Returns their ids. */
  insertGathered(): Id[];
  /** Drops the gathered records. */
  forgetGathered(): void;
  /**
   * The address in memory where `count` queries are to be written one after the other, as Float32. Valid until the next
   * call.
   */
  queriesAt(count: number): number;
  /**
   * Searches for the queries at `queriesAt`. Returns the address in memory of their hits, one query after the other,
   * each in the form of `search`.
   */
  searchMany(k: number | undefined, ef: number | undefined, rerank: boolean | undefined): number;
}

/** Makes a fresh instance in a memory of its own. OUT_OF_MEMORY when the platform has no room for it. */
export async function freshInstance(): Promise<RawInstance> {
  const module = await awake(() => compiledModule("thermocline-threads.wasm"));
  try {
    return await awake(() => instantiate(module, sharedMemory));
  } catch (error) {
    fail("OUT_OF_MEMORY", `no room for another WebAssembly instance: ${(error as Error).message}`, error);
  }
}

/**
 * Makes a shared memory. A platform may reserve the whole maximum at once, so when it refuses, a smaller maximum is
 * tried.
 */
function sharedMemory(initial: number, most: number): WebAssembly.Memory {
  for (let maximum = most; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial, maximum, shared: true });
    } catch (error) {
      if (maximum <= MIN_PAGES) throw error;
    }
  }
}
