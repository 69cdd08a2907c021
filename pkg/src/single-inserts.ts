// Single inserts that follow one another. A loop that awaits each of them would go on without a turn of the event loop
// for as long as nothing has to be stored; and inserts of which none is awaited, a burst, would hold the thread until
// the last one is linked.
//
// Once inserts have used a slice in one turn, those that follow in it are put in without links, which takes a small
// part of the time, and are linked afterwards, in slices.
import type { Handle } from "./handle.js";
import type { Keeper } from "./stored/keeper.js";
import { MANY_SLICE_MS, nextTurn } from "./turn.js";

/** Makes a call into the core that inserts a record, and passes on whether to put off its links. */
export type Make = <T>(insert: (putsOff: boolean) => T) => T;

/** An insert whose links were put off. */
interface Waiting {
  /** Its number among the inserts. */
  readonly number: number;
  readonly settle: () => void;
}

export class SingleInserts {
  readonly #handle: Handle;
  readonly #keeper: Keeper | undefined;
  #spentMs = 0;
  /** From when inserts have used a slice until the next turn, in which it resolves. Meanwhile links are put off. */
  #turn: Promise<void> | undefined;
  #isLinking = false;
  /** How many inserts have been made. */
  #made = 0;
  /** In the order in which they are linked. */
  #waiting: Waiting[] = [];

  constructor(handle: Handle, keeper: Keeper | undefined) {
    this.#handle = handle;
    this.#keeper = keeper;
  }

  /**
   * Runs a call that inserts a record by the function that it gets: at once or, while the index is moving, later. The
   * promise settles in a later turn if the call has used up a slice. If links were put off, it settles once the record
   * has them: otherwise searches could follow that leave no turn for linking.
   */
  run<T>(call: (make: Make) => Promise<T>): Promise<T> {
    // What comes before the insert, such as encoding a payload, counts as well, and so does an insert that fails.
    const called = this.#handle.isMoving ? undefined : performance.now();
    let until: Promise<void> | undefined;
    let isCounted = false;
    const made = call((insert) => {
      isCounted = true;
      const began = called ?? performance.now();
      const putsOff = this.#turn !== undefined;
      try {
        const inserted = insert(putsOff);
        this.#made += 1;
        if (putsOff) until = new Promise((settle) => this.#waiting.push({ number: this.#made, settle }));
        return inserted;
      } finally {
        until ??= this.#spend(began);
      }
    });
    if (called !== undefined && !isCounted) until = this.#spend(called);
    return made.finally(() => until);
  }

  /** Counts the time since `began`. If that uses up a slice, returns a promise of the next turn. */
  #spend(began: number): Promise<void> | undefined {
    this.#spentMs += performance.now() - began;
    return this.#spentMs < MANY_SLICE_MS ? undefined : (this.#turn ?? this.#endSlice());
  }

  /** Puts links off until the next turn, in which the promise resolves. */
  #endSlice(): Promise<void> {
    const turn = nextTurn().then(() => {
      this.#turn = undefined;
      this.#spentMs = 0;
    });
    this.#turn = turn;
    if (!this.#isLinking) void this.#linkAll();
    return turn;
  }

  async #linkAll(): Promise<void> {
    this.#isLinking = true;
    while (this.#turn) {
      await this.#turn;
      try {
        while (await this.#linkSlice()) {
          // Others may wait as well, before these and behind them. So at least as many as this are linked.
          this.#settle(this.#made - this.#handle.call((raw) => raw.stats()).pending);
          await nextTurn();
        }
      } catch {
        // What keeps waiting is linked by the next inserts, which report a failure that lasts.
      }
      if (!this.#turn) this.#settle(this.#made);
    }
    this.#isLinking = false;
  }

  /** Links for a slice what waits. Resolves to false if nothing is left, or others link it. */
  async #linkSlice(): Promise<boolean> {
    const handle = this.#handle;
    if (this.#keeper) return this.#keeper.linkSlice();
    // Rows that an `insertMany` holds back are linked together by it, once all are there.
    return handle.isOpen && !handle.linkingIsHeld && handle.call((raw) => raw.linkSlice(MANY_SLICE_MS));
  }

  /** Settles the inserts up to this number. */
  #settle(number: number): void {
    const first = this.#waiting.findIndex((waiting) => waiting.number > number);
    for (const { settle } of this.#waiting.splice(0, first < 0 ? this.#waiting.length : first)) settle();
  }
}
