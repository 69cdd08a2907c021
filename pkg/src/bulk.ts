// The bulk build: many rows for an empty index are first inserted without links, and then linked together. Its code is
// in a wasm file of its own, and so is that of graph order and of moves, in the same one.
//
// In "thermocline/threads", threads/bulk.ts replaces this file.
import type { Handle } from "./handle.js";
import { addBulk, type RawIndex, type RawIndexClass } from "./raw.js";
import { checkAborted } from "./guard.js";
import { onAbort } from "./on-abort.js";
import type { Keeper } from "./stored/keeper.js";
import { IDLE_SLICE_MS, later, type Slice, whenIdle } from "./turn.js";

/**
 * Fewest rows, and fewest dimensions, of a bulk build (`LEAST` in src/index/bulk.rs, `MOST_WHOLE_DIMENSIONS` in
 * src/quantize/int8.rs).
 */
const MIN_ROWS = 4096;
const MIN_DIMENSIONS = 129;
/** For so many milliseconds a call waits for the file. */
const LOADING_MS = 3000;
/** In a page that is never idle, the rows of a call that has failed are linked after this many milliseconds. */
const LATEST_MS = 2000;
/** The instances that have the code or are about to. */
const extended = /* @__PURE__ */ new WeakMap<RawIndexClass, Promise<boolean>>();
/** Those that have it. */
const complete = /* @__PURE__ */ new WeakSet<RawIndexClass>();

/**
 * Runs `insert`, which inserts `length` rows: as a bulk build if the index is empty and the rows are many. Between
 * slices it waits for `turn`, which throws if the call must end. The rows inserted by then are linked in idle time.
 */
export async function inBulk(
  handle: Handle, keeper: Keeper | undefined, length: number, dimensions: number, insert: () => Promise<void>,
  slice: Slice, turn: () => Promise<void> | undefined, signal: AbortSignal | undefined,
): Promise<void> {
  const isLarge = length >= MIN_ROWS && dimensions >= MIN_DIMENSIONS;
  const end = isLarge ? await beginBulk(handle, signal) : undefined;
  try {
    try {
      // Within: what has begun must end.
      checkAborted(signal);
      await insert();
    } finally {
      end?.();
    }
    while (end && handle.call((raw) => raw.linkSlice(slice.left))) await turn();
  } catch (error) {
    if (end) keeper ? keeper.planLinking() : linkWhenIdle(handle);
    throw error;
  }
  if (end) await keeper?.storeLinks(signal);
}

/**
 * Gives an index the code if it has been opened while so many records wait to be linked that a bulk build must have
 * been interrupted. An insert before that, right after opening, links two of them by itself. Then there is a graph, and
 * all the others are linked one by one, too.
 */
export async function resumeBulk(handle: Handle): Promise<void> {
  const raw = handle.call((raw) => raw);
  if (raw.stats().pending < MIN_ROWS || !(await inTime(handle, undefined, isExtended(raw.constructor)))) return;
  // The code is there once `beginBulk` has been called. While records wait, it begins nothing.
  handle.call((now) => { if (now === raw && raw.beginBulk()) raw.endBulk(); });
}

/** Returns true if the index has the code of graph order. */
export function canPack(raw: RawIndex): boolean {
  return complete.has(raw.constructor);
}

/**
 * Loads the code that carries the index into an instance of another class. Resolves to false if it has to be exported
 * and imported instead.
 */
export function loadCarrying(handle: Handle, Other: RawIndexClass): Promise<boolean> {
  const Own = handle.call((raw) => raw.constructor);
  return inTime(handle, undefined, Promise.all([Own, Other].map(isExtended)).then((are) => !are.includes(false)));
}

/** Loads the code of graph order. Resolves to false if the index has to do without, or when the call ends. */
export function loadPacking(handle: Handle, signal: AbortSignal | undefined): Promise<boolean> {
  return inTime(handle, signal, isExtended(handle.call((raw) => raw.constructor)));
}

/**
 * Begins a bulk build and returns the function that ends it. Returns undefined if the index is not empty or of codes or
 * options that none suits, or if the code cannot be loaded: the rows are then linked one by one.
 */
async function beginBulk(handle: Handle, signal: AbortSignal | undefined): Promise<(() => void) | undefined> {
  const raw = handle.call((raw) => (raw.size + raw.deletedCount ? undefined : raw));
  if (!raw || !(await inTime(handle, signal, isExtended(raw.constructor)))) return undefined;
  // `reload` moves the index into an instance that holds nothing back.
  const unlessMoved = <T>(use: () => T): T | false => handle.call((now) => now === raw && use());
  if (!unlessMoved(() => raw.beginBulk())) return undefined;
  handle.linkingIsHeld = true;
  return () => {
    handle.linkingIsHeld = false;
    if (handle.isOpen) unlessMoved(() => raw.endBulk());
  };
}

/** Adds the code to an instance. Resolves to false if it cannot be loaded; the next call tries again. */
function isExtended(Raw: RawIndexClass): Promise<boolean> {
  const known = extended.get(Raw);
  if (known) return known;
  const adding = addBulk(Raw).then(() => !!complete.add(Raw), () => !extended.delete(Raw));
  extended.set(Raw, adding);
  return adding;
}

/** Resolves to false when the call ends, or when `loading` takes too long. */
function inTime(handle: Handle, signal: AbortSignal | undefined, loading: Promise<boolean>): Promise<boolean> {
  return new Promise((resolve) => {
    const giveUp = (): void => settle(false);
    const cancel = later(giveUp, LOADING_MS);
    handle.onClose.add(giveUp);
    const stop = onAbort(signal, giveUp);
    const settle = (is: boolean): void => {
      cancel();
      handle.onClose.delete(giveUp);
      stop();
      resolve(is);
    };
    if (signal?.aborted) giveUp();
    void loading.then(settle);
  });
}

function linkWhenIdle(handle: Handle): void {
  whenIdle((timeRemaining) => {
    try {
      if (!handle.isOpen) return;
      if (handle.call((raw) => raw.linkSlice(Math.min(IDLE_SLICE_MS, timeRemaining())))) linkWhenIdle(handle);
    } catch {
      // No caller waits for this. The next insert links some.
    }
  }, LATEST_MS);
}
