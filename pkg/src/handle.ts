// The core's index and its state: open, closed, or failed. Every call into the core goes through a handle.
//
// "Closed" means closed to callers. The keeper of a stored index (stored/keeper.ts) works with a closed index until it
// frees it.
import { CallerFault, codedError, isCold, trapped } from "./core-error.js";
import { ThermoclineError } from "./errors.js";
import type { Answers } from "./filter/filter.js";
import { fail } from "./guard.js";
import type { RawIndex } from "./raw.js";
import type { ManyHitsBuilder } from "./search-many.js";
import type { Id, SearchManyOptions } from "./types.js";
import { checkLength } from "./vector.js";

export class Handle {
  #raw: RawIndex | undefined;
  #memory: WebAssembly.Memory | undefined;
  #floats = new Float32Array(0);
  #doubles = new Float64Array(0);
  #closed = false;
  #failure: unknown;
  #inFilter = false;
  /** The last error of a caller's callback that a call into the core has ended with. */
  #fault: CallerFault | undefined;
  /**
   * While the index is moving into another instance: the functions to run after the move, in order. Otherwise
   * undefined.
   */
  #waiting: (() => void)[] | undefined;
  /** The error of a failed commit, after which the index accepts no changes. */
  refusal: ThermoclineError | undefined;
  /** False while no record can have a payload, so that a search need not ask for payloads. */
  mayHavePayloads = true;
  /** True while `insertMany` holds back the linking of its rows, to link them together. */
  linkingIsHeld = false;
  /** No record expires before this time, in milliseconds since 1970. */
  #nextExpiry = -Infinity;
  /** The latest time by which records have been deleted as expired since the index began to move. */
  #expiredUntil = -Infinity;
  /** Called when records may have expired. */
  onExpired = (): void => {};
  /** Cached answers of filter objects, by the filter's JSON; see filter/filter.ts. */
  readonly filterAnswers = new Map<string, Answers>();
  /** Called when the index closes, so that a call that waits for its caller's data can end. */
  readonly onClose = new Set<() => void>();

  constructor(raw: RawIndex, memory: WebAssembly.Memory) {
    this.#raw = raw;
    this.#memory = memory;
  }

  /** The memory of the index's WebAssembly instance. Undefined once the index is freed. */
  get memory(): WebAssembly.Memory | undefined {
    return this.#memory;
  }

  /** The memory as 64-bit floats. Valid until the next call into the core, which may grow the memory. */
  get doubles(): Float64Array {
    return this.#doubles.length ? this.#doubles : (this.#doubles = new Float64Array(this.#memory!.buffer));
  }

  /** The memory as 32-bit floats. Valid until the next call into the core, which may grow the memory. */
  get floats(): Float32Array {
    return this.#floats.length ? this.#floats : (this.#floats = new Float32Array(this.#memory!.buffer));
  }

  /**
   * Searches, within a call into the core. Returns the position in `doubles` of the number of hits, which is followed
   * by the slot, the id and the distance of each hit.
   */
  search(raw: RawIndex, query: Float32Array, dimensions: number, ...options: Parameters<RawIndex["search"]>): number {
    // `queryAt` may grow the memory, so the view is taken after it.
    const at = raw.queryAt() / Float32Array.BYTES_PER_ELEMENT;
    // The caller may have transferred or resized the buffer since the query was checked.
    const present = checkLength(query, dimensions);
    this.floats.set(present, at);
    return raw.search(...options) / Float64Array.BYTES_PER_ELEMENT;
  }

  /**
   * Answers one or more queries, starting with number `from`, within a call into the core, and adds their hits to
   * `builder`. Returns the number of queries answered.
   */
  searchSome(
    raw: RawIndex, queries: readonly Float32Array[], from: number, dimensions: number,
    { k, ef, rerank }: SearchManyOptions, builder: ManyHitsBuilder,
  ): number {
    const at = this.search(raw, queries[from]!, dimensions, k, ef, rerank, undefined);
    builder.add(raw, this.doubles, at);
    return 1;
  }

  get memoryBytes(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  /** True after a trap or a fault inside the core. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** True when the index is neither closed nor failed. */
  get isOpen(): boolean {
    return !this.#closed && !this.hasFailed;
  }

  /** Calls into the core after deleting expired records. CLOSED after `close`, CORRUPT after a trap. */
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
   * Calls into the core to change records. Throws once a commit has failed: further changes would only make memory and
   * log diverge more. Do not call it while the index is moving: the change would be lost.
   */
  change<T>(use: (raw: RawIndex) => T): T {
    this.checkOpen();
    this.checkWritable();
    return this.call(use);
  }

  /**
   * Calls into the core to change records: at once, or, while the index is moving, after the move in the order of the
   * calls. `before` is called right before, outside of the core: it may run code of the caller, and may throw.
   */
  changeLater<T>(use: (raw: RawIndex) => T, before?: () => void): T | Promise<T> {
    const make = (): T => {
      before?.();
      return this.change(use);
    };
    if (!this.#waiting) return make();
    this.checkOpen();
    return new Promise((resolve, reject) => {
      this.#waiting!.push(() => {
        try {
          resolve(make());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** True if a record may expire at any time. */
  get mayExpire(): boolean {
    return this.#nextExpiry < Infinity;
  }

  /** Call this after inserting a record that expires at `moment`, in milliseconds since 1970. */
  expiresAt(moment: number): void {
    this.#nextExpiry = Math.min(this.#nextExpiry, moment);
  }

  /**
   * Forgets the answers of filters for this id, or for all ids. Call it before a record gets an id that another record
   * may have had.
   */
  forget(id?: Id): void {
    for (const { of } of this.filterAnswers.values()) {
      if (id === undefined) of.clear();
      else of.delete(id);
    }
  }

  #expire(raw: RawIndex): void {
    const now = Date.now();
    if (now < this.#nextExpiry) return;
    this.#expiredUntil = Math.max(this.#expiredUntil, now);
    this.#nextExpiry = raw.expire(now);
    this.onExpired();
  }

  /** True while the index is moving into another instance. */
  get isMoving(): boolean {
    return this.#waiting !== undefined;
  }

  /** Resolves when the move has ended, whether it succeeded or not. By then another move may have begun. */
  moveEnded(): Promise<void> {
    return new Promise((resolve) => (this.#waiting ? void this.#waiting.push(resolve) : resolve()));
  }

  /** Holds back changes until `resume`. */
  pause(): void {
    this.#waiting ??= [];
    this.#expiredUntil = -Infinity;
  }

  /** Runs the waiting changes, in the order of their calls. */
  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const go of waiting) go();
  }

  /**
   * Switches to another of the core's indexes with the same content. Returns the old one, and the number of bytes by
   * which its memory was larger.
   */
  replace(raw: RawIndex, memory: WebAssembly.Memory): { old: RawIndex; returnedBytes: number } {
    const old = this.checkOpen();
    // What has expired during the move stays so, even if the clock has been set back.
    raw.expire(this.#expiredUntil);
    const returnedBytes = Math.max(0, this.memoryBytes - memory.buffer.byteLength);
    this.#raw = raw;
    this.#memory = memory;
    this.#forgetViews();
    this.#nextExpiry = -Infinity;
    this.forget();
    return { old, returnedBytes };
  }

  /** Throws if the index accepts no changes because a commit has failed. */
  checkWritable(): void {
    if (!this.refusal) return;
    const { code, message, cause } = this.refusal;
    const told = `the index takes no changes until it is opened again, since storing one has failed: ${message}`;
    throw new ThermoclineError(code, told, { cause });
  }

  /** Calls into the core for the keeper of a stored index, even if the index is closed to callers. */
  async callInternally<T>(use: (raw: RawIndex) => T | Promise<T>): Promise<T> {
    if (this.hasFailed) throw trapped(this.#failure);
    if (!this.#raw) fail("CLOSED", "the index is closed");
    try {
      return await use(this.#raw);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Returns the core's index. Throws when it is closed or failed. */
  checkOpen(): RawIndex {
    const raw = this.checkClosable();
    if (this.hasFailed) throw trapped(this.#failure);
    return raw;
  }

  /**
   * Returns the core's index. Throws when it is closed. Unlike `checkOpen` it accepts a failed index, which can still
   * be closed.
   */
  checkClosable(): RawIndex {
    if (this.#closed) fail("CLOSED", "the index is closed");
    if (this.#inFilter) fail("INVALID_FILTER", "a filter must not use the index that it filters");
    return this.#raw!;
  }

  /**
   * Wraps a caller's predicate for the core. The wrapper returns only booleans, and an error of the predicate reaches
   * the caller unchanged. The core finishes its search before it passes the error on: until then nothing matches, and
   * the predicate is not called again.
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

  /**
   * Returns true for the error of a caller's callback that the last call into the core has ended with. It may look like
   * any error of the core.
   */
  isCallers(error: unknown): boolean {
    return this.#fault !== undefined && this.#fault.error === error;
  }

  /** Closes the index to callers. */
  close(): void {
    this.#closed = true;
    for (const listener of this.onClose) listener();
    this.onClose.clear();
    this.resume();
  }

  /** Frees a closed index. The garbage collector may then take the instance and its memory. */
  free(): void {
    const raw = this.#raw;
    this.#raw = this.#memory = undefined;
    this.#forgetViews();
    // After a trap the destructor might trap again.
    if (!this.hasFailed) raw?.free();
  }

  #forgetViews(): void {
    this.#floats = new Float32Array(0);
    this.#doubles = new Float64Array(0);
  }

  /**
   * Converts an error of the core into the one that the caller gets. After an error without a code the core's memory
   * may be inconsistent, so the index counts as failed from then on rather than give wrong answers.
   */
  #explain(error: unknown): unknown {
    if (error instanceof CallerFault) {
      this.#fault = error;
      return error.error;
    }
    this.#fault = undefined;
    if (isCold(error)) return error;
    const coded = codedError(error);
    if (coded) return coded;
    this.#failure = error;
    return trapped(error);
  }
}
