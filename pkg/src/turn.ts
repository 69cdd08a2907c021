// Giving the event loop a turn: between the slices of a long call, and when there is nothing else to do.

/** The scheduler of newer browsers, which not every type library declares. */
declare const scheduler:
  | undefined
  | { postTask?(run: () => void, options: { priority: string; signal: AbortSignal }): Promise<unknown> };

/**
 * Length of a slice of a call with many rows, ids or queries, in milliseconds: long enough to waste little time between
 * slices, short enough for a page to draw.
 */
export const MANY_SLICE_MS = 8;
/** Default length of a slice of a compaction, and length of a slice of linking in idle time, in milliseconds. */
export const IDLE_SLICE_MS = 4;
/**
 * A call with at most this many rows or ids runs without a pause, so that the caller's next call sees all of its
 * changes.
 */
export const FEW = 25;
/** The longest delay that `setTimeout` accepts, in milliseconds. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** Number of bytes overwritten between two checks of the clock. */
const OVERWRITTEN_BYTES = 1 << 22;

/**
 * Resolves after the tasks waiting in the event loop have run. It uses no timer, because browsers stretch timers to 4
 * ms and more. The channel is closed at once, because an open one keeps a Node process alive.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

/**
 * Runs work that the engine does on background threads, such as compiling and instantiating WebAssembly. A timer keeps
 * the event loop busy meanwhile. With an empty event loop, Node blocks the main thread until the background threads are
 * done, while one of them may be waiting for the main thread to collect garbage: a deadlock (nodejs/node#54918).
 */
export async function awake<T>(run: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000);
  try {
    return await run();
  } finally {
    clearInterval(timer);
  }
}

/** Determines when a long call gives up the thread: about every `sliceMs` milliseconds. */
export class Slice {
  #end: number;

  constructor(readonly sliceMs: number) {
    this.#end = performance.now() + sliceMs;
  }

  /** The milliseconds that are left of the slice; negative once it is used up. */
  get left(): number {
    return this.#end - performance.now();
  }

  /** True once the slice is used up. */
  get over(): boolean {
    return this.left <= 0;
  }

  /** Gives up the thread and begins the next slice. */
  async next(): Promise<void> {
    await nextTurn();
    this.#end = performance.now() + this.sliceMs;
  }
}

/** Fills a memory that is no longer used with zeros, in slices. */
export async function overwrite({ buffer }: WebAssembly.Memory): Promise<void> {
  const slice = new Slice(MANY_SLICE_MS);
  for (let at = 0; at < buffer.byteLength; at += OVERWRITTEN_BYTES) {
    new Uint8Array(buffer, at, Math.min(OVERWRITTEN_BYTES, buffer.byteLength - at)).fill(0);
    if (slice.over) await slice.next();
  }
}

/**
 * Runs `run` once after `ms` milliseconds, and returns a function that cancels it. Never keeps a Node process alive.
 */
export function later(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms) as ReturnType<typeof setTimeout> & { unref?(): void };
  timer.unref?.();
  return () => clearTimeout(timer);
}

/**
 * Runs `run` once when the platform is idle, with a function that returns the milliseconds left. In a page that is
 * always busy it runs after `latestMs`, if given. Returns a function that cancels it.
 *
 * Never keeps a Node process alive: its timer is unreferenced. Unlike an unreferenced immediate, the timer fires even
 * while the event loop waits.
 */
export function whenIdle(run: (timeRemaining: () => number) => void, latestMs = 0): () => void {
  const unlimited = () => run(() => Infinity);
  if (typeof requestIdleCallback === "function") {
    // A timeout of 0 means none.
    const handle = requestIdleCallback(
      // When it comes by its timeout, the browser says that no time is left.
      (deadline) => run(() => (deadline.didTimeout ? Infinity : deadline.timeRemaining())), { timeout: latestMs },
    );
    return () => cancelIdleCallback(handle);
  }
  if (typeof scheduler === "object" && scheduler.postTask && typeof setImmediate !== "function") {
    const cancelled = new AbortController();
    const unlessCancelled = () => cancelled.signal.aborted || unlimited();
    // Cancelling rejects the task's promise.
    scheduler.postTask(unlessCancelled, { priority: "background", signal: cancelled.signal }).catch(() => {});
    return () => cancelled.abort();
  }
  return later(unlimited, 1);
}
