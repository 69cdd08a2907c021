// Schedules retries after failures, with a growing delay.
import { later } from "../turn.js";

/**
 * Delay of the first retry, and longest delay, in milliseconds. The delay doubles with each failure, since a full disk
 * or an exhausted quota may last a while.
 */
const [FIRST_MS, LONGEST_MS] = [5000, 300_000];

export class Retries {
  #ms = FIRST_MS;
  /** Cancels the planned retry, if there is one. */
  #cancel: (() => void) | undefined;

  /** True from a failure until the time of the retry. */
  get isPlanned(): boolean {
    return this.#cancel !== undefined;
  }

  /** Calls `retry` after the delay. A retry that is already planned stays unchanged. */
  failed(retry: () => void): void {
    if (this.#cancel) return;
    this.#cancel = later(() => {
      this.#cancel = undefined;
      retry();
    }, this.#ms);
    this.#ms = Math.min(2 * this.#ms, LONGEST_MS);
  }

  /** Cancels the planned retry, and resets the delay. */
  succeeded(): void {
    this.stop();
    this.#ms = FIRST_MS;
  }

  /** Cancels the planned retry. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
