// A lock that is granted in the order of the requests, except to those that go first.

export class Lock {
  #held = false;
  readonly #waiting: (() => void)[] = [];

  /**
   * Takes the lock. Returns undefined if it was free, or a promise that resolves once the caller has it. Call `give`
   * afterwards.
   */
  take(goesFirst = false): Promise<void> | undefined {
    if (!this.#held) {
      this.#held = true;
      return undefined;
    }
    return new Promise((resolve) => void (goesFirst ? this.#waiting.unshift(resolve) : this.#waiting.push(resolve)));
  }

  /**
   * Runs `run` with the lock. Goes first: it is called from the queue of a stored index, where commits wait behind it.
   */
  async runFirst<T>(run: () => Promise<T>): Promise<T> {
    await this.take(true);
    try {
      return await run();
    } finally {
      this.give();
    }
  }

  /** Passes the lock to the next taker, or frees it. */
  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#held = false;
  }
}
