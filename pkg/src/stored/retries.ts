// When to try again what has failed: the more often it has failed, the later.
import { later } from "../turn.js";

/**
 * Milliseconds from the first failure to the next try. They double with each try that fails, up to the second number: a
 * full disk or a spent quota may take a while.
 */
const [FIRST_MS, LONGEST_MS] = [5000, 300_000];

export class Retries {
  #ms = FIRST_MS;
  /** Takes back the next try, while one is planned. */
  #cancel: (() => void) | undefined;

  /** True from a failure until the time for another try has come. */
  get isPlanned(): boolean {
    return this.#cancel !== undefined;
  }

  /** Calls `retry` when the time for another try has come. A try that is planned already stays as it is. */
  failed(retry: () => void): void {
    if (this.#cancel) return;
    this.#cancel = later(() => {
      this.#cancel = undefined;
      retry();
    }, this.#ms);
    this.#ms = Math.min(2 * this.#ms, LONGEST_MS);
  }

  succeeded(): void {
    this.stop();
    this.#ms = FIRST_MS;
  }

  /** Takes back the next try. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
