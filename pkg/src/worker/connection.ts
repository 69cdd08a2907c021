// The page's side of one worker: its unanswered calls, the known state of its index, and its end.
import { ThermoclineError } from "../errors.js";
import { fail } from "../guard.js";
import { MAX_TIMER_MS } from "../turn.js";
import type { CompactionReport } from "../types.js";
import { Call, type Besides } from "./call.js";
import { errorOf } from "./error-parts.js";
import type { News, Order, Seen } from "./messages.js";
import type { Running, Start } from "./platform.js";
import type { Feed } from "./pull.js";
import type { Answer, StoreServer } from "./store-server.js";

/**
 * Time that a worker gets to close in addition to its index's, in milliseconds, since it may be in the middle of a
 * slice.
 */
const GRACE_MS = 1000;

export class Connection {
  #seen: Seen = { size: 0, deletedCount: 0, needsCompaction: false };
  /** The error that makes the index unusable although it is open. */
  #failure: Error | undefined;
  readonly #running: Running;
  readonly #store: StoreServer | undefined;
  readonly #calls = new Map<number, Call>();
  /** The callbacks of idle compaction, by the number of the order. */
  readonly #hooks = new Map<number, (report: CompactionReport) => void>();
  /** Number of the last call or order that has one. */
  #count = 0;
  #isReady = false;
  #isClosed = false;
  /** The reason why the worker is gone. */
  #dead: ThermoclineError | undefined;

  constructor(start: Start, store?: StoreServer) {
    this.#store = store;
    try {
      this.#running = start({ news: (news) => this.#heard(news), ended: (why) => this.#ended(why) });
    } catch (error) {
      fail("NOT_FOUND", `the worker of the index could not be started: ${(error as Error)?.message ?? error}`, error);
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Throws when the index is closed or the worker is gone. */
  checkOpen(): void {
    this.checkClosable();
    if (this.#dead) throw this.#dead;
  }

  /** Throws when the index is closed. A worker that is gone can still be closed. */
  checkClosable(): void {
    if (this.#isClosed) fail("CLOSED", "the index is closed");
  }

  /** The properties of the index, as of the last settled call. Throws if the index cannot be used. */
  get seen(): Seen {
    this.checkOpen();
    if (this.#failure) throw this.#failure;
    return this.#seen;
  }

  /** Makes the worker run a call. Calls begin in order, and each is answered when it ends. */
  call<T>(name: string, args: readonly unknown[], besides: Besides = {}): Promise<T> {
    this.checkOpen();
    return this.#ask(name, args, besides).call.promise as Promise<T>;
  }

  /**
   * Makes the worker run a call that pulls rows. `feed` sends it rows; undefined means that there are no more, and
   * `broken` that they ended early.
   */
  feeding<T>(name: string, args: readonly unknown[], besides: Besides): { promise: Promise<T>; feed: Feed } {
    this.checkOpen();
    const { id, call } = this.#ask(name, args, besides);
    return {
      promise: call.promise as Promise<T>,
      feed: (rows, transfer, broken) => {
        if (!this.#calls.has(id)) return;
        call.broken = broken;
        this.post({ feed: id, rows, broken: broken !== undefined }, transfer);
      },
    };
  }

  /** Call once the worker has made an index. */
  opened(): void {
    this.#store?.opened();
  }

  /** Sends an order to the worker. INVALID_OPTION if it cannot be sent. */
  post(order: Order, transfer?: Transferable[]): void {
    try {
      this.#running.post(order, transfer);
    } catch (error) {
      const reason = (error as Error)?.message ?? error;
      fail("INVALID_OPTION", `what was given cannot be sent to the worker of the index: ${reason}`, error);
    }
  }

  /** Makes the worker compact in idle time. Returns a function that stops it. */
  idle(sliceMs: number | undefined, onReport: ((report: CompactionReport) => void) | undefined): () => void {
    const idle = ++this.#count;
    this.post({ idle, sliceMs });
    if (onReport) this.#hooks.set(idle, onReport);
    return () => {
      this.#hooks.delete(idle);
      if (!this.#isClosed && !this.#dead) this.post({ stop: idle });
    };
  }

  /**
   * Closes the index. Ends the worker whether or not closing succeeds. STORE_FAILED if a stored index does not close in
   * time; an index in memory has nothing to lose.
   */
  async close(timeoutMs: number, isStored: boolean): Promise<void> {
    this.#isClosed = true;
    this.#hooks.clear();
    if (this.#dead) return;
    const why = `closing took longer than ${timeoutMs} ms`;
    let ending: Promise<void> | undefined;
    const late = setTimeout(() => {
      ending = this.#running.end();
      this.#ended(why);
    }, Math.min(timeoutMs + GRACE_MS, MAX_TIMER_MS));
    try {
      await this.#ask("close", [{ timeoutMs }], {}).call.promise;
    } catch (error) {
      if (!ending) throw error;
      if (isStored) fail("STORE_FAILED", `${why}; what was not acknowledged before may be lost`, error);
    } finally {
      clearTimeout(late);
      await (ending ?? this.leave());
    }
  }

  /** Ends a worker that has sent its last answer. Unanswered calls are CLOSED. */
  async leave(): Promise<void> {
    this.#isClosed = true;
    if (this.#dead) return;
    this.#over(new ThermoclineError("CLOSED", "the index is closed"));
    await this.#running.leave();
  }

  /** Sends a call, and returns it with its number. The worker keeps a Node process alive while it has unanswered calls. */
  #ask(name: string, args: readonly unknown[], besides: Besides): { id: number; call: Call } {
    const id = ++this.#count;
    this.post({ call: id, name, args, tells: besides.onProgress !== undefined }, besides.transfer);
    const call = new Call(besides, () => this.#calls.has(id) && this.post({ abort: id }));
    if (!this.#calls.size) this.#running.keepAlive(true);
    this.#calls.set(id, call);
    const over = (): void => {
      this.#calls.delete(id);
      if (!this.#calls.size && !this.#dead) this.#running.keepAlive(false);
    };
    call.promise.then(over, over);
    call.followSignal();
    return { id, call };
  }

  #heard(news: News): void {
    this.#isReady = true;
    if (this.#dead) return;
    if (news.seen) this.#seen = news.seen;
    if (news.failure) this.#failure = errorOf(news.failure);
    if ("call" in news) this.#calls.get(news.call)?.answered(news.value, news.error, news.broken);
    else if ("progress" in news) this.#calls.get(news.progress)?.progress(news.value);
    else if ("more" in news) this.#calls.get(news.more)?.besides.onMore?.();
    else if ("report" in news) {
      const told = this.#hooks.get(news.report);
      // In a separate microtask, so that an error of the callback is an ordinary uncaught error and stops nothing here.
      if (told) queueMicrotask(() => told(news.value));
    } else if ("ask" in news) {
      void this.#store?.answer(news.asked).then((answer) => this.#answer(news.ask, answer));
    }
  }

  #answer(answer: number, { value, error, transfer }: Answer): void {
    if (this.#dead) return;
    try {
      this.post({ answer, value, error }, transfer);
    } catch (thrown) {
      // A value of the caller's store that cannot be sent counts as a failure of the store.
      this.post({ answer, error: { name: "Error", message: (thrown as Error).message } });
    }
  }

  /** Called when the worker has ended by itself or was terminated from outside. */
  #ended(why: unknown): void {
    if (this.#dead) return;
    const known: { code?: unknown; message?: unknown } = typeof why === "object" && why !== null ? why : { message: why };
    const { code, message } = known;
    const cause = why instanceof Error ? { cause: why } : undefined;
    if (!this.#isReady) {
      this.#over(new ThermoclineError("NOT_FOUND", `the worker of the index could not be started: ${message}`, cause));
      return;
    }
    const gone = code === "ERR_WORKER_OUT_OF_MEMORY" ? "OUT_OF_MEMORY" : "CLOSED";
    this.#over(new ThermoclineError(gone, `the worker of the index is gone, and the index with it: ${message}`, cause));
  }

  /** Ends all calls with this error. */
  #over(error: ThermoclineError): void {
    this.#dead = error;
    this.#hooks.clear();
    for (const call of this.#calls.values()) call.fail(error);
    this.#calls.clear();
    void this.#store?.end();
  }
}
