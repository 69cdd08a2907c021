// Reads of records that are only in the store, for the calls that need them.
import { unlessAborted } from "../abort.js";
import { isCold, type Cold } from "../core-error.js";
import { ThermoclineError } from "../errors.js";
import { checkAborted } from "../guard.js";
import type { Handle } from "../handle.js";
import type { RawIndex } from "../raw.js";
import type { WorkQueue } from "./work-queue.js";

/** An export starts over at most this many times because the index has moved into another instance. */
const MAX_RESTARTS = 3;

export class RecordReads {
  readonly #handle: Handle;
  readonly #queue: WorkQueue;
  /** Number of calls waiting for records. */
  #waitingCalls = 0;
  /** Settles when all reads so far have ended. Never rejects. */
  #settled: Promise<unknown> = Promise.resolve();

  constructor(handle: Handle, queue: WorkQueue) {
    this.#handle = handle;
    this.#queue = queue;
  }

  /** True while a call waits for records. */
  get hasWaitingCalls(): boolean {
    return this.#waitingCalls > 0;
  }

  /** Settles when all reads so far have ended. Never rejects. */
  settled(): Promise<unknown> {
    return this.#settled;
  }

  /**
   * Calls into the core, at once. If the call needs records that are only in the store, they are read and `use` is
   * called again. ABORTED once the signal fires, whether or not the store has answered.
   */
  withRecords<T>(use: (raw: RawIndex) => T, signal?: AbortSignal): T | Promise<T> {
    try {
      return this.#handle.call(use);
    } catch (error) {
      if (this.#handle.isCallers(error) || !isCold(error)) throw error;
      return unlessAborted(signal, this.#fetchThenRetry(error, use, signal));
    }
  }

  async #fetchThenRetry<T>({ blocks }: Cold, use: (raw: RawIndex) => T, signal: AbortSignal | undefined): Promise<T> {
    let outcome: T | Promise<T>;
    // An error of the caller's own filter must not pass through the core.
    let thrown: { error: unknown } | undefined;
    const retry = (): boolean => {
      try {
        checkAborted(signal);
        outcome = this.withRecords(use, signal);
      } catch (error) {
        thrown = { error };
      }
      // True if it needs still more records, which are already being read.
      return outcome instanceof Promise;
    };
    await this.#forCaller((raw) => raw.fetch(blocks, retry));
    if (thrown) throw (thrown as { error: unknown }).error;
    return outcome!;
  }

  /** Exports the index. Records that are only in the store are read in parts, and each part is dropped after use. */
  async export(): Promise<Uint8Array> {
    const handle = this.#handle;
    const exportAll = (raw: RawIndex): Uint8Array => raw.export();
    try {
      return handle.call(exportAll);
    } catch (error) {
      if (!isCold(error)) throw error;
    }
    for (let restarts = 0; ; restarts += 1) {
      let from: RawIndex | undefined;
      const hasMoved = (): boolean => handle.checkOpen() !== from;
      const check = (): void => {
        if (hasMoved()) throw new ThermoclineError("LOCKED", "the index is in another instance");
      };
      try {
        return await this.#forCaller((raw) => (from = raw).exportStored(check));
      } catch (error) {
        // After a move every failure has the same cause: the old instance has lost its store, or the new one has
        // changed it.
        if (handle.isOpen && hasMoved()) {
          if (restarts < MAX_RESTARTS) continue;
        } else if ((error as ThermoclineError).code !== "LOCKED") {
          throw error;
        }
        // The index changes too often to be read in parts, so all records are read into memory and it is exported at
        // once.
        return this.withRecords(exportAll);
      }
    }
  }

  /** Reads some of the records that no call has needed yet. Returns true while there are more to read. */
  prefetch(): Promise<boolean> {
    return this.#track(this.#handle.callInternally((raw) => raw.readAhead()));
  }

  /** Reads for a waiting call. */
  async #forCaller<T>(read: (raw: RawIndex) => Promise<T>): Promise<T> {
    this.#waitingCalls += 1;
    try {
      return await this.#track(this.#handle.callInternally(read));
    } finally {
      this.#waitingCalls -= 1;
    }
  }

  /**
   * Keeps the store from being closed before the read ends. If closing takes too long, the caller gets that error and
   * stops waiting.
   */
  #track<T>(read: Promise<T>): Promise<T> {
    // The results are dropped: otherwise each promise would keep all earlier ones alive.
    this.#settled = Promise.allSettled([this.#settled, read]).then(() => {});
    return this.#queue.orTimeout(read);
  }
}
