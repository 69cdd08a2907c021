// The checkpoints of a stored index: when one is made, and when it is tried again after a failure.
import type { Handle } from "../handle.js";
import type { IdleTurns } from "./idle-turns.js";
import type { Lock } from "./lock.js";
import { Retries } from "./retries.js";
import type { WorkQueue } from "./work-queue.js";

export class Checkpoints {
  readonly #handle: Handle;
  readonly #queue: WorkQueue;
  readonly #idle: IdleTurns;
  readonly #lock: Lock;
  readonly #linkAll: (isStopped: () => boolean) => Promise<boolean>;
  readonly #retries = new Retries();
  /** The error of the last checkpoint, if it failed and no caller has been told. */
  #deferredError: unknown;
  #isStopped = false;

  /**
   * A checkpoint holds `lock`, so that it does not contain half of a change in slices. `linkAll` links all records that
   * wait, unless `isStopped` ends it early: then it resolves to false.
   */
  constructor(
    handle: Handle, queue: WorkQueue, idle: IdleTurns, lock: Lock,
    linkAll: (isStopped: () => boolean) => Promise<boolean>,
  ) {
    this.#handle = handle;
    this.#queue = queue;
    this.#idle = idle;
    this.#lock = lock;
    this.#linkAll = linkAll;
  }

  /** Returns the error of the last checkpoint, if it failed, once: a caller is told of it. */
  takeError(): unknown {
    const error = this.#deferredError;
    this.#deferredError = undefined;
    return error;
  }

  /**
   * Plans a checkpoint for idle time if one is due. Call it after anything that may have made one due. After a failure
   * that no caller has been told of, none is planned until the time for a retry.
   */
  async plan(): Promise<void> {
    const isDue = await this.#handle.callInternally((raw) => !raw.readOnly && raw.checkpointDue).catch(() => false);
    if (isDue && !this.#mustWait) this.#idle.plan("checkpoint", () => void this.#linkThenMake());
  }

  /**
   * Makes a checkpoint if one is due. Call it from the queue. A failure leaves the index as it is, with a longer log,
   * and its error is kept for the next `flush` or `close`.
   */
  async makeIfDue(): Promise<void> {
    if (this.#handle.refusal) return;
    try {
      if (!(await this.#handle.callInternally((raw) => raw.checkpointDue))) return;
      if (!(await this.#linkAll(() => this.#queue.timeout !== undefined))) return;
      await this.#lock.runFirst(() => this.#handle.callInternally((raw) => raw.checkpoint()));
      this.succeeded();
    } catch (error) {
      this.failed(error);
    }
  }

  /**
   * Returns true if a checkpoint that cannot wait for idle time should be tried. Call it on each such occasion. After
   * failures only some of them are used, since each attempt may write a lot in vain.
   */
  isUrgentTurn(): boolean {
    return !this.#deferredError || this.#retries.isTurn();
  }

  /** Call it after each checkpoint. An earlier failure needs no retry and no report. */
  succeeded(): void {
    this.#deferredError = undefined;
    this.#retries.succeeded();
  }

  /** Call it after a checkpoint that failed. Keeps the error for the next `flush` or `close`, and plans a retry. */
  failed(error: unknown): void {
    this.#deferredError = error;
    if (!this.#isStopped) this.#retries.failed(() => void this.plan());
  }

  /** From then on, idle time makes no checkpoint. */
  stop(): void {
    this.#isStopped = true;
    this.#retries.stop();
  }

  /** True from a failure that no caller has been told of until the time for a retry. */
  get #mustWait(): boolean {
    return Boolean(this.#deferredError) && this.#retries.isPlanned;
  }

  async #linkThenMake(): Promise<void> {
    // Linking is done outside of the queue, where commits would wait for it. If it fails here, it fails again in the
    // checkpoint.
    await this.#linkAll(() => this.#isStopped).catch(() => {});
    // An earlier checkpoint may have failed since this one was planned. Then it waits for the retry.
    if (!this.#isStopped) void this.#queue.add(async () => { if (!this.#mustWait) await this.makeIfDue(); });
  }
}
