// A lock that is given to its takers in the order in which they ask, except for those that go first.

export class Lock {
  #held = false;
  readonly #waiting: (() => void)[] = [];

  /**
   * Takes the lock: undefined when it is free, or a promise that resolves when it is the caller's. `give` it back
   * afterwards.
   */
  take(goesFirst = false): Promise<void> | undefined {
    if (!this.#held) {
      this.#held = true;
      return undefined;
    }
    return new Promise((resolve) => void (goesFirst ? this.#waiting.unshift(resolve) : this.#waiting.push(resolve)));
  }

  /** Passes the lock to the next taker, or frees it. */
  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#held = false;
  }
}
