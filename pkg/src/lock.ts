// A lock for what takes turns: in the order in which they ask, but for those that go first.

export class Lock {
  #held = false;
  readonly #waiting: (() => void)[] = [];

  /** Undefined when it is had at once, and else what resolves when it is. Whoever has it must give it back. */
  take(goesFirst = false): Promise<void> | undefined {
    if (this.#held) return new Promise((resolve) => void (goesFirst ? this.#waiting.unshift(resolve) : this.#waiting.push(resolve)));
    this.#held = true;
    return undefined;
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#held = false;
  }
}
