// One call of the worker that has not been answered yet.
import { ThermoclineError } from "../errors.js";
import type { LongOptions, Progress } from "../types.js";
import { errorOf, type ErrorParts } from "./error-parts.js";

/** What belongs to a call besides its arguments. */
export interface Besides extends LongOptions {
  readonly transfer?: Transferable[];
  /** The index. The reference keeps it from being collected, and so closed, while the call is waited for. */
  readonly owner?: object;
  /**
   * Milliseconds after which the call ends when its signal has fired, whether or not the worker has answered by then.
   */
  readonly abortedMs?: number;
  /** Called when the worker wants more of the rows that the call pulls. */
  readonly onMore?: () => void;
}

/** An error that a caller's own function has thrown. It may be any value, even undefined. */
export interface Thrown {
  readonly error: unknown;
}

export class Call {
  readonly promise: Promise<unknown>;
  readonly besides: Besides;
  /**
   * Why the rows that the call pulls have ended early. The call ends with this error once the rows before it are in.
   */
  broken: Thrown | undefined;
  /** What the caller's `onProgress` has thrown. */
  #thrown: Thrown | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;
  readonly #abort: () => void;
  readonly #onAbort: () => void;

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

  /** Aborts the call when the signal fires, or has fired. To be called once the worker can be told so. */
  followSignal(): void {
    const { signal } = this.besides;
    signal?.addEventListener("abort", this.#onAbort);
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

  /** Makes the error here, because the signal's reason has not been sent to the worker. */
  #aborted(message: string): ThermoclineError {
    return new ThermoclineError("ABORTED", message, { cause: this.besides.signal?.reason });
  }

  #over(): void {
    clearTimeout(this.#timer);
    this.besides.signal?.removeEventListener("abort", this.#onAbort);
  }
}
