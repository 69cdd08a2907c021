// The calls under way that closing an index waits for.
import { MAX_TIMER_MS } from "./turn.js";

export class UnderWay {
  readonly #calls = new Set<Promise<unknown>>();

  /** Counts a call until it settles. Returns the same promise. */
  add<T>(call: Promise<T>): Promise<T> {
    const settled = () => void this.#calls.delete(call);
    this.#calls.add(call);
    call.then(settled, settled);
    return call;
  }

  /** Resolves when all calls so far have settled, after `latestMs` at the latest. Undefined when there are none. */
  settled(latestMs: number): Promise<void> | undefined {
    if (!this.#calls.size) return undefined;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(latestMs, MAX_TIMER_MS));
      void Promise.allSettled(this.#calls).then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
