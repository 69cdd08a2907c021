// One unanswered call to the worker.
import { ThermoclineError } from "../errors.js";
import { onAbort } from "../on-abort.js";
import type { LongOptions, Progress } from "../types.js";
import { errorOf, type ErrorParts } from "./error-parts.js";

/** Parts of a call besides its arguments. */
export interface Besides extends LongOptions {
  readonly transfer?: Transferable[];
  /** The index. The reference keeps it from being garbage collected, and so closed, while the call is pending. */
  readonly owner?: object;
  /** Milliseconds after its signal fires at which the call ends even if the worker has not answered. */
  readonly abortedMs?: number;
  /** Called when the worker wants more rows. */
  readonly onMore?: () => void;
}

/** An error that a caller's own function threw. It can be any value, even undefined. */
export interface Thrown {
  readonly error: unknown;
}

export class Call {
  readonly promise: Promise<unknown>;
  readonly besides: Besides;
  /** The error that ended the rows of the call early. The call ends with it once the rows before it are inserted. */
  broken: Thrown | undefined;
  /** The error that the caller's `onProgress` threw. */
  #thrown: Thrown | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;
  readonly #abort: () => void;
  readonly #onAbort: () => void;
  #stopListening = (): void => {};

  /** `abort` tells the worker to abort the call. */
  constructor(besides: Besides, abort: () => void) {
    this.besides = besides;
    this.#abort = abort;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { abortedMs } = besides;
    this.#onAbort = () => {
      abort();
      const giveUp = (): void => this.fail(this.#aborted("the call was aborted by its signal"));
      if (abortedMs === 0) giveUp();
      else if (abortedMs) this.#timer = setTimeout(giveUp, abortedMs);
    };
  }

  /** Aborts the call when the signal fires or if it already has. Call it once the worker can be told. */
  followSignal(): void {
    const { signal } = this.besides;
    this.#stopListening = onAbort(signal, this.#onAbort);
    if (signal?.aborted) this.#onAbort();
  }

  progress(progress: Progress): void {
    if (this.#thrown) return;
    try {
      this.besides.onProgress?.(progress);
    } catch (error) {
      this.#thrown = { error };
      this.#abort();
    }
  }

  answered(value: unknown, parts: ErrorParts | undefined, isBroken: boolean | undefined): void {
    const own = this.#thrown ?? (isBroken ? this.broken : undefined);
    if (own) return this.fail(own.error);
    if (!parts) {
      this.#over();
      return this.#resolve(value);
    }
    const error = errorOf(parts);
    const isAborted = this.besides.signal?.aborted && (error as Partial<ThermoclineError>).code === "ABORTED";
    this.fail(isAborted ? this.#aborted(error.message) : error);
  }

  fail(error: unknown): void {
    this.#over();
    this.#reject(error);
  }

  /** Creates the error here, because the signal's reason is not sent to the worker. */
  #aborted(message: string): ThermoclineError {
    return new ThermoclineError("ABORTED", message, { cause: this.besides.signal?.reason });
  }

  #over(): void {
    clearTimeout(this.#timer);
    this.#stopListening();
  }
}
