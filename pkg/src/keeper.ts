// A stored index at work. Changes are in memory at once; here they are brought into the store:
//
//  1. whoever made a change waits for a commit that begins after it; all who wait share that commit. Rows or ids of one call are one
//     change, some hundreds at a time: their frame of the log is open from slice to slice, and meanwhile no commit begins and no
//     checkpoint is made (the lock)
//  2. when the log has grown enough, a checkpoint is made in idle time
//  3. one at a time: commits and checkpoints stand in one queue
//  4. records that are in the store only are read when a call needs them, and without a budget in idle time
//  5. what opening has found in logs is linked into the graph in idle time, and all of it before a checkpoint
//  6. a compaction in memory is brought to its end in the store, by checkpoints
//  7. moving into another instance commits, makes a checkpoint and opens the store once more
//  8. closing commits, makes a checkpoint that is due, closes the store and gives the place back
import { unlessAborted } from "./abort.js";
import { deleteTogether, type Deleting } from "./delete-together.js";
import { ThermoclineError } from "./errors.js";
import { checkAborted } from "./guard.js";
import { codedError, isCold, trapped, type Cold, type Handle } from "./handle.js";
import { insertTogether, type Inserting } from "./insert-together.js";
import { Lock } from "./lock.js";
import type { Place } from "./place.js";
import type { RawIndex, RawInstance } from "./raw.js";
import { Queries } from "./search-cold.js";
import { nextTurn, whenIdle, type Slice } from "./turn.js";

/** A page that is never idle makes its checkpoints all the same. */
const LATEST_MS = 2000;
/** An export begins anew so often because the index has moved. */
const MOST_MOVES = 3;
/** For so long linking holds the thread at once. */
const SLICE_MS = 4;
/** The longest time that a timer can wait. */
const LONGEST_MS = 2 ** 31 - 1;
/** What is left to idle time. */
type Idle = "checkpoint" | "read" | "link";

/** What moving into another instance leaves. */
export interface Left {
  /** By how many bytes the other one's memory is smaller. */
  readonly returnedBytes: number;
  /** Settles when nobody uses the old one any more. */
  readonly left: Promise<unknown>;
}

export class Keeper {
  readonly #handle: Handle;
  readonly #place: Place;
  readonly #core: object;
  /** Settles when what was queued last is done; never rejects. */
  #last: Promise<void> = Promise.resolve();
  /** Calls that wait for records. What is left to idle time leaves the thread and the store to them, for a while. */
  #asking = 0;
  /** Settles when all reads of records so far have ended; never rejects. */
  #reading: Promise<unknown> = Promise.resolve();
  /** The commit that is queued and has not begun. */
  #next: Promise<void> | undefined;
  /** What the commit under way has taken no longer counts as uncommitted. */
  #committing = false;
  /** Held by a change that goes on from slice to slice, by a checkpoint, and by a commit until it has taken what it stores. */
  readonly #lock = new Lock();
  /** Such a change is under way; it does not count as uncommitted yet. */
  #holding = false;
  /** What takes back each idle turn that is planned. */
  readonly #planned = new Map<Idle, () => void>();
  /** Why the last checkpoint failed, until somebody has been told. */
  #unsaid: unknown;
  #closing = false;
  /** Closing has taken too long, and what is left of it is of no use to anybody: what those who wait are told. */
  #late: ThermoclineError | undefined;
  /** What ends the wait for each commit, checkpoint and read that is queued or under way, when closing takes too long. */
  readonly #unsettled = new Set<(error: unknown) => void>();

  /** `core` is what the core was given of the options. */
  constructor(handle: Handle, place: Place, core: object) {
    this.#handle = handle;
    this.#place = place;
    // The index is there, and if it were not, another must not be made in its place.
    this.#core = { ...core, dimensions: undefined };
    this.#begin();
  }

  /** What is left to be done of opening, in idle time. */
  #begin(): void {
    void this.planCheckpoint();
    this.#readAhead();
    this.#link();
  }

  /**
   * Calls into the core for what may need records. Those that are in the store only are read, and the call is made again. ABORTED once
   * the signal has fired, whether or not the store has answered by then.
   */
  reading<T>(use: (raw: RawIndex) => T, signal?: AbortSignal): T | Promise<T> {
    try {
      return this.#handle.call(use);
    } catch (error) {
      if (!isCold(error)) throw error;
      return unlessAborted(signal, this.#read(error, use, signal));
    }
  }

  async #read<T>({ blocks }: Cold, use: (raw: RawIndex) => T, signal: AbortSignal | undefined): Promise<T> {
    let outcome: T | Promise<T>;
    // What a caller's filter throws must not pass through the core.
    let thrown: { error: unknown } | undefined;
    const again = (): boolean => {
      try {
        checkAborted(signal);
        outcome = this.reading(use, signal);
      } catch (error) {
        thrown = { error };
      }
      // It needs still more, which is being read already.
      return outcome instanceof Promise;
    };
    await this.#ask((raw) => raw.fetch(blocks, again));
    if (thrown) throw (thrown as { error: unknown }).error;
    return outcome!;
  }

  /** The index as bytes. Records that are in the store only are read for it in parts, and given up again. */
  async exported(): Promise<Uint8Array> {
    const handle = this.#handle;
    const all = (raw: RawIndex): Uint8Array => raw.export();
    try {
      return handle.call(all);
    } catch (error) {
      if (!isCold(error)) throw error;
    }
    for (let moves = 0; ; moves += 1) {
      let from: RawIndex | undefined;
      const hasMoved = (): boolean => handle.checkOpen() !== from;
      const check = (): void => {
        if (hasMoved()) throw new ThermoclineError("LOCKED", "the index is in another instance");
      };
      try {
        return await this.#ask((raw) => (from = raw).exportStored(check));
      } catch (error) {
        // Whatever has failed: an instance that was left has no store any more, or one in which others write.
        if (handle.isOpen && hasMoved()) {
          if (moves < MOST_MOVES) continue;
        } else if ((error as ThermoclineError).code !== "LOCKED") {
          throw error;
        }
        // It does not hold still. With all records in memory it need not.
        return this.reading(all);
      }
    }
  }

  /** Reads for a call that waits. */
  async #ask<T>(use: (raw: RawIndex) => Promise<T>): Promise<T> {
    this.#asking += 1;
    try {
      return await this.#reads(this.#handle.keep(use));
    } finally {
      this.#asking -= 1;
    }
  }

  /** A store is not closed while it reads; but when closing takes too long, whoever waits for a read is told. */
  #reads<T>(reading: Promise<T>): Promise<T> {
    // Without what they came to, or each would keep the one before.
    this.#reading = Promise.allSettled([this.#reading, reading]).then(() => {});
    return this.#orLate(reading);
  }

  /** The same, or why not when closing takes too long. */
  #orLate<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#unsettled.add(reject);
      work.then(resolve, reject).finally(() => this.#unsettled.delete(reject));
    });
  }

  /** Runs in idle time, once for all who plan the same meanwhile, and not when the index closes before. */
  #whenIdle(what: Idle, run: (timeRemaining: () => number) => void, planned = performance.now()): void {
    if (this.#closing || this.#planned.has(what)) return;
    const turn = (timeRemaining: () => number): void => {
      this.#planned.delete(what);
      if (this.#asking && performance.now() - planned < LATEST_MS) this.#whenIdle(what, run, planned);
      else run(timeRemaining);
    };
    this.#planned.set(what, whenIdle(turn, LATEST_MS));
  }

  /** What fails here is left to the call that needs it. */
  #readAhead(): void {
    this.#whenIdle("read", () => {
      if (this.#handle.refusal) return;
      this.#reads(this.#handle.keep((raw) => raw.readAhead())).then((more) => { if (more) this.#readAhead(); }, () => {});
    });
  }

  /** What fails here is left to the insert or the checkpoint that needs it. */
  #link(): void {
    this.#whenIdle("link", (timeRemaining) => {
      if (this.#handle.isMoving) return;
      const sliceMs = Math.min(SLICE_MS, timeRemaining());
      this.#handle.keep((raw) => raw.linkSlice(sliceMs)).then((more) => { if (more) this.#link(); }, () => {});
    });
  }

  /** Links what is left, in slices. False when it has been stopped before the end. */
  async #linked(stopped: () => boolean): Promise<boolean> {
    while (!stopped() && (await this.#handle.keep((raw) => raw.linkSlice(SLICE_MS)))) await nextTurn();
    return !stopped();
  }

  /**
   * Runs what makes changes, in slices. They are one change to the store, together with those that others make meanwhile: after a crash all
   * of them are there, or none. It begins at once unless another one, or a checkpoint, is under way; ABORTED when the signal fires before.
   */
  async together(change: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    const handle = this.#handle;
    // Once it has closed nobody gives the lock back.
    handle.checkOpen();
    const taken = this.#lock.take();
    if (taken) await this.#taken(taken, signal);
    try {
      const raw = handle.change((raw) => raw);
      raw.hold(true);
      this.#holding = true;
      try {
        await change();
      } finally {
        this.#holding = false;
        // Nobody takes the index away meanwhile: moving and closing wait for the lock. After a trap there is nothing to be done.
        if (!handle.hasFailed) raw.hold(false);
      }
    } finally {
      this.#lock.give();
    }
  }

  /**
   * The same for few changes, which are made at once, without a pause, so that what is called next finds them. Within a longer one they are
   * part of that. While the index is moving they wait as a single change does, in the order of the calls; ABORTED when the signal fires before.
   */
  atOnce(change: () => void, signal?: AbortSignal): void | Promise<void> {
    const handle = this.#handle;
    const made = handle.changeLater((raw) => {
      checkAborted(signal);
      if (!this.#holding) raw.hold(true);
      try {
        change();
      } finally {
        if (!this.#holding && !handle.hasFailed) raw.hold(false);
      }
    });
    return made && unlessAborted(signal, this.#orLate(made));
  }

  /** See insert-together.ts, which is in the script of stored indexes as this is. */
  insert(rows: Inserting): Promise<void> {
    return insertTogether(this, rows);
  }

  /** The same of delete-together.ts. */
  delete(ids: Deleting): Promise<void> {
    return deleteTogether(this, ids);
  }

  /** And of search-cold.ts. */
  queries(total: number, slice: Slice, answer: (raw: RawIndex, query: number) => void): Queries {
    return new Queries(total, slice, answer);
  }

  /** Resolves once all commits and checkpoints so far have ended. */
  quiet(): Promise<void> {
    return this.#queue(async () => {});
  }

  /** Waits for the lock, and gives it on when that ends before. */
  async #taken(taken: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    try {
      await unlessAborted(signal, this.#orLate(taken));
    } catch (error) {
      void taken.then(() => this.#lock.give());
      throw error;
    }
  }

  /** With the lock. */
  async #alone<T>(run: () => Promise<T>): Promise<T> {
    // Commits wait behind it in the queue.
    await this.#lock.take(true);
    try {
      return await run();
    } finally {
      this.#lock.give();
    }
  }

  /** Resolves once everything that was changed before this call is in the log. */
  async committed(): Promise<void> {
    this.#handle.checkTaken();
    if (!this.#holding && !this.#committing && !(await this.#handle.keep((raw) => raw.hasUncommitted))) return;
    return (this.#next ??= this.#queue((kept) => this.#commit(kept)));
  }

  /** As `committed`. Whoever asks is told of a checkpoint that failed meanwhile, after which the next one is a new try. */
  async flush(): Promise<void> {
    await this.committed();
    const error = this.#unsaid;
    this.#unsaid = undefined;
    if (error) throw error;
  }

  /** To be called after whatever may have made a checkpoint due: one is then made in idle time. */
  async planCheckpoint(): Promise<void> {
    const due = await this.#handle.keep((raw) => !raw.readOnly && raw.checkpointDue).catch(() => false);
    if (due && !this.#unsaid) this.#whenIdle("checkpoint", () => void this.#makeCheckpoint());
  }

  async #makeCheckpoint(): Promise<void> {
    // Not in the queue, where commits would wait for it. What fails here fails there again.
    await this.#linked(() => this.#closing).catch(() => {});
    if (!this.#closing) void this.#queue(() => this.#checkpoint());
  }

  /**
   * Brings a compaction to its end in the store, and says how many bytes of records that has freed there. What fails is told to the
   * next who asks, as of a checkpoint.
   */
  async compacted(): Promise<number> {
    let freed = 0;
    await this.#linked(() => this.#closing).catch(() => {});
    await this.#queue(async (kept) => {
      // The compaction itself has been done; whoever waits need not hear of a place that is late.
      kept();
      if (this.#handle.refusal || this.#closing) return;
      this.#unsaid = undefined;
      try {
        freed = await this.#alone(() => this.#handle.keep((raw) => raw.compactStore(false)));
      } catch (error) {
        this.#unsaid = error;
      }
      // Closing took too long: it tells so.
    }).catch(() => {});
    return freed;
  }

  /** The same, after which nothing of a record is in the store that was deleted and compacted away before. What fails is thrown. */
  async erased(): Promise<number> {
    let freed = 0;
    this.#handle.checkOpen();
    await this.#linked(() => this.#closing);
    await this.#queue(async () => {
      this.#handle.checkOpen();
      await this.#commit();
      freed = await this.#alone(() => this.#handle.keep((raw) => raw.compactStore(true)));
    });
    return freed;
  }

  /**
   * Moves the index into another instance, which reads it from the store; by how many bytes that one's memory is smaller. Changes
   * wait from the last commit on. Opening writes nothing, so up to the moment in which the instances change places, whatever
   * fails leaves the index as it was, with its store open. The core's old index then ends its use of it when all that it reads
   * has come: `left` settles then.
   */
  async move({ RawIndex, memory }: RawInstance): Promise<Left> {
    const handle = this.#handle;
    let moved: RawIndex | undefined;
    let outcome: Left;
    const writes = !(await handle.keep((raw) => raw.readOnly));
    // Not in the queue, where commits would wait for it.
    if (writes) await this.#linked(() => this.#closing);
    await this.#queue(() => this.#alone(async () => {
      handle.checkOpen();
      handle.hold();
      try {
        if (writes) {
          await this.#append();
          // Without it the log would be read, which makes deletes again and no compactions.
          await handle.keep((raw) => raw.checkpoint());
        }
        moved = await this.#place.open(RawIndex, this.#core);
        moved.compactionThreshold = handle.call((raw) => raw.compactionThreshold);
        const { old, returnedBytes } = handle.replace(moved, memory);
        outcome = { returnedBytes, left: this.#queue(() => ended(old)).then(() => this.#reading) };
      } catch (error) {
        if (moved) await ended(moved);
        throw codedError(error) ?? trapped(error);
      } finally {
        handle.settle();
        // Nothing is linked while it moves.
        this.#link();
      }
    }));
    this.#begin();
    return outcome!;
  }

  /**
   * Ends it, within `timeoutMs`; the index is closed to callers already. Rejects with what nobody has been told yet: changes that
   * could not be stored, a checkpoint or a closing that failed. What does not end in time is left to itself: no new call
   * reaches the store, and the place is given back when the last one has ended.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    for (const takeBack of this.#planned.values()) takeBack();
    const state = { failed: false };
    const ending = this.#end(state);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<ThermoclineError>((resolve) => {
      timer = setTimeout(() => {
        this.#late = new ThermoclineError("STORE_FAILED", `closing took longer than ${timeoutMs} ms; what was not acknowledged before may be lost`);
        resolve(this.#late);
      }, Math.min(timeoutMs, LONGEST_MS));
    });
    const error = await Promise.race([ending, late]).finally(() => clearTimeout(timer));
    // What fails after this is nobody's: by the race it has been looked at.
    if (!error) return;
    this.#place.cut();
    for (const giveUp of this.#unsettled) giveUp(error);
    // What waits for the end of a move, which may never come, finds the index closed.
    this.#handle.settle();
    if (state.failed || this.#committing || this.#next) throw error;
  }

  async #end(state: { failed: boolean }): Promise<void> {
    const handle = this.#handle;
    let failure: unknown;
    const note = (error: unknown): void => void (failure ??= error);
    // After a commit that failed, those who waited have been told, and more is not taken.
    if (!handle.refusal) await this.committed().catch(note);
    state.failed = failure !== undefined;
    if (!this.#late && !handle.refusal && (await handle.keep((raw) => raw.checkpointDue).catch(() => false))) {
      await this.#queue(() => this.#checkpoint()).catch(note);
    }
    await this.#last;
    await this.#reading;
    // A change that finds the index closed lets go of it at its next slice.
    await this.#lock.take();
    await handle.keep((raw) => raw.closeStore()).catch(note);
    await this.#place.release().catch(note);
    // A trap has been told of, and it is why the rest failed.
    const told = handle.hasFailed;
    handle.free();
    this.#lock.give();
    failure ??= this.#unsaid;
    if (failure && !told) throw failure;
  }

  /** Runs after all that is in the queue. Once `run` has called `kept`, whoever waits has what was asked for, though more is to be done. */
  #queue(run: (kept: () => void) => Promise<void>): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      let end: (error: unknown) => void = reject;
      const giveUp = (error: unknown): void => end(error);
      this.#unsettled.add(giveUp);
      this.#last = this.#last
        .then(() => run(() => (end = () => resolve())))
        .then(resolve, reject)
        .then(() => void this.#unsettled.delete(giveUp));
      // What comes after it may wait for a store that never answers.
      if (this.#late) giveUp(this.#late);
    });
    // Whoever waits is told; that nobody does is no error.
    done.catch(() => {});
    return done;
  }

  async #commit(kept = () => {}): Promise<void> {
    // Not while a change is half made that others, who have come since it began, wait for as well; but before the next one.
    await this.#lock.take(true);
    this.#lock.give();
    await this.#append();
    kept();
    // Whoever inserts waits for it: what is inserted faster than it is stored must not fill the memory.
    if (await this.#handle.keep((raw) => raw.overBudget)) await this.#checkpoint();
    void this.planCheckpoint();
  }

  async #append(): Promise<void> {
    this.#next = undefined;
    this.#handle.checkTaken();
    this.#committing = true;
    try {
      await this.#handle.keep((raw) => (raw.hasUncommitted ? raw.commit() : undefined));
    } catch (error) {
      throw (this.#handle.refusal = error as ThermoclineError);
    } finally {
      this.#committing = false;
    }
  }

  /** A failure leaves the index as it is, with a longer log; it is kept for the next who asks, and not tried again before. */
  async #checkpoint(): Promise<void> {
    if (this.#handle.refusal) return;
    this.#unsaid = undefined;
    try {
      if (!(await this.#handle.keep((raw) => raw.checkpointDue)) || !(await this.#linked(() => this.#late !== undefined))) return;
      await this.#alone(() => this.#handle.keep((raw) => raw.checkpoint()));
    } catch (error) {
      this.#unsaid = error;
    }
  }
}

/** Of what fails here, nobody need know: what was to be stored is, or was never this one's. */
async function ended(raw: RawIndex): Promise<void> {
  try {
    await raw.closeStore();
  } catch {}
  try {
    raw.free();
  } catch {}
}
