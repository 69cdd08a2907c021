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

export class SingleInserts {
  readonly #handle: Handle;
  readonly #keeper: Keeper | undefined;
  #spentMs = 0;
  /** From when inserts have used a slice until the next turn, in which it resolves. Meanwhile links are put off. */
  #turn: Promise<void> | undefined;
  /** While records that were put in without links are being linked. Never rejects. */
  #linking: Promise<void> | undefined;

  constructor(handle: Handle, keeper: Keeper | undefined) {
    this.#handle = handle;
    this.#keeper = keeper;
  }

  /**
   * Runs a call that inserts a record by the function that it gets: at once or, while the index is moving, later. The
   * promise settles in a later turn if the call has used up a slice, and after all links if those of its record were
   * put off: otherwise searches could follow that leave no turn for linking.
   */
  run<T>(call: (make: Make) => Promise<T>): Promise<T> {
    // What comes before the insert, such as encoding a payload, counts as well.
    const called = this.#handle.isMoving ? undefined : performance.now();
    let until: Promise<void> | undefined;
    const made = call((insert) => {
      const began = called ?? performance.now();
      const putsOff = this.#turn !== undefined;
      const inserted = insert(putsOff);
      this.#spentMs += performance.now() - began;
      if (putsOff) until = this.#linking;
      else if (this.#spentMs >= MANY_SLICE_MS) until = this.#endSlice();
      return inserted;
    });
    return made.finally(() => until);
  }

  /** Puts links off until the next turn, in which the promise resolves. */
  #endSlice(): Promise<void> {
    const turn = nextTurn().then(() => {
      this.#turn = undefined;
      this.#spentMs = 0;
    });
    this.#turn = turn;
    this.#linking ??= this.#linkAll();
    return turn;
  }

  async #linkAll(): Promise<void> {
    while (this.#turn) {
      await this.#turn;
      // What keeps waiting after a failure is linked by the next inserts, which report a failure that lasts.
      await this.#link().catch(() => {});
    }
    this.#linking = undefined;
  }

  /** Links what waits, in slices. */
  async #link(): Promise<void> {
    const handle = this.#handle;
    if (this.#keeper) return this.#keeper.linkWaiting();
    // Rows that an `insertMany` holds back are linked together by it, once all are there.
    while (handle.isOpen && !handle.linkingIsHeld && handle.call((raw) => raw.linkSlice(MANY_SLICE_MS))) await nextTurn();
  }
}
