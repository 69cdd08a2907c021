// Runs compactions, one job at a time, driven by compact(), idle time, a caller's own loop, or several of these.
import { unlessAborted } from "./abort.js";
import { canPack, loadPacking } from "./bulk.js";
import { Compactions } from "./compactions.js";
import { booleanOf, checkAborted, fail, functionOf, msOf, optionsOf, signalOf, wrong } from "./guard.js";
import type { Handle } from "./handle.js";
import type { RawIndexClass } from "./raw.js";
import type { Keeper } from "./stored/keeper.js";
import { IDLE_SLICE_MS, later, nextTurn, whenIdle } from "./turn.js";
import type { CompactionReport, CompactOptions, Progress } from "./types.js";

/** One running compaction. */
interface Job {
  readonly packs: boolean;
  /** The instances that have to do without the code of graph order: there a job that packs compacts only. */
  readonly without: WeakSet<RawIndexClass>;
  /** Number of calls of `compact` waiting for it. */
  callers: number;
  /** Set by the caller that runs the last slice, for all callers. */
  report?: CompactionReport | undefined;
  /** The progress of the last slice. */
  ended?: Progress;
  /**
   * Settles when the compaction is complete in the store too. Only then is the report final, but for what `erase`
   * adds.
   */
  stored?: Promise<void> | undefined;
  /** Called with the share of the work in the store that is done. */
  readonly watchers: Set<Watcher>;
  /** Called with the report: one function for each `whenIdle` that has run a slice. */
  readonly listeners: Set<(job: Job, report: CompactionReport) => void>;
}

type Watcher = (share: number) => void;

/** Tells a caller of progress in the stage of this number: 0 in memory, 1 in the store, 2 erasing there. */
type Tell = ((progress: Progress, stage: number) => void) | undefined;

/** Least time between two compactions in idle time, in milliseconds. */
const INTERVAL_MS = 1000;
/** The name of a slice in the browser's performance panel. */
const SLICE_LABEL = "thermocline: compaction slice";
const NOTHING_TO_DO: Progress = { done: 0, total: 0, phase: "graph" };

export class Maintenance {
  readonly compactions = new Compactions();
  #job: Job | undefined;
  /** The last job, while it is being completed in the store. */
  #ending: Job | undefined;
  #closed = false;
  readonly #handle: Handle;
  readonly #keeper: Keeper | undefined;
  readonly #renew: () => Promise<void>;
  /** For each active `whenIdle`: the function that wakes it, and the one that cancels the idle turn it waits for. */
  readonly #hooks = new Map<() => void, () => void>();

  /** `renew` moves the index into a fresh instance, and overwrites the memory of the old one. */
  constructor(handle: Handle, keeper: Keeper | undefined, renew: () => Promise<void>) {
    this.#handle = handle;
    this.#keeper = keeper;
    this.#renew = renew;
    handle.onExpired = () => this.touched();
  }

  /**
   * Compacts in slices, or joins the running job. A job is dropped when the last call waiting for it gives up. Returns
   * the report that this class keeps, of which a caller of the package gets a copy.
   */
  async compact(options?: CompactOptions): Promise<CompactionReport> {
    this.#check();
    const given = optionsOf(options);
    const sliceMs = msOf("sliceMs", given.sliceMs) ?? IDLE_SLICE_MS;
    const erases = booleanOf("erase", given.erase) === true;
    const packs = booleanOf("pack", given.pack) === true;
    const onProgress = functionOf("onProgress", given.onProgress);
    const signal = signalOf(given.signal);
    const tell = onProgress && told(onProgress, this.#keeper ? (erases ? 3 : 2) : 1);
    let report = undefined as CompactionReport | undefined;
    /** Drives a job to its end. If `counts`, adds what it has done to the report. */
    const drive = async (counts: boolean): Promise<void> => {
      const ended = await this.#drive(packs, sliceMs, tell, signal);
      if (counts) report = sumOf(report, ended);
    };
    // A running job does not erase what was deleted since it began, and it may not pack. What it has done counts if
    // idle time had begun it: then no other call has a report of it.
    if (erases && this.#job) await drive(this.#isIdle);
    while (packs && this.#job && !this.#job.packs) await drive(this.#isIdle);
    // Nor does one that idle time has begun remove it. (One of another call's is joined: this is a second call.)
    const wasIdle = this.#isIdle;
    await drive(true);
    if (wasIdle && this.#handle.call((raw) => raw.deletedCount)) await drive(true);
    if (!erases) return report!;
    this.#check(signal);
    if (this.#keeper) {
      const watchers = new Set<Watcher>();
      const erasing = this.#keeper.eraseDeleted(tellAll(watchers)).catch((error) => {
        if (!this.#closed) this.compactions.failures += 1;
        throw error;
      });
      this.compactions.freed(report!, await this.#follow(erasing, watchers, "erase", 2, tell, signal));
    }
    this.#check(signal);
    await unlessAborted(signal, this.#renew());
    return report!;
  }

  /** Runs the slices of a job, and waits until it is complete in the store. */
  async #drive(packs: boolean, sliceMs: number, tell: Tell, signal: AbortSignal | undefined): Promise<CompactionReport> {
    const job = (packs ? undefined : this.#joinable()) ?? this.#begin(packs);
    job.callers += 1;
    let progress: Progress | undefined;
    try {
      while (!job.report) {
        while (this.#handle.isMoving) await unlessAborted(signal, this.#handle.moveEnded());
        if (job.report) break;
        if (this.#awaitsCode(job)) {
          await this.#loadCode(job, signal);
          continue;
        }
        progress = this.#step(job, sliceMs);
        tell?.(progress, 0);
        if (job.report) break;
        await nextTurn();
        this.#check(signal);
      }
      // Another caller, or idle time, may have run the last slice.
      if (progress !== job.ended) tell?.(job.ended!, 0);
      if (job.stored) await this.#follow(job.stored, job.watchers, "store", 1, tell, signal);
      return job.report;
    } finally {
      job.callers -= 1;
      if (job.callers === 0 && this.#job === job) this.#drop();
    }
  }

  /** Waits for work in the store, and tells the caller of its progress. An error of the caller's function is thrown. */
  async #follow<T>(
    work: Promise<T>, watchers: Set<Watcher>, phase: string, stage: number, tell: Tell, signal: AbortSignal | undefined,
  ): Promise<T> {
    let last = 0;
    const say = (share: number): void => tell?.({ done: (last = share), total: 1, phase }, stage);
    let watch!: Watcher;
    const failing = new Promise<never>((_, reject) => {
      watch = (share) => {
        try {
          say(share);
        } catch (error) {
          reject(error);
        }
      };
    });
    watchers.add(watch);
    try {
      const outcome = await unlessAborted(signal, Promise.race([work, failing]));
      // Work that found nothing to write has told nothing.
      if (last < 1) say(1);
      return outcome;
    } finally {
      watchers.delete(watch);
    }
  }

  /** Returns the last job while it is being completed in the store, if a new one would find nothing to do. */
  #joinable(): Job | undefined {
    const ending = this.#job ? undefined : this.#ending;
    return ending && this.#handle.call((raw) => raw.size === ending.report?.newSize && !raw.deletedCount) ? ending : undefined;
  }

  /** True when idle time has begun the running job, and no call waits for it. */
  get #isIdle(): boolean {
    return this.#job?.callers === 0;
  }

  /**
   * Runs one slice for a caller's own loop, if a compaction is needed or running and the index is not moving. Returns
   * true while work remains.
   */
  maintain(deadline: { timeRemaining(): number }): boolean {
    this.#check();
    if (typeof deadline?.timeRemaining !== "function") wrong("deadline", "an object with timeRemaining()", deadline);
    if (!this.#wanted()) return false;
    const left: unknown = deadline.timeRemaining();
    if (typeof left !== "number" || left !== left) wrong("deadline.timeRemaining()", "milliseconds", left);
    if (left <= 0 || this.#handle.isMoving) return true;
    const job = this.#begin();
    this.#step(job, left);
    return job.report === undefined;
  }

  /** Compacts in idle time whenever needed, at most once a second. Otherwise sleeps until `touched` wakes it. */
  whenIdle(options?: { sliceMs?: number; onReport?: (report: CompactionReport) => void }): () => void {
    this.#check();
    const given = optionsOf(options);
    const sliceMs = msOf("sliceMs", given.sliceMs) ?? IDLE_SLICE_MS;
    const onReport = functionOf("onReport", given.onReport);
    /** Cancels the planned turn. */
    let awaited: (() => void) | undefined;
    /** No compaction begins before this time. */
    let earliest = 0;

    /** Tells the caller of a compaction that this hook has worked on, whoever has ended it. */
    const tell = ({ stored }: Job, report: CompactionReport): void => {
      earliest = performance.now() + INTERVAL_MS;
      // Not after `stop` or `close`, which may be called while the store is busy. In a separate microtask, so that an
      // error of the callback is an ordinary uncaught error and stops nothing here.
      if (onReport) {
        void Promise.resolve(stored)
          .then(() => queueMicrotask(() => this.#hooks.has(wake) && onReport(structuredClone(report))));
      }
    };
    const turn = (timeRemaining: () => number): void => {
      awaited = undefined;
      if (!this.#handle.isOpen) return;
      try {
        if (!this.#wanted()) return;
        const left = Math.min(sliceMs, timeRemaining());
        if (left > 0) {
          const job = this.#begin();
          job.listeners.add(tell);
          this.#step(job, left);
          const { report } = job;
          // A job that found nothing to do will find nothing again until something changes.
          if (report && report.tombstonesRemoved + report.reclaimedBytes.total === 0) return;
        }
        wake();
      } catch {
        // No caller waits for this slice. The next change or the next compact() tries again. A job that calls wait for
        // is theirs: they run its next slice.
        if (!this.#job?.callers) this.#drop();
      }
    };
    const wake = (): void => {
      // `#wanted` may find expired records, which calls `wake` again, so `awaited` is read after it.
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

  /** Call this after anything that may have made a compaction necessary. */
  touched(): void {
    for (const wake of this.#hooks.keys()) wake();
  }

  /**
   * Ends compacting in idle time and forgets the job. Calls that drive a job are CLOSED at their next slice, although
   * the index may still be open to other running calls.
   */
  close(): void {
    this.#closed = true;
    for (const cancel of this.#hooks.values()) cancel();
    this.#hooks.clear();
    this.#job = undefined;
  }

  /** Throws if the index is closed, or once the signal has fired. */
  #check(signal?: AbortSignal): void {
    if (this.#closed) fail("CLOSED", "the index is closed");
    this.#handle.checkOpen();
    checkAborted(signal);
  }

  #wanted(): boolean {
    return this.#handle.call((raw) => raw.compacting || raw.needsCompaction);
  }

  #begin(packs = false): Job {
    return (this.#job ??= { packs, without: new WeakSet(), callers: 0, watchers: new Set(), listeners: new Set() });
  }

  /** Returns true if a job that packs has yet to be started in an instance that may get the code for that. */
  #awaitsCode({ packs, without }: Job): boolean {
    return packs && this.#handle.call((raw) => !(raw.compacting || canPack(raw) || without.has(raw.constructor)));
  }

  async #loadCode(job: Job, signal: AbortSignal | undefined): Promise<void> {
    const Raw = this.#handle.call((raw) => raw.constructor);
    const isLoaded = await loadPacking(this.#handle, signal);
    this.#check(signal);
    if (!isLoaded) job.without.add(Raw);
  }

  /**
   * Runs one slice. A job that something else ended, such as `clear` or a move, starts over. Does nothing while the
   * index is moving, because the work would be lost, or while a call loads code for the job.
   */
  #step(job: Job, budgetMs: number): Progress {
    if (this.#handle.isMoving || this.#awaitsCode(job)) return NOTHING_TO_DO;
    const start = performance.now();
    try {
      return this.#handle.change((raw) => {
        if (!raw.compacting) job.packs && canPack(raw) ? raw.packStart() : raw.compactStart();
        const before = raw.compactProgress() ?? NOTHING_TO_DO;
        // The start of a job counts towards its first slice.
        const left = budgetMs - (performance.now() - start);
        if (raw.compactStep(Math.max(left, 0))) return raw.compactProgress() ?? before;
        this.#job = undefined;
        const report = (job.report = raw.compactReport());
        if (report) {
          if (this.#keeper) job.stored = this.#complete(this.#keeper, job, report);
          else this.compactions.ended(report);
          for (const tell of job.listeners) tell(job, report);
        }
        return (job.ended = { ...before, done: before.total });
      });
    } catch (error) {
      this.compactions.failures += 1;
      throw error;
    } finally {
      performance.measure?.(SLICE_LABEL, { start });
      // Observers have received the entry by now. It would otherwise be kept for the lifetime of the page.
      performance.clearMeasures?.(SLICE_LABEL);
    }
  }

  /** Completes a job in the store, and its report. */
  async #complete(keeper: Keeper, job: Job, report: CompactionReport): Promise<void> {
    const began = performance.now();
    this.#ending = job;
    const freed = await keeper.compactStore(tellAll(job.watchers));
    if (this.#ending === job) this.#ending = undefined;
    report.durationMs += performance.now() - began;
    this.compactions.ended(report);
    if (freed === undefined) this.compactions.failures += 1;
    else this.compactions.freed(report, freed);
  }

  #drop(): void {
    this.#job = undefined;
    if (this.#handle.isOpen) this.#handle.call((raw) => raw.compactAbort());
  }
}

/**
 * Tells `onProgress` on one scale for all stages, of which each counts as much as the first: how long the others take
 * is known only afterwards. A call may drive several jobs, and a change makes some work anew; progress never goes back.
 */
function told(onProgress: (progress: Progress) => void, stages: number): NonNullable<Tell> {
  let [scale, most] = [0, 0];
  return ({ done, total, phase }, stage) => {
    scale ||= stages * total;
    most = Math.max(most, Math.round((scale / stages) * (stage + (total && done / total))));
    onProgress({ done: most, total: scale, phase });
  };
}

function tellAll(watchers: ReadonlySet<Watcher>): Watcher {
  return (share) => {
    for (const watch of watchers) watch(share);
  };
}

/** The report of two compactions, one after the other, or of the second if there was no other. */
function sumOf(first: CompactionReport | undefined, second: CompactionReport): CompactionReport {
  if (!first) return second;
  const [a, b] = [first.reclaimedBytes, second.reclaimedBytes];
  const reclaimedBytes = { ...b };
  for (const part of Object.keys(b) as (keyof typeof b)[]) reclaimedBytes[part] += a[part];
  return {
    tombstonesRemoved: first.tombstonesRemoved + second.tombstonesRemoved,
    newSize: second.newSize,
    reclaimedBytes,
    slices: first.slices + second.slices,
    longestSliceMs: Math.max(first.longestSliceMs, second.longestSliceMs),
    durationMs: first.durationMs + second.durationMs,
  };
}
