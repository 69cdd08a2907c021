// Commits, checkpoints and the rest of what a stored index does in its store, one after the other; and an end to
// waiting for any of it when closing takes too long.
import type { ThermoclineError } from "../errors.js";

export class WorkQueue {
  /** Settles when the last work in the queue is done. Never rejects. */
  #last: Promise<void> = Promise.resolve();
  /** Ends the wait for each piece of work that is in the queue or under way. */
  readonly #pending = new Set<(error: unknown) => void>();
  #timeout: ThermoclineError | undefined;

  /** Why nothing is waited for any more: closing took too long. */
  get timeout(): ThermoclineError | undefined {
    return this.#timeout;
  }

  /**
   * Runs after all work that is in the queue. The promise settles as `run` does. When `run` has done what was asked for
   * and goes on with something else, it calls `acknowledge`: from then on giving up the wait resolves the promise.
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
      // The work before it may be waiting for a store that never answers.
      if (this.#timeout) giveUp(this.#timeout);
    });
    // A failure is reported to the callers that wait. Without any, it is not an unhandled rejection.
    done.catch(() => {});
    return done;
  }

  /** Resolves once all work in the queue is done. */
  drained(): Promise<void> {
    return this.#last;
  }

  /** What `work` comes to, or the error of `giveUp`, whichever is first. */
  orTimeout<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#pending.add(reject);
      work.then(resolve, reject).finally(() => this.#pending.delete(reject));
    });
  }

  /** From now on nothing that is added can be waited for. */
  timeOut(error: ThermoclineError): void {
    this.#timeout = error;
  }

  /** Ends every wait with this error. */
  giveUp(error: unknown): void {
    for (const giveUp of this.#pending) giveUp(error);
  }
}
