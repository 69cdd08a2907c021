// The core's index with its life: open, closed, or failed. Every call into the core passes here.
import { ThermoclineError, type ErrorCode } from "./errors.js";
import { fail } from "./guard.js";
import type { RawIndex, RawInstance } from "./raw.js";

/** Carries what a caller's own callback threw through the core, unchanged. */
export class CallerFault {
  constructor(readonly error: unknown) {}
}

export class Handle {
  #raw: RawIndex | undefined;
  #memory: WebAssembly.Memory | undefined;
  #failure: unknown;
  #inFilter = false;
  /** False as long as no record can have a payload: a search then need not ask for any. */
  mayHavePayloads = true;
  /** Told when the index closes, so that a call that waits for its caller's data need not wait on. */
  readonly onClose = new Set<() => void>();

  /** Makes the core's index in an instance of its own. */
  constructor(instance: RawInstance, make: (RawIndex: RawInstance["RawIndex"]) => RawIndex) {
    this.#memory = instance.memory;
    try {
      this.#raw = make(instance.RawIndex);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  get memoryBytes(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  get isClosed(): boolean {
    return this.#raw === undefined;
  }

  /** Neither closed nor failed. */
  get isOpen(): boolean {
    return this.#raw !== undefined && this.#failure === undefined;
  }

  /** Calls into the core. CLOSED after close; after a trap, nothing is let in any more. */
  call<T>(use: (raw: RawIndex) => T): T {
    const raw = this.checkOpen();
    try {
      return use(raw);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** The core's index, or why there is none. */
  checkOpen(): RawIndex {
    const raw = this.checkClosable();
    if (this.#failure !== undefined) throw this.#explain(this.#failure);
    return raw;
  }

  /** As `checkOpen`, for closing: a failed index can still be closed. */
  checkClosable(): RawIndex {
    if (this.#raw === undefined) fail("CLOSED", "the index is closed");
    if (this.#inFilter) fail("INVALID_FILTER", "a filter must not use the index that it filters");
    return this.#raw;
  }

  /**
   * A caller's predicate as the core may call it: only booleans come back, and what it throws reaches its caller unchanged.
   * The core finishes its walk before it hands that on, so from then on nothing passes and the predicate is left alone.
   */
  guardFilter<A>(filter: (argument: A) => unknown): (argument: A) => boolean {
    let failed = false;
    return (argument) => {
      if (failed) return false;
      this.#inFilter = true;
      try {
        const keep = filter(argument);
        if (typeof keep !== "boolean") fail("INVALID_FILTER", `filter: expected it to return true or false, got ${typeof keep}`);
        return keep;
      } catch (error) {
        failed = true;
        throw new CallerFault(error);
      } finally {
        this.#inFilter = false;
      }
    };
  }

  /** Ends the index; the instance and its memory are the garbage collector's from here on. */
  close(): void {
    const raw = this.#raw;
    this.#raw = this.#memory = undefined;
    for (const told of this.onClose) told();
    this.onClose.clear();
    // After a trap its destructor might trap again.
    if (this.#failure === undefined) raw?.free();
  }

  /**
   * What a caller should see. An error of the core has a code. One without is a trap or a fault inside the core, after which
   * its memory may be half changed: the index is given up rather than left to answer wrongly.
   */
  #explain(error: unknown): unknown {
    if (error instanceof ThermoclineError) return error;
    if (error instanceof CallerFault) return error.error;
    const { code, message } = error as { code?: ErrorCode; message?: string };
    if (typeof code === "string") return new ThermoclineError(code, String(message));
    this.#failure = error;
    return new ThermoclineError(
      "CORRUPT",
      `the index failed inside WebAssembly and cannot be used any more (${message ?? error}); close it and make or import another`,
      { cause: error },
    );
  }
}
