// When to try again what has failed: the more often it has failed, the later.
import { later } from "../turn.js";

/**
 * Milliseconds from the first failure to the next try. They double with each failure, up to the second number: a full
 * disk or a spent quota may take a while.
 */
const [FIRST_MS, LONGEST_MS] = [5000, 300_000];

export class Retries {
  #ms = FIRST_MS;
  #cancel = (): void => {};

  /** Calls `retry` when the time for another try has come. */
  failed(retry: () => void): void {
    this.stop();
    this.#cancel = later(retry, this.#ms);
    this.#ms = Math.min(2 * this.#ms, LONGEST_MS);
  }

  succeeded(): void {
    this.stop();
    this.#ms = FIRST_MS;
  }

  /** Takes back the next try. */
  stop(): void {
    this.#cancel();
  }
}
