// The work that a stored index leaves to idle time: checkpoints, reading records ahead, and linking records that
// opening found in the log.
import { whenIdle } from "../turn.js";

/** A page that is never idle does the work after this many milliseconds. */
const LATEST_MS = 2000;

export type IdleWork = "checkpoint" | "prefetch" | "link";

export class IdleTurns {
  readonly #isBusy: () => boolean;
  /** The function that cancels each planned turn. */
  readonly #planned = new Map<IdleWork, () => void>();
  #isStopped = false;

  /** Work is postponed while `isBusy`, but no longer than in a page that is never idle. */
  constructor(isBusy: () => boolean) {
    this.#isBusy = isBusy;
  }

  /** Runs `run` in idle time, unless the same work is planned already or `stop` is called first. */
  plan(work: IdleWork, run: (timeRemaining: () => number) => void, planned = performance.now()): void {
    if (this.#isStopped || this.#planned.has(work)) return;
    const turn = (timeRemaining: () => number): void => {
      this.#planned.delete(work);
      if (this.#isBusy() && performance.now() - planned < LATEST_MS) this.plan(work, run, planned);
      else run(timeRemaining);
    };
    this.#planned.set(work, whenIdle(turn, LATEST_MS));
  }

  /** Cancels all planned work. From then on nothing more is planned. */
  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#planned.values()) cancel();
  }
}
