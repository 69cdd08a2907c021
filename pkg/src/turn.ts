// Giving the event loop a turn: between the slices of a long call, and when there is nothing else to do.

/** The scheduler of newer browsers; not every type library knows it. */
declare const scheduler: undefined | { postTask?(run: () => void, options: { priority: string; signal: AbortSignal }): Promise<unknown> };

/**
 * Resolves after whatever waits in the event loop had its turn. No timer: browsers stretch those to 4 ms and more. The
 * channel is closed at once, because an open one keeps a Node process alive.
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
 * Runs what only a background thread of the engine's will end, as WebAssembly's compiling and instantiating. A timer goes along:
 * with nothing in its event loop, Node holds the main thread until the background threads are done, and one of those may be
 * waiting for the main thread to collect garbage. Neither then ever ends (nodejs/node#54918).
 */
export async function awake<T>(run: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000);
  try {
    return await run();
  } finally {
    clearInterval(timer);
  }
}

/** So much is overwritten between two looks at the clock. */
const OVERWRITTEN_BYTES = 1 << 22;

/** Long enough to waste little on turns, short enough for a page to draw: a slice of a call with many rows, ids or queries. */
export const SLICE_MS = 8;
/** A call of no more rows, or ids, goes on without a pause, so that what is called next finds all of it. */
export const FEW = 25;

/** Holds the thread for about `sliceMs` at a time. */
export class Slice {
  #end: number;

  constructor(readonly sliceMs: number) {
    this.#end = performance.now() + sliceMs;
  }

  /** True once the slice is used up. */
  get over(): boolean {
    return performance.now() >= this.#end;
  }

  /** Gives up the thread and begins the next slice. */
  async next(): Promise<void> {
    await nextTurn();
    this.#end = performance.now() + this.sliceMs;
  }
}

/** Fills a memory that nobody uses any more with zeros, in slices. */
export async function overwrite({ buffer }: WebAssembly.Memory): Promise<void> {
  const slice = new Slice(8);
  for (let at = 0; at < buffer.byteLength; at += OVERWRITTEN_BYTES) {
    new Uint8Array(buffer, at, Math.min(OVERWRITTEN_BYTES, buffer.byteLength - at)).fill(0);
    if (slice.over) await slice.next();
  }
}

/** Runs once after so many milliseconds. What it returns takes it back. Never keeps a Node process alive. */
export function later(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms) as ReturnType<typeof setTimeout> & { unref?(): void };
  timer.unref?.();
  return () => clearTimeout(timer);
}

/**
 * Runs once when the platform has nothing better to do, with a function that tells the milliseconds left; in a page that is
 * always busy, after `latestMs` if given. What it returns takes it back. Never keeps a Node process alive: its timer is
 * unreferenced, and unlike an unreferenced immediate it does fire while the loop waits.
 */
export function whenIdle(run: (timeRemaining: () => number) => void, latestMs = 0): () => void {
  const unlimited = () => run(() => Infinity);
  if (typeof requestIdleCallback === "function") {
    // A timeout of 0 is none.
    const handle = requestIdleCallback((deadline) => run(() => deadline.timeRemaining()), { timeout: latestMs });
    return () => cancelIdleCallback(handle);
  }
  if (typeof setImmediate === "function") return later(unlimited, 1);
  const taken = new AbortController();
  const unlessTaken = () => taken.signal.aborted || unlimited();
  if (typeof scheduler === "object" && scheduler.postTask) {
    // That it was taken back is a rejection.
    scheduler.postTask(unlessTaken, { priority: "background", signal: taken.signal }).catch(() => {});
  } else void nextTurn().then(unlessTaken);
  return () => taken.abort();
}
