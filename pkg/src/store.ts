// Where an index is kept: what a place for bytes must do, whoever wrote it.

/**
 * Any place for bytes: keys in, bytes out. Pass one of your own to `open` and the index lives there.
 *
 * A **key** is 1 to 64 characters of `a-z`, `0-9`, `-`, `.` and `/`, where `/` separates parts that are not empty and do not
 * begin with a dot. `commit`, and whatever begins with `lock.`, are no keys. A **value** is replaced as a whole by `commit`,
 * or grows at its end by `append`. A value of no bytes is a value: its key is read and listed like any other.
 * A store without `append` is also given the names of pieces, which follow the key they belong to: `~` and ten digits.
 *
 * What must hold:
 *
 * - Calls are made one after the other. Only reads may be under way together, and beside any other call but `close`, as long
 *   as that does not change what they read.
 * - What a call that has succeeded wrote is seen by every read after it, and by whoever opens the same place later, also
 *   after the process was killed; with strict durability, also after the machine lost its power.
 * - A commit that failed, or was cut off by a kill, has changed everything or nothing.
 * - An append that failed, or was cut off, has added any number of the first of its bytes, down to none. The index can tell
 *   where the last whole one ends, and does not append to that value again.
 * - Bytes handed in are the caller's again once the promise has settled, so what is kept is a copy; and often they are a view
 *   into a larger buffer. Bytes handed out are the caller's.
 *
 * A failure is a rejection. One that is a ThermoclineError reaches the index's caller with its code, QUOTA_EXCEEDED for
 * instance; anything else becomes STORE_FAILED.
 */
export interface Store {
  /** The values of `keys`, in their order; undefined for a key without a value. A key may be asked for twice. */
  read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** Makes all changes, or none. No key is named twice; a key to be deleted may have no value. */
  commit(batch: Batch): Promise<void>;
  /** Adds to the end of a value, which begins empty; as durable as a commit. Without this method the log is written as small values. */
  append?(key: string, bytes: Uint8Array): Promise<void>;
  /** The keys that begin with `prefix`, each once, in no order. The prefix is any beginning of a key, the empty one too. */
  list(prefix: string): Promise<string[]>;
  /** Ends the use of the place, and gives back what held it. The last call. */
  close(): Promise<void>;
}

/** What a commit changes: new values, each in place of the one there was, and keys that have no value any more. */
export interface Batch {
  puts: readonly [string, Uint8Array][];
  deletes: readonly string[];
}

/**
 * What a write that has succeeded outlives: both outlive the process, and "strict" appends the machine's loss of power too.
 * A commit is whole or absent with either.
 */
export type Durability = "strict" | "relaxed";

/** "readwrite" is for one at a time: the second is LOCKED. "readonly" is for any number, beside a writer too, and changes nothing. */
export type Mode = "readwrite" | "readonly";

/** How a place is opened. */
export interface StoreOptions {
  /** Default "relaxed". */
  durability?: Durability;
  /** Default "readwrite". */
  mode?: Mode;
}
