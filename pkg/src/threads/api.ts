// What "thermocline/threads" exports, on every platform: the interface of "thermocline", and how many threads an index
// has.
import type { IndexOptions, OpenOptions } from "../types.js";
import { VectorIndex as Plain } from "../vector-index.js";

export { ThermoclineError, type ErrorCode } from "../errors.js";
export type * from "../store.js";
export type * from "../types.js";

/** What an index with threads takes besides. */
export interface ThreadsOptions {
  /**
   * How many threads share the work of `insertMany` and `searchMany`, the caller's among them: 1 to 64. Without it as
   * many as the machine has cores, at most 8.
   */
  readonly threads?: number;
}

/**
 * The index of "thermocline", with threads of its own from the moment it is made until it is closed: `insertMany` and
 * `searchMany` are done by all of them. The results do not depend on how many there are. In memory only: `open`,
 * `destroy` and a `name` are INVALID_OPTION.
 */
export type VectorIndex = Plain;

export const VectorIndex = Plain as typeof Plain & {
  /**
   * An empty index. NO_THREADS where there can be none: in a page that is not cross-origin isolated, and outside of a
   * worker.
   */
  memory(options: IndexOptions & ThreadsOptions): Promise<VectorIndex>;
  /** An index from what `export` returned. NO_THREADS as for `memory`. */
  import(bytes: Uint8Array, options?: OpenOptions & ThreadsOptions): Promise<VectorIndex>;
};
