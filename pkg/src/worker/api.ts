// The exports of "thermocline/worker" on every platform: those of "thermocline", for an index in its own worker.
import type { WasmLocator } from "../locate-wasm.js";
import type {
  Filter, Hit, IndexOptions, ManyHits, OpenOptions, SearchManyOptions as PlainSearchManyOptions,
  SearchOptions as PlainSearchOptions, Vector,
} from "../types.js";
import type { VectorIndex as Plain } from "../vector-index.js";
import { locateWith } from "./files.js";
import { WorkerIndex } from "./vector-index.js";

export { ThermoclineError, type ErrorCode } from "../errors.js";
export type { WasmLocator, WasmSource } from "../locate-wasm.js";
export type * from "../store.js";
export type * from "../types.js";

/**
 * Options of `search`, as in "thermocline" except that a filter must be an object. A function is INVALID_FILTER,
 * because it cannot be sent to a worker.
 */
export interface SearchOptions extends Omit<PlainSearchOptions, "filter"> {
  /** Conditions on the payloads of the hits. */
  filter?: Filter;
}

/** Options of `searchMany`, as in "thermocline" except that a filter must be an object. */
export interface SearchManyOptions extends Omit<PlainSearchManyOptions, "filter"> {
  /** Conditions on the payloads of the hits. */
  filter?: Filter;
}

/**
 * The index of "thermocline" in its own worker, which `close` ends. Nothing the index does blocks the caller's thread.
 * Calls begin in the order in which they are made. In TypeScript, an index of "thermocline" is assignable to this type.
 *
 * `size`, `deletedCount` and `needsCompaction` are as of the last settled call. Vectors, rows and bytes are copied when
 * the call is made. `maintain` asks the worker for a slice, and returns whether work was left after the last completed
 * slice. If the worker is gone (terminated from outside, or out of memory), every call and every property is CLOSED or
 * OUT_OF_MEMORY, with a message that says so.
 */
export interface VectorIndex extends Pick<Plain, Exclude<keyof Plain, "search" | "searchMany">> {
  /**
   * Returns the nearest live records, as in "thermocline". A filter must be an object. The call ends as soon as the
   * signal fires.
   */
  search(query: Vector, options?: SearchOptions): Promise<Hit[]>;
  /** Answers many queries, as in "thermocline". A filter must be an object. */
  searchMany(queries: Float32Array | readonly Vector[], options?: SearchManyOptions): Promise<ManyHits>;
}

/** Creates indexes. Each call starts a worker; NOT_FOUND if that is not possible. */
export interface VectorIndexClass extends Function {
  readonly prototype: VectorIndex;
  /** Creates an empty index that is not stored, as in "thermocline". */
  memory(options: IndexOptions): Promise<VectorIndex>;
  /**
   * Opens or creates the index of this name, as in "thermocline". Your own Store stays in your thread: its methods are
   * called there on behalf of the worker.
   */
  open(name: string, options?: OpenOptions): Promise<VectorIndex>;
  /** Creates an index from the bytes that `export` returned, as in "thermocline". */
  import(bytes: Uint8Array, options?: OpenOptions & { name?: string }): Promise<VectorIndex>;
  /** Removes the index of this name, as in "thermocline". */
  destroy(name: string, options?: Pick<OpenOptions, "store">): Promise<void>;
}

export const VectorIndex: VectorIndexClass = WorkerIndex as unknown as VectorIndexClass;

/**
 * Sets the function that says where the wasm files are, as in "thermocline", for all workers started from now on. It is
 * called for each file when a worker is started. Bytes are copied to the worker; a WebAssembly.Module is not compiled
 * again.
 */
export function locateWasm(locate: WasmLocator): void {
  locateWith(locate);
}
