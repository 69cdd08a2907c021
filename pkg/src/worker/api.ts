// What "thermocline/worker" exports, on every platform: the interface of "thermocline", of an index that runs in a worker of its own.
import type { Filter, IndexOptions, OpenOptions, SearchOptions as PlainSearchOptions, Hit, Vector } from "../types.js";
import type { VectorIndex as Plain } from "../vector-index.js";
import { WorkerIndex } from "./vector-index.js";

export { ThermoclineError, type ErrorCode } from "../errors.js";
export type * from "../store.js";
export type * from "../types.js";

/** As in "thermocline", but a filter is an object: a function cannot go to a worker, and is INVALID_FILTER. */
export interface SearchOptions extends Omit<PlainSearchOptions, "filter"> {
  /** Only records whose payload is like this. */
  filter?: Filter;
}

/**
 * The index of "thermocline" in a worker of its own, which `close` ends: whatever it does, the caller's thread is free. Calls are
 * answered in their order. An index of "thermocline" is one of these too, to TypeScript.
 *
 * `size`, `deletedCount` and `needsCompaction` are as of the last call that has settled. Vectors, rows and bytes are copied when the
 * call is made. `maintain` asks the worker for a slice, and says whether there was work as of the last one that has ended.
 * When the worker is gone (ended from outside, out of memory), every call and every property is CLOSED or OUT_OF_MEMORY, and says so.
 */
export interface VectorIndex extends Pick<Plain, Exclude<keyof Plain, "search">> {
  /** As in "thermocline", but that a filter is an object. A signal that fires ends the call at once. */
  search(query: Vector, options?: SearchOptions): Promise<Hit[]>;
}

/** What makes indexes: each of these starts a worker. NOT_FOUND when that cannot be done. */
export interface VectorIndexClass extends Function {
  readonly prototype: VectorIndex;
  /** As in "thermocline". */
  memory(options: IndexOptions): Promise<VectorIndex>;
  /** As in "thermocline". A Store of your own stays with you: the worker asks for what it needs. */
  open(name: string, options?: OpenOptions): Promise<VectorIndex>;
  /** As in "thermocline". */
  import(bytes: Uint8Array, options?: OpenOptions & { name?: string }): Promise<VectorIndex>;
  /** As in "thermocline". */
  destroy(name: string, options?: Pick<OpenOptions, "store">): Promise<void>;
}

export const VectorIndex: VectorIndexClass = WorkerIndex as unknown as VectorIndexClass;
