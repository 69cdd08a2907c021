// The contract of a store, whether it is one of this package or a caller's own.

/**
 * A place for bytes: keys in, bytes out. Pass your own to `open` to store the index there.
 *
 * A **key** is 1 to 64 characters of `a-z`, `0-9`, `-`, `.` and `/`. `/` separates parts, which are never empty and
 * never begin with a dot. `commit` and anything that begins with `lock.` are never keys. A **value** is replaced as a
 * whole by `commit` or extended by `append`. An empty value is a value: its key is read and listed like any other. A
 * store without `append` also gets keys of pieces: the key they belong to, followed by `~` and ten digits.
 *
 * Requirements:
 *
 * - The index makes one call at a time, with one exception: reads may overlap each other and any call but `close`, as
 *   long as that call does not change the values being read.
 * - Whatever a successful call wrote is seen by every later read, and by anyone who opens the same place later, even if
 *   the process was killed. With strict durability this also holds after a power failure.
 * - A commit that failed, or was interrupted by a kill, has made all of its changes or none.
 * - An append that failed, or was interrupted, has added a prefix of its bytes, possibly empty. The index can tell
 *   where the last complete append ends, and does not append to that value again.
 * - Bytes passed to a call belong to the index again once the promise settles, so a store that keeps them must copy
 *   them. They are often a view into a larger buffer. Bytes returned by a call belong to the index.
 *
 * Report failures by rejecting. A ThermoclineError reaches the caller of the index with its code, for example
 * QUOTA_EXCEEDED. Any other error becomes STORE_FAILED.
 */
export interface Store {
  /** Returns the values of `keys`, in their order; undefined for a key without a value. A key may occur twice. */
  read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** Makes all changes or none. No key occurs twice. A key to be deleted need not have a value. */
  commit(batch: Batch): Promise<void>;
  /**
   * Adds bytes to the end of a value, creating it if there is none. As durable as a commit. For a store without this
   * method, the log is written as small values.
   */
  append?(key: string, bytes: Uint8Array): Promise<void>;
  /**
   * Returns the keys that begin with `prefix`, each once, in any order. The prefix may be empty or end anywhere in a
   * key.
   */
  list(prefix: string): Promise<string[]>;
  /** Ends the use of the place and releases its lock. Called when an index is closed. No call follows. */
  close(): Promise<void>;
}

/** The changes of a commit. */
export interface Batch {
  /** New values, each replacing any value that its key had. */
  puts: readonly [string, Uint8Array][];
  /** Keys whose values are removed. */
  deletes: readonly string[];
}

/**
 * What a successful write survives: with "relaxed" the end of the process, with "strict" also a power failure. With
 * either, a commit is complete or absent.
 */
export type Durability = "strict" | "relaxed";

/**
 * "readwrite" allows one index at a time: opening a second one is LOCKED. "readonly" allows any number of indexes, even
 * while another one writes, and changes nothing.
 */
export type Mode = "readwrite" | "readonly";

/** Options of opening a place. */
export interface StoreOptions {
  /** What a write waits for. Default "relaxed". */
  durability?: Durability;
  /** Whether the place may be changed. Default "readwrite". */
  mode?: Mode;
}
