// The running calls that closing an index waits for.
import { MAX_TIMER_MS } from "./turn.js";

export class UnderWay {
  readonly #calls = new Set<Promise<void>>();

  /**
   * Makes a call and counts it until it settles. It also counts while `call` itself runs, since that may run the
   * caller's code, which may close the index.
   */
  run<T>(call: () => Promise<T>): Promise<T> {
    let end = (): void => {};
    const counted = new Promise<void>((resolve) => {
      end = () => {
        this.#calls.delete(counted);
        resolve();
      };
    });
    this.#calls.add(counted);
    try {
      const made = call();
      made.then(end, end);
      return made;
    } catch (error) {
      end();
      throw error;
    }
  }

  /**
   * Resolves when all calls so far have settled, after `latestMs` at the latest. Returns undefined if there are none.
   */
  settled(latestMs: number): Promise<void> | undefined {
    if (!this.#calls.size) return undefined;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(latestMs, MAX_TIMER_MS));
      void Promise.all(this.#calls).then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
