// A page's side of one worker: what is asked of it and not answered yet, what is known of its index, and its end.
import { ThermoclineError } from "../errors.js";
import { fail } from "../guard.js";
import type { CompactionReport } from "../types.js";
import { Call, type Besides, type Thrown } from "./call.js";
import { errorOf } from "./error-parts.js";
import type { News, Order, Seen, SentRows } from "./messages.js";
import type { Running, Start } from "./platform.js";
import type { Answer, StoreServer } from "./store-server.js";

/** So much longer than its index a worker may take to close: it may be in the middle of something. */
const GRACE_MS = 1000;
/** The longest that a timer takes. */
const LONGEST_MS = 2 ** 31 - 1;

export class Connection {
  #seen: Seen = { size: 0, deletedCount: 0, needsCompaction: false };
  /** Why the index cannot be used any more, though it is open. */
  #failure: Error | undefined;
  readonly #running: Running;
  readonly #store: StoreServer | undefined;
  readonly #calls = new Map<number, Call>();
  /** Who is told of compactions in idle time, by the hook's number. */
  readonly #hooks = new Map<number, (report: CompactionReport) => void>();
  #count = 0;
  #isReady = false;
  #isClosed = false;
  /** Why there is no worker any more. */
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

  /** Throws when nothing can be asked any more. */
  checkOpen(): void {
    this.checkClosable();
    if (this.#dead) throw this.#dead;
  }

  /** As `checkOpen`, for closing. */
  checkClosable(): void {
    if (this.#isClosed) fail("CLOSED", "the index is closed");
  }

  /** What is known of the index. Throws when it cannot be used. */
  get seen(): Seen {
    this.checkOpen();
    if (this.#failure) throw this.#failure;
    return this.#seen;
  }

  /** Asks the worker, in the order of the calls. */
  call<T>(name: string, args: readonly unknown[], besides: Besides = {}): Promise<T> {
    this.checkOpen();
    return this.#ask(name, args, besides).promise as Promise<T>;
  }

  /** As `call`, for one that pulls rows: what gives it some, or none at the end, or why it does not come to that. */
  feeding<T>(name: string, args: readonly unknown[], besides: Besides): { promise: Promise<T>; feed(rows: SentRows | undefined, transfer: Transferable[], broken?: Thrown): void } {
    this.checkOpen();
    const call = this.#ask(name, args, besides);
    const id = this.#count;
    return {
      promise: call.promise as Promise<T>,
      feed: (rows, transfer, broken) => {
        if (!this.#calls.has(id)) return;
        call.broken = broken;
        this.post({ feed: id, rows, broken: broken !== undefined }, transfer);
      },
    };
  }

  /** Tells the worker. INVALID_OPTION for what cannot be sent. */
  post(order: Order, transfer?: Transferable[]): void {
    try {
      this.#running.post(order, transfer);
    } catch (error) {
      fail("INVALID_OPTION", `what was given cannot be sent to the worker of the index: ${(error as Error)?.message ?? error}`, error);
    }
  }

  /** Compacts in idle time; returns what ends that. */
  idle(sliceMs: number | undefined, onReport: ((report: CompactionReport) => void) | undefined): () => void {
    const idle = ++this.#count;
    this.post({ idle, sliceMs });
    if (onReport) this.#hooks.set(idle, onReport);
    return () => {
      this.#hooks.delete(idle);
      if (!this.#isClosed && !this.#dead) this.post({ stop: idle });
    };
  }

  /** Closes the index, and ends its worker whatever comes of that. */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    this.#hooks.clear();
    if (this.#dead) return;
    const late = setTimeout(() => {
      this.#running.end();
      this.#ended(`closing it took longer than ${timeoutMs} ms`);
    }, Math.min(timeoutMs + GRACE_MS, LONGEST_MS));
    try {
      await this.#ask("close", [{ timeoutMs }], {}).promise;
    } finally {
      clearTimeout(late);
      await this.leave();
    }
  }

  /** The worker has said all, and goes. Whatever else has been asked of it is CLOSED. */
  async leave(): Promise<void> {
    this.#isClosed = true;
    if (this.#dead) return;
    this.#over(new ThermoclineError("CLOSED", "the index is closed"));
    await this.#running.leave();
  }

  #ask(name: string, args: readonly unknown[], besides: Besides): Call {
    const id = ++this.#count;
    this.post({ call: id, name, args, tells: besides.onProgress !== undefined }, besides.transfer);
    const call = new Call(besides, () => this.#calls.has(id) && this.post({ abort: id }));
    if (!this.#calls.size) this.#running.hold(true);
    this.#calls.set(id, call);
    const over = (): void => {
      this.#calls.delete(id);
      if (!this.#calls.size && !this.#dead) this.#running.hold(false);
    };
    call.promise.then(over, over);
    return call;
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
      // On its own turn, so that what it throws is an ordinary uncaught error and stops nothing here.
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
      // No word of the index, but a failure of the store.
      this.post({ answer, error: { name: "Error", message: (thrown as Error).message } });
    }
  }

  /** The worker has ended by itself, or was ended from outside. */
  #ended(why: unknown): void {
    if (this.#dead) return;
    const { code, message } = (typeof why === "object" && why !== null ? why : { message: why }) as { code?: unknown; message?: unknown };
    const cause = why instanceof Error ? { cause: why } : undefined;
    if (!this.#isReady) this.#over(new ThermoclineError("NOT_FOUND", `the worker of the index could not be started: ${message}`, cause));
    else this.#over(new ThermoclineError(code === "ERR_WORKER_OUT_OF_MEMORY" ? "OUT_OF_MEMORY" : "CLOSED", `the worker of the index is gone, and the index with it: ${message}`, cause));
  }

  #over(error: ThermoclineError): void {
    this.#dead = error;
    this.#hooks.clear();
    for (const call of this.#calls.values()) call.fail(error);
    this.#calls.clear();
    void this.#store?.end();
  }
}
