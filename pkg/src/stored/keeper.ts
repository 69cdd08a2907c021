// Brings the changes of a stored index into its store. A change is in memory at once. Then:
//
//  1. The caller waits for a commit that begins after the change, together with all callers waiting at that time. Rows
//     or ids of one call form changes of a few hundred each, whose frame in the log stays open from slice to slice
//     (changes.ts). Meanwhile no commit begins and no checkpoint is made (the lock).
//  2. When the log has grown enough, a checkpoint is made in idle time (checkpoints.ts).
//  3. Commits and checkpoints are made one at a time, from one queue (work-queue.ts).
//  4. Records that are only in the store are read when a call needs them, and without a memory budget also in idle time
//     (record-reads.ts).
//  5. Records that opening found without links are linked into the graph in idle time, or at the latest before a
//     checkpoint. Rows of insertMany for an empty index are linked together once all are there (../bulk.ts), and
//     checkpoints made before the end of that have them without links.
//  6. A compaction in memory is completed in the store by checkpoints.
//  7. Moving into another instance commits, makes a checkpoint and opens the store a second time.
//  8. Closing commits, makes a checkpoint if one is due, closes the store and releases the place.
import { unlessAborted } from "../abort.js";
import { Changes } from "./changes.js";
import { Checkpoints } from "./checkpoints.js";
import { codedError, trapped } from "../core-error.js";
import { deleteTogether, type Deleting } from "./delete-together.js";
import { ThermoclineError } from "../errors.js";
import type { Handle } from "../handle.js";
import { IdleTurns } from "./idle-turns.js";
import { insertTogether, type Inserting } from "./insert-together.js";
import { Lock } from "./lock.js";
import type { Place } from "./place.js";
import type { RawIndex, RawInstance } from "../raw.js";
import { RecordReads } from "./record-reads.js";
import { Queries } from "./search-cold.js";
import { IDLE_SLICE_MS, MAX_TIMER_MS, nextTurn, type Slice } from "../turn.js";
import { WorkQueue } from "./work-queue.js";

/** The result of moving an index into another instance. */
export interface Relocation {
  /** The number of bytes by which the new instance's memory is smaller. */
  readonly returnedBytes: number;
  /** Settles when the old instance is no longer used. */
  readonly released: Promise<unknown>;
}

export class Keeper {
  /** Changes of records that are one change to the store. */
  readonly changes: Changes;
  /** Reads of records that are only in the store. */
  readonly records: RecordReads;
  readonly #handle: Handle;
  readonly #place: Place;
  readonly #coreOptions: object;
  readonly #queue = new WorkQueue();
  readonly #idle: IdleTurns;
  readonly #checkpoints: Checkpoints;
  /** The commit in the queue that has not begun. */
  #queuedCommit: Promise<void> | undefined;
  /** True while a commit is being written. The core already counts its changes as committed. */
  #committing = false;
  /** Held by a change in slices, by a checkpoint, and by a commit until it begins to write. */
  readonly #lock = new Lock();
  /** True once a caller has been told of a failed commit. */
  #isTold = false;
  #closing = false;
  readonly #prepareLinking: () => Promise<void>;
  /** Resolves once the index, as opened last, has what it needs to link the records that wait. */
  #prepared: Promise<void> | undefined;
  /** True once `#prepared` has resolved. */
  #isPrepared = false;

  /**
   * `coreOptions` are the options that the core was given when it opened the index. `prepareLinking` is called after
   * each opening, before records that wait are linked.
   */
  constructor(handle: Handle, place: Place, coreOptions: object, prepareLinking: () => Promise<void>) {
    this.#handle = handle;
    this.#place = place;
    this.#prepareLinking = prepareLinking;
    // The index exists by now. Without dimensions the core cannot create another one in its place.
    this.#coreOptions = { ...coreOptions, dimensions: undefined };
    this.changes = new Changes(handle, this.#queue, this.#lock);
    this.records = new RecordReads(handle, this.#queue);
    // Calls that wait for records have the thread and the store to themselves.
    this.#idle = new IdleTurns(() => this.records.hasWaitingCalls);
    const linkAll = (isStopped: () => boolean): Promise<boolean> => this.#linkAll(isStopped);
    this.#checkpoints = new Checkpoints(handle, this.#queue, this.#idle, this.#lock, linkAll);
    this.#planIdleWork();
  }

  /** Plans the work that opening left to idle time. */
  #planIdleWork(): void {
    const prepared = this.#prepareLinking().catch(() => {});
    this.#prepared = prepared;
    this.#isPrepared = false;
    void this.planCheckpoint();
    this.#planPrefetch();
    void prepared.then(() => {
      // A move may have opened the index again.
      if (this.#prepared !== prepared) return;
      this.#isPrepared = true;
      this.planLinking();
    });
  }

  /** Ignores failures: the call that needs the records will report them. */
  #planPrefetch(): void {
    this.#idle.plan("prefetch", () => {
      if (this.#handle.refusal) return;
      this.records.prefetch().then((more) => { if (more) this.#planPrefetch(); }, () => {});
    });
  }

  /**
   * Links all records that wait, in idle time, and then plans a checkpoint if one is due. Ignores failures: the insert
   * or checkpoint that needs the records linked will report them. Does nothing while the index moves, or until linking
   * is prepared: many records that wait are then linked together, but not once some have been linked by themselves.
   */
  planLinking(): void {
    this.#idle.plan("link", (timeRemaining) => {
      if (this.#handle.isMoving || this.#handle.linkingIsHeld || !this.#isPrepared) return;
      const sliceMs = Math.min(IDLE_SLICE_MS, timeRemaining());
      const linked = this.#handle.callInternally((raw) => raw.linkSlice(sliceMs));
      linked.then((more) => { if (more) this.planLinking(); else void this.planCheckpoint(); }, () => {});
    });
  }

  /**
   * Links records that wait, for a slice, unless they are linked together. Resolves to false if nothing is left, or if
   * linking is being prepared, after which idle time links them.
   */
  async linkSlice(): Promise<boolean> {
    return this.#isPrepared && !this.#closing && this.#linkSome();
  }

  #linkSome(): Promise<boolean> {
    return this.#handle.callInternally((raw) => !raw.linksTogether && raw.linkSlice(IDLE_SLICE_MS));
  }

  /**
   * Links all records that are not in the graph yet, in slices, unless they are linked together, which no checkpoint
   * waits for. Returns false if `isStopped` ended it early.
   */
  async #linkAll(isStopped: () => boolean): Promise<boolean> {
    await this.#prepared;
    while (!isStopped() && (await this.#linkSome())) await nextTurn();
    return !isStopped();
  }

  /** `insertTogether` of insert-together.ts, which is in the script of stored indexes like this file. */
  insert(rows: Inserting): Promise<void> {
    return insertTogether(this, rows);
  }

  /** `deleteTogether` of delete-together.ts, which is in the script of stored indexes like this file. */
  delete(ids: Deleting): Promise<void> {
    return deleteTogether(this, ids);
  }

  /** If product codes are being trained, trains them for about so long. Returns true while they are. */
  trainSlice(budgetMs: number): boolean {
    return this.#handle.call((raw) => {
      if (raw.isTraining) raw.linkSlice(budgetMs);
      return raw.isTraining;
    });
  }

  /** The `Queries` of search-cold.ts, which is in the script of stored indexes like this file. */
  queries(total: number, slice: Slice, answer: (raw: RawIndex, query: number) => unknown): Queries {
    return new Queries(total, slice, answer);
  }

  /** Resolves once all commits and checkpoints so far have ended. ABORTED if the signal fires first. */
  queueDrained(signal?: AbortSignal): Promise<void> {
    return unlessAborted(signal, this.#queue.add(async () => {}));
  }

  /** Resolves once every change made before this call is in the log. ABORTED if the signal fires first. */
  async commit(signal?: AbortSignal): Promise<void> {
    this.#handle.checkWritable();
    const isPending = this.changes.frameIsOpen || this.#committing;
    if (!isPending && !(await this.#handle.callInternally((raw) => raw.hasUncommitted))) return;
    this.#queuedCommit ??= this.#queue.add((acknowledge) => this.#runCommit(acknowledge));
    return unlessAborted(signal, this.#queuedCommit);
  }

  /**
   * Throws the error. Call it with each error that a caller gets: it may be that of a failed commit, or one that quotes
   * it at the end of its message (`checkWritable` of the handle).
   */
  readonly throwTold = (error: unknown): never => {
    const refused = this.#handle.refusal?.message;
    if (refused && error instanceof ThermoclineError && error.message.endsWith(refused)) this.#isTold = true;
    throw error;
  };

  /**
   * As `commit`, also for changes that wait for a move. Rejects as well with the unreported error of a failed
   * checkpoint, which may then be retried after the next change.
   */
  async flush(): Promise<void> {
    while (this.#handle.isMoving) await this.#handle.moveEnded();
    await this.commit().catch(this.throwTold);
    const error = this.#checkpoints.takeError();
    if (error) throw error;
  }

  /** Plans a checkpoint for idle time if one is due. Call it after anything that may have made one due. */
  planCheckpoint(): Promise<void> {
    return this.#checkpoints.plan();
  }

  /**
   * Makes a checkpoint after many records have been linked together, which no log can repeat. A failure is kept for the
   * next `flush` or `close`. ABORTED if the signal fires first.
   */
  storeLinks(signal?: AbortSignal): Promise<void> {
    return unlessAborted(signal, this.#queue.add(() => this.#checkpoints.makeIfDue()));
  }

  /**
   * Completes a compaction in the store. Returns the number of bytes of records freed there; undefined after a failure,
   * which is kept for the next `flush` or `close`, like that of a checkpoint. `told` gets the share that is done.
   */
  async compactStore(told: (share: number) => void): Promise<number | undefined> {
    let freed: number | undefined = 0;
    await this.#linkAll(() => this.#closing).catch(() => {});
    await this.#queue.add(async (acknowledge) => {
      // The compaction in memory is done: even if closing takes too long, the caller gets its report.
      acknowledge();
      if (this.#handle.refusal || this.#closing) return;
      try {
        freed = await this.#lock.runFirst(() => this.#handle.callInternally((raw) => raw.compactStore(false, told)));
        // A compaction that has changed little writes nothing.
        if (!(await this.#handle.callInternally((raw) => raw.checkpointDue))) this.#checkpoints.succeeded();
      } catch (error) {
        freed = undefined;
        this.#checkpoints.failed(error);
      }
      // Rejects only if closing took too long, which `close` reports.
    }).catch(() => {});
    return freed;
  }

  /**
   * Completes a compaction in the store and erases there the data that was deleted and compacted away. Returns the
   * number of bytes of records freed. Rejects if it fails. `told` gets the share that is done.
   */
  async eraseDeleted(told: (share: number) => void): Promise<number> {
    let freed = 0;
    this.#handle.checkOpen();
    await this.#linkAll(() => this.#closing);
    await this.#queue.add(async () => {
      this.#handle.checkOpen();
      await this.#runCommit();
      freed = await this.#lock.runFirst(() => this.#handle.callInternally((raw) => raw.compactStore(true, told)));
      this.#checkpoints.succeeded();
    }).catch(this.throwTold);
    return freed;
  }

  /**
   * Moves the index into another instance, which reads it from the store. From the last commit on, changes wait.
   * Opening writes nothing, so a failure before the switch leaves the index as it was, with its store open. After the
   * switch, the core's old index ends its use of the store once its last reads have ended; then `released` settles.
   */
  async move({ RawIndex, memory }: RawInstance): Promise<Relocation> {
    const handle = this.#handle;
    let moved: RawIndex | undefined;
    let outcome: Relocation;
    const writes = !(await handle.callInternally((raw) => raw.readOnly));
    // Linking is done outside of the queue, where commits would wait for it.
    if (writes) await this.#linkAll(() => this.#closing);
    await this.#queue.add(() => this.#lock.runFirst(async () => {
      handle.checkOpen();
      handle.pause();
      try {
        if (writes) {
          await this.#writeLog();
          // Without a checkpoint the new instance would replay the log, which repeats deletes but not compactions.
          await handle.callInternally((raw) => raw.checkpoint());
          this.#checkpoints.succeeded();
        }
        // Others may have replaced the index that a reader has open. Callers know these two of the old one.
        const known = !writes && handle.call(({ dimensions, metric }) => ({ dimensions, metric }));
        moved = await this.#place.open(RawIndex, { ...this.#coreOptions, ...known });
        moved.compactionThreshold = handle.call((raw) => raw.compactionThreshold);
        const { old, returnedBytes } = handle.replace(moved, memory);
        outcome = { returnedBytes, released: this.#queue.add(() => dispose(old)).then(() => this.records.settled()) };
      } catch (error) {
        if (moved) await dispose(moved);
        // Idle linking has stopped. After a move that succeeds, it is prepared first.
        this.planLinking();
        this.throwTold(codedError(error) ?? trapped(error));
      } finally {
        handle.resume();
      }
    }));
    this.#planIdleWork();
    return outcome!;
  }

  /**
   * Ends the index, which is closed to callers already. Rejects with any failure that no caller has been told of: of
   * storing changes, of closing, or of a checkpoint unless a caller was told of a failed commit. Stops waiting
   * `timeoutMs` after `began` (a time of `performance.now()`): then no new call reaches the store, and the place is
   * released when the last running call has ended.
   */
  async close(timeoutMs: number, began: number): Promise<void> {
    this.#closing = true;
    this.#idle.stop();
    this.#checkpoints.stop();
    const state = { failed: false };
    const shutDown = this.#shutDown(state);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timedOut = new Promise<ThermoclineError>((resolve) => {
      timer = setTimeout(() => {
        const message = `closing took longer than ${timeoutMs} ms; what was not acknowledged before may be lost`;
        const error = new ThermoclineError("STORE_FAILED", message);
        this.#queue.timeOut(error);
        resolve(error);
      }, Math.min(Math.max(0, began + timeoutMs - performance.now()), MAX_TIMER_MS));
    });
    // A later failure of `shutDown` is not an unhandled rejection, since the race handles it.
    const error = await Promise.race([shutDown, timedOut]).finally(() => clearTimeout(timer));
    if (!error) return;
    this.#place.cut();
    this.#queue.giveUp(error);
    // The move may never end, so calls waiting for it are woken and find the index closed.
    this.#handle.resume();
    if (state.failed || this.#committing || this.#queuedCommit) throw error;
  }

  async #shutDown(state: { failed: boolean }): Promise<void> {
    const handle = this.#handle;
    let failure: unknown;
    const note = (error: unknown): void => void (failure ??= error);
    // After a failed commit no more changes have been accepted. Every caller that waited for it may have been aborted.
    if (!handle.refusal) await this.commit().catch(note);
    else if (!this.#isTold) note(handle.refusal);
    state.failed = failure !== undefined;
    const mayCheckpoint = !this.#queue.timeout && !handle.refusal;
    if (mayCheckpoint && (await handle.callInternally((raw) => raw.checkpointDue).catch(() => false))) {
      await this.#queue.add(() => this.#checkpoints.makeIfDue()).catch(note);
    }
    await this.#queue.drained();
    await this.records.settled();
    // A change in slices finds the index closed at its next slice and releases the lock.
    await this.#lock.take();
    await handle.callInternally((raw) => raw.closeStore()).catch(note);
    await this.#place.release().catch(note);
    // A trap has been reported to a caller and is the cause of all other failures.
    const told = handle.hasFailed;
    handle.free();
    this.#lock.give();
    // A failed checkpoint has lost nothing: the log has every acknowledged change. So it is not news to a caller that
    // was told that the store takes no more changes.
    if (!this.#isTold) failure ??= this.#checkpoints.takeError();
    if (failure && !told) throw failure;
  }

  async #runCommit(acknowledge = () => {}): Promise<void> {
    // Waits for a running change in slices, which contains the changes that others have made since it began. Goes
    // first, so that it precedes the next such change.
    await this.#lock.take(true);
    this.#lock.give();
    await this.#writeLog();
    acknowledge();
    // The next commit waits for this checkpoint, and so do inserts: records must not arrive faster than they can be
    // moved out of memory, nor, without the work of linking, make the log long before idle time comes. A failed one is
    // made again soon, or memory would exceed the budget. But if they keep failing, each would write a lot in vain.
    const cannotWait = this.#handle.linkingIsHeld || (await this.#handle.callInternally((raw) => raw.overBudget));
    if (cannotWait && this.#checkpoints.isUrgentTurn()) await this.#checkpoints.makeIfDue();
    void this.#checkpoints.plan();
  }

  /** Writes all uncommitted changes to the log. After a failure the index accepts no more changes. */
  async #writeLog(): Promise<void> {
    this.#queuedCommit = undefined;
    // The store gets no new call once closing has taken too long.
    if (this.#queue.timeout) throw this.#queue.timeout;
    this.#handle.checkWritable();
    this.#committing = true;
    try {
      await this.#handle.callInternally((raw) => (raw.hasUncommitted ? raw.commit() : undefined));
    } catch (error) {
      throw (this.#handle.refusal = error as ThermoclineError);
    } finally {
      this.#committing = false;
    }
  }
}

/** Ends one of the core's indexes. Failures do not matter: its changes are stored, or it was never used. */
async function dispose(raw: RawIndex): Promise<void> {
  try {
    await raw.closeStore();
  } catch {}
  try {
    raw.free();
  } catch {}
}
