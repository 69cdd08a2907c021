// The core's index with its life: open, closed, or failed. Every call into the core passes here.
//
// Closed is closed to callers: a stored index is still at work for its keeper then (keeper.ts), until it is freed.
import { ThermoclineError } from "./errors.js";
import type { Answers } from "./filter.js";
import { fail } from "./guard.js";
import type { RawIndex } from "./raw.js";
import type { Id } from "./types.js";
import { checkLength } from "./vector.js";

/** Carries what a caller's own callback threw through the core, unchanged. */
export class CallerFault {
  constructor(readonly error: unknown) {}
}

/** What the core throws, or a store: anything. */
type Thrown = Partial<ThermoclineError>;

/** A store's own error of this class, which says more than the core's account of it. A caller's store may throw anything, a revoked proxy too. */
function toldBy(cause: unknown): Thrown | undefined {
  try {
    const thrown = cause as Thrown | undefined;
    return thrown?.name === "ThermoclineError" && thrown.code ? thrown : undefined;
  } catch {
    return undefined;
  }
}

/** The error of the core as a caller should see it; undefined when it has no code, which is a trap or a fault inside the core. */
export function codedError(error: unknown): ThermoclineError | undefined {
  const told = toldBy((error as Thrown).cause) ?? (error as Thrown);
  if (told instanceof ThermoclineError) return told;
  const { code, message, cause } = told;
  return typeof code === "string" ? new ThermoclineError(code, String(message), cause === undefined ? cause : { cause }) : undefined;
}

/** What the core throws when a call needs records that are in the store only: the blocks that must be read for it. */
export interface Cold {
  readonly blocks: Uint32Array;
}

export function isCold(error: unknown): error is Cold {
  return (error as Cold | undefined)?.blocks instanceof Uint32Array;
}

/** What a fault inside the core is to a caller. */
export function trapped(error: unknown): ThermoclineError {
  const message = `the index failed inside WebAssembly and cannot be used any more (${(error as Error)?.message ?? error}); close it and make another`;
  return new ThermoclineError("CORRUPT", message, { cause: error });
}

export class Handle {
  #raw: RawIndex | undefined;
  #memory: WebAssembly.Memory | undefined;
  #floats = new Float32Array(0);
  #doubles = new Float64Array(0);
  #closed = false;
  #failure: unknown;
  #inFilter = false;
  /** What waits, in its order, until the index has moved into another instance. */
  #waiting: (() => void)[] | undefined;
  /** Why no change is taken any more, since a commit has failed. */
  refusal: ThermoclineError | undefined;
  /** False as long as no record can have a payload: a search then need not ask for any. */
  mayHavePayloads = true;
  /** No record expires before. */
  #nextExpiry = -Infinity;
  /** Told when records may have expired. */
  onExpired = (): void => {};
  /** What filter objects have said of records: see filter.ts. */
  readonly said = new Map<string, Answers>();
  /** Told when the index closes, so that a call that waits for its caller's data need not wait on. */
  readonly onClose = new Set<() => void>();

  constructor(raw: RawIndex, memory: WebAssembly.Memory) {
    this.#raw = raw;
    this.#memory = memory;
  }

  /** What the core's index lies in. */
  get memory(): WebAssembly.Memory | undefined {
    return this.#memory;
  }

  /** The memory as the core's `f64`. Good until the next call, which may make the memory larger. */
  get doubles(): Float64Array {
    return this.#doubles.length ? this.#doubles : (this.#doubles = new Float64Array(this.#memory!.buffer));
  }

  /** The same as its `f32`. */
  get floats(): Float32Array {
    return this.#floats.length ? this.#floats : (this.#floats = new Float32Array(this.#memory!.buffer));
  }

  /** Searches, within a call into the core; where in `doubles` the number of hits is, and behind it for each its slot, its id and its distance. */
  search(raw: RawIndex, query: Float32Array, dimensions: number, ...options: Parameters<RawIndex["search"]>): number {
    // Making room may make the memory larger, so it is looked at afterwards.
    const at = raw.queryAt() / Float32Array.BYTES_PER_ELEMENT;
    // Since it was looked at its caller may have given its buffer away, or made it longer.
    checkLength(query, dimensions);
    this.floats.set(query, at);
    return raw.search(...options) / Float64Array.BYTES_PER_ELEMENT;
  }

  get memoryBytes(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** After a trap. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Neither closed nor failed. */
  get isOpen(): boolean {
    return !this.#closed && !this.hasFailed;
  }

  /** Calls into the core, which by then has lost what has expired. CLOSED after close; after a trap, nothing is let in any more. */
  call<T>(use: (raw: RawIndex) => T): T {
    const raw = this.checkOpen();
    try {
      if (this.#nextExpiry < Infinity) this.#expire(raw);
      return use(raw);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /**
   * As `call`, for what changes records: refused once a commit has failed, when memory and log would part further. Not to be
   * called while the index is moving, when a change would stay behind.
   */
  change<T>(use: (raw: RawIndex) => T): T {
    this.checkOpen();
    this.checkTaken();
    return this.call(use);
  }

  /** As `change`, which while the index is moving is made after that, in the order of the calls. */
  changeLater<T>(use: (raw: RawIndex) => T): T | Promise<T> {
    if (!this.#waiting) return this.change(use);
    this.checkOpen();
    return new Promise((resolve, reject) => {
      this.#waiting!.push(() => {
        try {
          resolve(this.change(use));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** To be called after a record has gone in that expires at that moment. */
  expiresAt(moment: number): void {
    this.#nextExpiry = Math.min(this.#nextExpiry, moment);
  }

  /** To be called where a record gets this id, which may have been another's before; without an id, where that holds for any. */
  forget(id?: Id): void {
    for (const { of } of this.said.values()) {
      if (id === undefined) of.clear();
      else of.delete(id);
    }
  }

  #expire(raw: RawIndex): void {
    const now = Date.now();
    if (now < this.#nextExpiry) return;
    this.#nextExpiry = raw.expire(now);
    this.onExpired();
  }

  /** The index is on its way into another instance. */
  get isMoving(): boolean {
    return this.#waiting !== undefined;
  }

  /** Resolves when it has moved, or has not. It may be moving again when that is seen. */
  still(): Promise<void> {
    return new Promise((resolve) => (this.#waiting ? void this.#waiting.push(resolve) : resolve()));
  }

  /** From here to `settle`, changes wait. */
  hold(): void {
    this.#waiting ??= [];
  }

  settle(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const go of waiting) go();
  }

  /** Goes on with another of the core's indexes, which has the same in it; the one before, and by how much its memory was larger. */
  replace(raw: RawIndex, memory: WebAssembly.Memory): { old: RawIndex; returnedBytes: number } {
    const old = this.checkOpen();
    const returnedBytes = Math.max(0, this.memoryBytes - memory.buffer.byteLength);
    this.#raw = raw;
    this.#memory = memory;
    this.#forgetViews();
    this.#nextExpiry = -Infinity;
    this.forget();
    return { old, returnedBytes };
  }

  /** Throws when no change is taken any more. */
  checkTaken(): void {
    if (!this.refusal) return;
    const { code, message, cause } = this.refusal;
    throw new ThermoclineError(code, `the index takes no changes until it is opened again, since storing one has failed: ${message}`, { cause });
  }

  /** Calls into the core for the keeper of a stored index, also when it is closed to others. */
  async keep<T>(use: (raw: RawIndex) => T | Promise<T>): Promise<T> {
    if (this.hasFailed) throw trapped(this.#failure);
    if (!this.#raw) fail("CLOSED", "the index is closed");
    try {
      return await use(this.#raw);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** The core's index, or why there is none. */
  checkOpen(): RawIndex {
    const raw = this.checkClosable();
    if (this.hasFailed) throw trapped(this.#failure);
    return raw;
  }

  /** As `checkOpen`, for closing: a failed index can still be closed. */
  checkClosable(): RawIndex {
    if (this.#closed) fail("CLOSED", "the index is closed");
    if (this.#inFilter) fail("INVALID_FILTER", "a filter must not use the index that it filters");
    return this.#raw!;
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

  /** Closes the index to callers. */
  close(): void {
    this.#closed = true;
    for (const told of this.onClose) told();
    this.onClose.clear();
    this.settle();
  }

  /** Ends a closed index; the instance and its memory are the garbage collector's from here on. */
  free(): void {
    const raw = this.#raw;
    this.#raw = this.#memory = undefined;
    this.#forgetViews();
    // After a trap its destructor might trap again.
    if (!this.hasFailed) raw?.free();
  }

  #forgetViews(): void {
    this.#floats = new Float32Array(0);
    this.#doubles = new Float64Array(0);
  }

  /**
   * What a caller should see. After an error without a code the core's memory may be half changed: the index is given up
   * rather than left to answer wrongly.
   */
  #explain(error: unknown): unknown {
    if (error instanceof CallerFault) return error.error;
    if (isCold(error)) return error;
    const coded = codedError(error);
    if (coded) return coded;
    this.#failure = error;
    return trapped(error);
  }
}
