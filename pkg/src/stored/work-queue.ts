// Runs commits, checkpoints and the other work of a stored index in its store one after the other, and ends all waits
// for them when closing takes too long.
import type { ThermoclineError } from "../errors.js";

export class WorkQueue {
  /** Settles when all work in the queue is done. Never rejects. */
  #last: Promise<void> = Promise.resolve();
  /** The functions that end the wait for each piece of queued or running work. */
  readonly #pending = new Set<(error: unknown) => void>();
  #timeout: ThermoclineError | undefined;

  /** The error that ends all waits, once closing has taken too long. */
  get timeout(): ThermoclineError | undefined {
    return this.#timeout;
  }

  /**
   * Calls `run` after all work in the queue. The promise settles as `run` does. `run` calls `acknowledge` once it has
   * done what was asked for but still continues with something else: from then on, `giveUp` resolves the promise.
   */
  add(run: (acknowledge: () => void) => Promise<void>): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      let end: (error: unknown) => void = reject;
      const giveUp = (error: unknown): void => end(error);
      this.#pending.add(giveUp);
      this.#last = this.#last
        .then(() => run(() => (end = () => resolve())))
        .then(resolve, reject)
        .then(() => void this.#pending.delete(giveUp));
      // Earlier work may be waiting for a store that never answers.
      if (this.#timeout) giveUp(this.#timeout);
    });
    // Failures are reported to waiting callers. If there are none, this prevents an unhandled rejection.
    done.catch(() => {});
    return done;
  }

  /** Resolves once all work in the queue is done. */
  drained(): Promise<void> {
    return this.#last;
  }

  /** Settles as `work` does, or with the error of `giveUp`, whichever comes first. */
  orTimeout<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#pending.add(reject);
      work.then(resolve, reject).finally(() => this.#pending.delete(reject));
    });
  }

  /** From then on, waiting for added work fails with this error. */
  timeOut(error: ThermoclineError): void {
    this.#timeout = error;
  }

  /** Ends every wait with this error. */
  giveUp(error: unknown): void {
    for (const giveUp of this.#pending) giveUp(error);
  }
}
