// As ../raw.ts, of the module whose memory is shared: what it has besides, and its instances.
import instantiate from "thermocline-shared-glue";
import { fail } from "../guard.js";
import { compiledModule } from "../module.js";
import type { RawIndex as Plain, RawIndexClass as PlainClass, RawInstance as PlainInstance } from "../raw.js";
import { awake } from "../turn.js";
import type { Id } from "../types.js";

export type * from "../raw.js";

/** Pages of memory, 64 KiB each: an index that may not have these is not worth its threads. */
const LEAST_PAGES = 4096;

export interface RawIndexClass extends PlainClass {
  /** Shares the work of the calls below among so many threads, this one and others that are to be started. */
  startThreads(count: number): void;
}

export interface RawInstance extends PlainInstance {
  readonly RawIndex: RawIndexClass;
}

export interface RawIndex extends Plain {
  readonly constructor: RawIndexClass;
  /** How many records should be gathered now: a number that only the index decides. */
  readonly batchLength: number;
  /** Adds a record to those for `insertGathered`; without an id it gets the next number. */
  gather(id: unknown, vector: Float32Array, kind: number, bytes: Uint8Array | undefined, expires: number | undefined): void;
  /** Inserts them, all or none. */
  insertGathered(): Id[];
  forgetGathered(): void;
  /** As `queryAt`, for so many, one after the other. */
  queriesAt(count: number): number;
  /** As `search` for each of them; the hits lie one after the other, too. */
  searchMany(k: number | undefined, ef: number | undefined, rerank: boolean | undefined): number;
}

/** A fresh instance in a memory of its own. OUT_OF_MEMORY when the platform has no room for that. */
export async function freshInstance(): Promise<RawInstance> {
  const module = await awake(() => compiledModule("thermocline-threads.wasm"));
  try {
    return await awake(() => instantiate(module, sharedMemory));
  } catch (error) {
    fail("OUT_OF_MEMORY", `no room for another WebAssembly instance: ${(error as Error).message}`, error);
  }
}

/**
 * Of a memory that is shared a platform may lay aside all that it can become, so it is asked for less where that is
 * refused.
 */
function sharedMemory(initial: number, most: number): WebAssembly.Memory {
  for (let maximum = most; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial, maximum, shared: true });
    } catch (error) {
      if (maximum <= LEAST_PAGES) throw error;
    }
  }
}
