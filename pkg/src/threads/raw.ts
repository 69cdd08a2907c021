// As ../raw.ts, for the module with shared memory: its additional members and its instances.
import instantiate from "thermocline-shared-glue";
import { fail } from "../guard.js";
import { compiledModule } from "../module.js";
import type { RawIndex as Plain, RawIndexClass as PlainClass, RawInstance as PlainInstance } from "../raw.js";
import { awake } from "../turn.js";
import type { Id } from "../types.js";

export type * from "../raw.js";

/** Smallest memory limit, in pages of 64 KiB. For a smaller index, threads are not worthwhile. */
const MIN_PAGES = 4096;

export interface RawIndexClass extends PlainClass {
  /**
   * Makes `insertGathered` and `searchMany` share their work among `count` threads: this one, and others yet to be
   * started.
   */
  startThreads(count: number): void;
}

export interface RawInstance extends PlainInstance {
  readonly RawIndex: RawIndexClass;
}

export interface RawIndex extends Plain {
  readonly constructor: RawIndexClass;
  /** Number of records to gather now. It depends only on the index. */
  readonly batchLength: number;
  /**
   * Adds a record to those that `insertGathered` will insert. Without an id, it gets the next number that was never
   * used.
   */
  gather(id: unknown, vector: Float32Array, kind: number, bytes: Uint8Array | undefined, expires: number | undefined): void;
  /** Inserts the gathered records, all or none. Returns their ids. */
  insertGathered(): Id[];
  /** Drops the gathered records. */
  forgetGathered(): void;
  /**
   * The address in memory at which to write `count` queries one after the other, as Float32. Valid until the next call.
   */
  queriesAt(count: number): number;
  /**
   * Searches for the queries at `queriesAt`. Returns the address in memory of their hits, one query after the other,
   * each in the form of `search`.
   */
  searchMany(k: number | undefined, ef: number | undefined, rerank: boolean | undefined): number;
}

/** Creates a fresh instance in its own memory. OUT_OF_MEMORY if the platform cannot provide the memory. */
export async function freshInstance(): Promise<RawInstance> {
  const module = await awake(() => compiledModule("thermocline-threads.wasm"));
  try {
    return await awake(() => instantiate(module, sharedMemory));
  } catch (error) {
    fail("OUT_OF_MEMORY", `no room for another WebAssembly instance: ${(error as Error).message}`, error);
  }
}

/**
 * Creates a shared memory. A platform may reserve the whole maximum at once, so if it refuses, a smaller maximum is
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
