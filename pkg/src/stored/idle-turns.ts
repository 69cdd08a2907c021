// What a stored index leaves to idle time: checkpoints, reading records ahead, linking what opening has found in the
// log.
import { whenIdle } from "../turn.js";

/** A page that is never idle does the work after this time. */
const LATEST_MS = 2000;

export type IdleWork = "checkpoint" | "prefetch" | "link";

export class IdleTurns {
  readonly #isBusy: () => boolean;
  /** Cancels each turn that is planned. */
  readonly #planned = new Map<IdleWork, () => void>();
  #isStopped = false;

  /** Work is put off while `isBusy`, but not longer than a page that is never idle puts it off. */
  constructor(isBusy: () => boolean) {
    this.#isBusy = isBusy;
  }

  /** Runs in idle time, unless the same work is planned already, or `stop` is called before. */
  plan(work: IdleWork, run: (timeRemaining: () => number) => void, planned = performance.now()): void {
    if (this.#isStopped || this.#planned.has(work)) return;
    const turn = (timeRemaining: () => number): void => {
      this.#planned.delete(work);
      if (this.#isBusy() && performance.now() - planned < LATEST_MS) this.plan(work, run, planned);
      else run(timeRemaining);
    };
    this.#planned.set(work, whenIdle(turn, LATEST_MS));
  }

  /** Cancels what is planned, and plans nothing from now on. */
  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#planned.values()) cancel();
  }
}
