// Changes of a stored index in memory, each of which is one change to the store: of many records in slices, or of a few
// at once.
import { unlessAborted } from "../abort.js";
import { checkAborted } from "../guard.js";
import type { Handle } from "../handle.js";
import type { Lock } from "./lock.js";
import type { WorkQueue } from "./work-queue.js";

export class Changes {
  readonly #handle: Handle;
  readonly #queue: WorkQueue;
  readonly #lock: Lock;
  /** True during a change in slices. */
  #frameIsOpen = false;

  /** A change in slices holds `lock`: meanwhile no commit begins and no checkpoint is made. */
  constructor(handle: Handle, queue: WorkQueue, lock: Lock) {
    this.#handle = handle;
    this.#queue = queue;
    this.#lock = lock;
  }

  /** True during a change in slices. The core does not count it as uncommitted yet. */
  get frameIsOpen(): boolean {
    return this.#frameIsOpen;
  }

  /**
   * Runs `change`, which makes changes in slices. Together with all changes that others make meanwhile they are one
   * change to the store: after a crash all of them are there, or none. Begins at once unless another such change or a
   * checkpoint is running. ABORTED if the signal fires before it begins.
   */
  async inSlices(change: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    const handle = this.#handle;
    // The lock of an index that is closing may never become free.
    handle.checkOpen();
    const taken = this.#lock.take();
    if (taken) await this.#waitForLock(taken, signal);
    try {
      const raw = handle.change((raw) => raw);
      raw.hold(true);
      this.#frameIsOpen = true;
      try {
        await change();
      } finally {
        this.#frameIsOpen = false;
        // The index still exists: moving and closing wait for the lock. After a trap the core must not be called.
        if (!handle.hasFailed) raw.hold(false);
      }
    } finally {
      this.#lock.give();
    }
  }

  /**
   * Runs `change`, which makes a few changes, at once and without a pause, so that the caller's next call sees them.
   * They are one change to the store, or part of a change in slices that is running. While the index is moving they
   * wait like any other change, in the order of the calls. ABORTED if the signal fires before they are made.
   */
  atOnce(change: () => void, signal?: AbortSignal): void | Promise<void> {
    const handle = this.#handle;
    const made = handle.changeLater((raw) => {
      if (!this.#frameIsOpen) raw.hold(true);
      try {
        change();
      } finally {
        if (!this.#frameIsOpen && !handle.hasFailed) raw.hold(false);
      }
    }, () => checkAborted(signal));
    return made && unlessAborted(signal, this.#queue.orTimeout(made));
  }

  /** Waits for the lock. If the wait ends early, passes the lock on as soon as it arrives. */
  async #waitForLock(taken: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    try {
      await unlessAborted(signal, this.#queue.orTimeout(taken));
    } catch (error) {
      void taken.then(() => this.#lock.give());
      throw error;
    }
  }
}
