// What a store must do, whether it is one of this package or a caller's own.

/**
 * Any place for bytes: keys in, bytes out. Pass one of your own to `open`, and the index is stored there.
 *
 * A **key** is 1 to 64 characters of `a-z`, `0-9`, `-`, `.` and `/`. A `/` separates parts, which are not empty and do
 * not begin with a dot. `commit`, and anything that begins with `lock.`, is not a key. A **value** is replaced as a
 * whole by `commit`, or grows at its end by `append`. An empty value is a value: its key is read and listed like any
 * other. A store without `append` is also given keys of pieces: the key they belong to, followed by `~` and ten digits.
 *
 * What must hold:
 *
 * - Calls are made one after the other, with one exception. Reads may be under way together, and beside any other call
 *   but `close`, as long as that call does not change what they read.
 * - What a successful call has written is seen by every read after it, and by whatever opens the same place later, also
 *   after the process was killed. With strict durability this also holds after the machine has lost power.
 * - A commit that failed, or was cut off by a kill, has changed everything or nothing.
 * - An append that failed, or was cut off, has added any number of the first of its bytes, down to none. The index can
 *   tell where the last whole append ends, and does not append to that value again.
 * - Bytes that are passed to a call belong to the index again once the promise has settled, so keep a copy of them.
 *   They are often a view into a larger buffer. Bytes that a call returns belong to the index.
 *
 * A failure is a rejection. A ThermoclineError reaches the caller of the index with its code, QUOTA_EXCEEDED for
 * instance. Any other error becomes STORE_FAILED.
 */
export interface Store {
  /** Returns the values of `keys`, in their order; undefined for a key without a value. A key may occur twice. */
  read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** Makes all changes, or none. No key occurs twice. A key to be deleted may have no value. */
  commit(batch: Batch): Promise<void>;
  /**
   * Adds bytes to the end of a value, which is empty if there is none. It is as durable as a commit. For a store
   * without this method the log is written as small values.
   */
  append?(key: string, bytes: Uint8Array): Promise<void>;
  /**
   * Returns the keys that begin with `prefix`, each once, in any order. The prefix is any beginning of a key, or empty.
   */
  list(prefix: string): Promise<string[]>;
  /** Ends the use of the place and releases its lock. No call comes after it. */
  close(): Promise<void>;
}

/** The changes of a commit. */
export interface Batch {
  /** New values, each of which replaces the one that the key had. */
  puts: readonly [string, Uint8Array][];
  /** Keys that have no value afterwards. */
  deletes: readonly string[];
}

/**
 * What a successful write outlives. With "relaxed" it is the end of the process, with "strict" also a loss of power. A
 * commit is whole or absent with either.
 */
export type Durability = "strict" | "relaxed";

/**
 * "readwrite" is for one index at a time: opening a second one is LOCKED. "readonly" is for any number of indexes, also
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
