// The exports of "thermocline/threads" on every platform: those of "thermocline", plus an option for the number of
// threads.
import { ThermoclineError as PlainError, type ErrorCode as PlainCode } from "../errors.js";
import type { IndexOptions, OpenOptions } from "../types.js";
import { VectorIndex as Plain } from "../vector-index.js";

export { locateWasm, type WasmLocator, type WasmSource } from "../locate-wasm.js";
export type * from "../store.js";
export type * from "../types.js";

/** The codes of "thermocline", and one more. */
export type ErrorCode = PlainCode | "NO_THREADS";

/** The error class of "thermocline". */
export interface ThermoclineError extends Omit<PlainError, "code"> {
  readonly code: ErrorCode;
}

export const ThermoclineError = PlainError as unknown as {
  new (code: ErrorCode, message: string, options?: { cause?: unknown }): ThermoclineError;
  readonly prototype: ThermoclineError;
};

/** Additional options of an index with threads. */
export interface ThreadsOptions {
  /**
   * Number of threads that share the work of `insertMany` and `searchMany`, including the caller's, 1 to 64. Default:
   * the number of cores, at most 8.
   */
  readonly threads?: number;
}

/**
 * The index of "thermocline" with its own threads, from its creation until it is closed. All threads work on
 * `insertMany` and `searchMany`. The results do not depend on the number of threads. The index is in memory only:
 * `open`, `destroy` and a `name` are INVALID_OPTION.
 */
export type VectorIndex = Plain;

export const VectorIndex = Plain as typeof Plain & {
  /**
   * Creates an empty index. NO_THREADS where threads are not possible: in a page that is not cross-origin isolated, and
   * in a browser outside of a worker.
   */
  memory(options: IndexOptions & ThreadsOptions): Promise<VectorIndex>;
  /**
   * Creates an index from the bytes that `export` returned. NO_THREADS where threads are not possible: in a page that
   * is not cross-origin isolated, and in a browser outside of a worker.
   */
  import(bytes: Uint8Array, options?: OpenOptions & ThreadsOptions): Promise<VectorIndex>;
};
