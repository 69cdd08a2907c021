// When to try again after failures: after a growing delay, or, for work that cannot wait, after a growing number of
// occasions.
import { later } from "../turn.js";

/**
 * Delay of the first retry, and longest delay, in milliseconds. The delay doubles with each failure, since a full disk
 * or an exhausted quota may last a while.
 */
const [FIRST_MS, LONGEST_MS] = [5000, 300_000];
/** After many failures, one occasion in this many is used. */
const MOST_OCCASIONS = 64;

export class Retries {
  #ms = FIRST_MS;
  /** The first of the next occasions that is used: 1, 2, 4 and so on, doubling with each failure. */
  #occasions = 1;
  /** How many of the next occasions are not used. */
  #skipped = 0;
  /** Cancels the planned retry, if there is one. */
  #cancel: (() => void) | undefined;

  /** True from a failure until the time of the retry. */
  get isPlanned(): boolean {
    return this.#cancel !== undefined;
  }

  /**
   * Call it on each occasion for work that cannot wait for the retry, until it has succeeded. Returns true if the work
   * should be tried: on the first occasion after one failure, since that may not happen again, and on the 2nd, 4th, 8th
   * and at most the 64th after each further failure in a row, since an attempt may be a lot of work.
   */
  isTurn(): boolean {
    if (this.#skipped === 0) return true;
    this.#skipped -= 1;
    return false;
  }

  /** Calls `retry` after the delay. A retry that is already planned stays unchanged. */
  failed(retry: () => void): void {
    this.#skipped = this.#occasions - 1;
    this.#occasions = Math.min(2 * this.#occasions, MOST_OCCASIONS);
    if (this.#cancel) return;
    this.#cancel = later(() => {
      this.#cancel = undefined;
      retry();
    }, this.#ms);
    this.#ms = Math.min(2 * this.#ms, LONGEST_MS);
  }

  /** Cancels the planned retry, and forgets the failures. */
  succeeded(): void {
    this.stop();
    this.#occasions = 1;
    this.#skipped = 0;
    this.#ms = FIRST_MS;
  }

  /** Cancels the planned retry. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
