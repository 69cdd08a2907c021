// Compaction from outside the core: one job at a time, driven by compact(), by idle time, by a caller's own loop, or by all of them.
import { Compactions } from "./compactions.js";
import { booleanOf, checkAborted, functionOf, msOf, optionsOf, signalOf, wrong } from "./guard.js";
import type { Handle } from "./handle.js";
import { later, nextTurn, whenIdle } from "./turn.js";
import type { CompactionReport, CompactOptions, Progress } from "./types.js";

/** One compaction under way. Whoever takes the last slice fills in the report, for all who wait. */
interface Job {
  readonly packs: boolean;
  callers: number;
  report: CompactionReport | undefined;
  /** Settles when it has ended in the store as well; what the report says of that is true then. */
  stored: Promise<void> | undefined;
}

/** What a compaction asks of the store, and of the instance. An index in memory has no store. */
export interface Ground {
  /** Brings a compaction to its end in the store; how many bytes that has freed. Never rejects. */
  compacted?(): Promise<number>;
  /** The same, with nothing left of deleted records. */
  erased?(): Promise<number>;
  /** Leaves the instance, and overwrites its memory. */
  renewed(): Promise<void>;
}

/** Unless it is given. */
const SLICE_MS = 4;
/** Between two compactions in idle time there is at least so much. */
const INTERVAL_MS = 1000;
/** What a slice is called in a performance panel. */
const SLICE = "thermocline: compaction slice";
const NOTHING_TO_DO: Progress = { done: 0, total: 0, phase: "graph" };

export class Maintenance {
  readonly compactions = new Compactions();
  #job: Job | undefined;
  readonly #handle: Handle;
  readonly #ground: Ground;
  /** What wakes each hook, and what takes back the idle turn that it waits for. */
  readonly #hooks = new Map<() => void, () => void>();

  constructor(handle: Handle, ground: Ground) {
    this.#handle = handle;
    this.#ground = ground;
    handle.onExpired = () => this.touched();
  }

  /** Compacts in slices; joins the job under way. A job is dropped when the last call that wants it gives up. */
  async compact(options?: CompactOptions): Promise<CompactionReport> {
    this.#handle.checkOpen();
    const given = optionsOf(options);
    const sliceMs = msOf("sliceMs", given.sliceMs) ?? SLICE_MS;
    const erases = booleanOf("erase", given.erase) === true;
    const packs = booleanOf("pack", given.pack) === true;
    const onProgress = functionOf("onProgress", given.onProgress);
    const signal = signalOf(given.signal);

    const finish = async (): Promise<CompactionReport> => {
      const job = this.#begin(packs);
      job.callers += 1;
      try {
        while (!job.report) {
          while (this.#handle.isMoving) await this.#handle.still();
          if (job.report) break;
          const progress = this.#step(job, sliceMs);
          onProgress?.(progress);
          if (job.report) break;
          await nextTurn();
          checkAborted(signal);
        }
        if (job.stored) await job.stored;
        return job.report;
      } finally {
        job.callers -= 1;
        if (job.callers === 0 && this.#job === job) this.#drop();
      }
    };
    // One that is under way leaves what was deleted since it began; and, unless it packs, every record where it is.
    if (erases && this.#job) await finish();
    while (packs && this.#job && !this.#job.packs) await finish();
    const report = await finish();
    if (!erases) return report;
    checkAborted(signal);
    this.compactions.freed(report, (await this.#ground.erased?.()) ?? 0);
    checkAborted(signal);
    await this.#ground.renewed();
    return report;
  }

  /** One slice for a caller's own loop. True while work remains. */
  maintain(deadline: { timeRemaining(): number }): boolean {
    this.#handle.checkOpen();
    if (typeof deadline?.timeRemaining !== "function") wrong("deadline", "an object with timeRemaining()", deadline);
    if (this.#handle.isMoving || !this.#wanted()) return false;
    const left: unknown = deadline.timeRemaining();
    if (typeof left !== "number" || left !== left) wrong("deadline.timeRemaining()", "milliseconds", left);
    if (left <= 0) return true;
    const job = this.#begin();
    this.#step(job, left);
    return job.report === undefined;
  }

  /** Compacts in idle time whenever it is needed, and not more often than every second. Asleep otherwise: `touched` wakes it. */
  whenIdle(options?: { sliceMs?: number; onReport?: (report: CompactionReport) => void }): () => void {
    this.#handle.checkOpen();
    const given = optionsOf(options);
    const sliceMs = msOf("sliceMs", given.sliceMs) ?? SLICE_MS;
    const onReport = functionOf("onReport", given.onReport);
    let awaited: (() => void) | undefined;
    /** Before it no compaction begins. */
    let earliest = 0;

    const turn = (timeRemaining: () => number): void => {
      awaited = undefined;
      if (!this.#handle.isOpen) return;
      try {
        if (!this.#wanted()) return;
        const left = Math.min(sliceMs, timeRemaining());
        if (left > 0) {
          const job = this.#begin();
          this.#step(job, left);
          const { report } = job;
          if (report) earliest = performance.now() + INTERVAL_MS;
          // On its own turn, so that what it throws is an ordinary uncaught error and stops nothing here.
          if (report && onReport) void Promise.resolve(job.stored).then(() => queueMicrotask(() => onReport(report)));
          // A job that found nothing will find nothing again until something changes.
          if (report && report.tombstonesRemoved + report.reclaimedBytes.total === 0) return;
        }
        wake();
      } catch {
        // Nobody waits for this one. The job is dropped, and the next change or the next compact() tries again.
        this.#drop();
      }
    };
    const wake = (): void => {
      // Asking may find that records have expired, and then this is called once more.
      if (!this.#wanted() || awaited) return;
      const rest = this.#job ? 0 : earliest - performance.now();
      awaited = rest > 0 ? later(again, rest) : whenIdle(turn);
    };
    const again = (): void => {
      awaited = undefined;
      if (this.#handle.isOpen) wake();
    };
    this.#hooks.set(wake, () => awaited?.());
    wake();
    return () => {
      awaited?.();
      this.#hooks.delete(wake);
    };
  }

  /** To be called after whatever may have made a compaction needed. */
  touched(): void {
    for (const wake of this.#hooks.keys()) wake();
  }

  /** Forgets the hooks and the job; calls that drive one find the index closed at their next slice. */
  close(): void {
    for (const takeBack of this.#hooks.values()) takeBack();
    this.#hooks.clear();
    this.#job = undefined;
  }

  #wanted(): boolean {
    return this.#handle.call((raw) => raw.compacting || raw.needsCompaction);
  }

  #begin(packs = false): Job {
    return (this.#job ??= { packs, callers: 0, report: undefined, stored: undefined });
  }

  /**
   * One slice. A job that something else ended (clear does, and moving) begins anew. While the index is moving none is taken:
   * what it would do stays behind.
   */
  #step(job: Job, budgetMs: number): Progress {
    if (this.#handle.isMoving) return NOTHING_TO_DO;
    const start = performance.now();
    try {
      return this.#handle.change((raw) => {
        if (!raw.compacting) raw.compactStart(job.packs);
        const before = raw.compactProgress() ?? NOTHING_TO_DO;
        // Beginning a job is part of its first slice.
        const left = budgetMs - (performance.now() - start);
        if (raw.compactStep(Math.max(left, 0))) return raw.compactProgress() ?? before;
        this.#job = undefined;
        const report = (job.report = raw.compactReport());
        if (report) {
          this.compactions.ended(report);
          job.stored = this.#ground.compacted?.().then((bytes) => this.compactions.freed(report, bytes));
        }
        return { ...before, done: before.total };
      });
    } catch (error) {
      this.compactions.failures += 1;
      throw error;
    } finally {
      performance.measure?.(SLICE, { start });
      // Whoever observes has it by now; it would be kept for the life of the page.
      performance.clearMeasures?.(SLICE);
    }
  }

  #drop(): void {
    this.#job = undefined;
    if (this.#handle.isOpen) this.#handle.call((raw) => raw.compactAbort());
  }
}
