// insertMany, in slices. Synchronous rows are all checked before the first is inserted, so that a wrong one changes
// nothing. Rows of an async iterable are checked one by one as they arrive, and those before a wrong one stay.
//
// In "thermocline/threads", threads/insert-many.ts replaces this file for the other files directly in src
// (build/threads.mjs). It has only `insertMany`, so they import no other value from here.
import { unlessAborted } from "./abort.js";
import { leave, nextOf } from "./async-source.js";
import { inBulk } from "./bulk.js";
import {
  booleanOf, checkAborted, checkIdLength, fail, functionOf, isAsync, isIterable, msOf, naming, optionsOf, rowOf, shown,
  signalOf, typedArrayName, wrong,
} from "./guard.js";
import type { Handle } from "./handle.js";
import { NEW, NEXT, REPLACED } from "./how.js";
import type { Keeper } from "./stored/keeper.js";
import { onAbort } from "./on-abort.js";
import { encodePayload, ownPayload, presentBytes, type Encoded } from "./payload.js";
import { MANY_SLICE_MS, FEW, Slice } from "./turn.js";
import type { FlatRows, Id, InsertManyOptions, Row } from "./types.js";
import { unmoved } from "./unmoved.js";
import { checkLength, plainOf, vectorOf } from "./vector.js";

/** Most ids that a call can compare: one more is an error of the engine's, which would count as a fault of the core. */
const MAX_GIVEN = 2 ** 24;

/** A row, read and encoded for the core, which may still refuse its values. */
export interface Ready {
  readonly id: Id | undefined;
  readonly vector: Float32Array;
  readonly payload: Encoded;
  readonly ttlMs: number | undefined;
}

/** Synchronous rows. */
export interface SyncRows {
  readonly length: number;
  /** The vectors of all rows, one after the other, if the rows are flat. */
  readonly vectors?: Float32Array;
  row(i: number): unknown;
}

export type Rows = Iterable<Row> | AsyncIterable<Row> | FlatRows;

/** Inserts `rows`, and waits until they are stored. Returns the ids in the order of the rows. */
export function insertMany(
  handle: Handle, keeper: Keeper | undefined, dimensions: number, rows: Rows, options?: InsertManyOptions,
): Promise<Id[]> {
  return isAsync(rows)
    ? insertAsync(handle, keeper, dimensions, rows, options)
    : insertSync(handle, keeper, dimensions, rows, options);
}

async function insertAsync(
  handle: Handle, keeper: Keeper | undefined, dimensions: number, rows: AsyncIterable<Row>, options?: InsertManyOptions,
): Promise<Id[]> {
  handle.checkOpen();
  const checked = checkedOptions(options);
  const { onProgress, signal } = checked;
  const ids: Id[] = [];
  const slice = new Slice(MANY_SLICE_MS);
  const put = putterOf(handle, ids, dimensions, checked);
  const turn = turnsOf(handle, ids, checked, slice);
  /** The commit of the previous slice. */
  let previous: Promise<void> | undefined;
  for await (const row of untilStopped(rows, handle, signal)) {
    if (handle.isMoving) await unmoved(handle, signal);
    put(naming(ids.length, () => ready(row, dimensions)));
    if (!slice.over) continue;
    // One slice is inserted while the previous one is committed.
    await previous;
    previous = keeper?.commit(signal);
    previous?.catch(() => {});
    await turn(ids.length);
  }
  await previous;
  await keeper?.commit(signal);
  onProgress?.({ done: ids.length, total: ids.length, phase: "insert" });
  return ids;
}

async function insertSync(
  handle: Handle, keeper: Keeper | undefined, dimensions: number, rows: Iterable<Row> | FlatRows, options?: InsertManyOptions,
): Promise<Id[]> {
  handle.checkOpen();
  const checked = checkedOptions(options);
  const { onProgress, signal } = checked;
  const ids: Id[] = [];
  const slice = new Slice(MANY_SLICE_MS);
  const turn = turnsOf(handle, ids, checked, slice);
  const all = syncRowsOf(rows, dimensions);
  const { length } = all;
  const read = readerOf(all, dimensions);
  const isFew = length <= FEW;
  /** Few rows are inserted in one call into the core, so they are read before: that may run code of the caller. */
  const few: Ready[] = [];
  // While the index moves, other changes wait, too. Few rows are then checked when it is their turn.
  let isUnchecked = isFew && handle.isMoving;
  const check = checker(handle, checked.upsert);
  for (let i = 0; i < length; i++) {
    const row = read(i);
    if (isFew) few.push(row);
    if (!isUnchecked) check(i, row);
    const pause = isFew ? undefined : turn(length);
    if (pause) await pause;
  }
  handle.call((raw) => raw.reserve(length));
  const putNext = putterOf(handle, ids, dimensions, checked);
  const put = (row: Ready): void => {
    if (isUnchecked) {
      isUnchecked = false;
      const checkNow = checker(handle, checked.upsert);
      few.forEach((each, i) => checkNow(i, each));
    }
    putNext(row);
  };
  const insertAll = async (): Promise<void> => {
    if (isFew) {
      // At once, or after a move, in the order of the calls.
      const made = handle.changeLater(() => few.forEach(put), () => checkAborted(signal));
      return made && unlessAborted(signal, made);
    }
    while (ids.length < length) {
      if (handle.isMoving) await unmoved(handle, signal);
      put(read(ids.length));
      const pause = turn(length);
      if (pause) await pause;
    }
  };
  const insert = keeper ? () => keeper.insert({ ids, length, read, put, turn: () => turn(length), signal }) : insertAll;
  await inBulk(handle, keeper, length, dimensions, insert, slice, () => turn(length), signal);
  onProgress?.({ done: length, total: length, phase: "insert" });
  return ids;
}

/** Reads the options. INVALID_OPTION if one has the wrong type. */
export function checkedOptions(options: InsertManyOptions | undefined) {
  const given = optionsOf(options);
  return {
    upsert: booleanOf("upsert", given.upsert) ?? false,
    onProgress: functionOf("onProgress", given.onProgress),
    signal: signalOf(given.signal),
  };
}

/** Returns a function that inserts the next row and adds its id to `ids`. */
function putterOf(handle: Handle, ids: Id[], dimensions: number, { upsert }: InsertManyOptions) {
  return (row: Ready): void => naming(ids.length, () => {
    const { id, vector, payload: { kind, bytes }, ttlMs } = present(row, dimensions);
    if (kind) handle.mayHavePayloads = true;
    const expires = ttlMs && Date.now() + ttlMs;
    const inserted = handle.change((raw) => {
      if (id !== undefined) handle.forget(id);
      const how = id === undefined ? NEXT : upsert ? REPLACED : NEW;
      return raw.put(how, id, vector, kind, bytes, expires) ?? id!;
    });
    if (expires) handle.expiresAt(expires);
    ids.push(inserted);
  });
}

/**
 * Returns a function that gives up the thread if the slice is over. The function returns undefined if there is nothing
 * to wait for.
 */
export function turnsOf(
  handle: Handle, ids: readonly Id[], { onProgress, signal }: InsertManyOptions, slice = new Slice(MANY_SLICE_MS),
) {
  return (total: number): Promise<void> | undefined => {
    if (!slice.over) return undefined;
    if (ids.length) onProgress?.({ done: ids.length, total, phase: "insert" });
    return slice.next().then(() => {
      handle.checkOpen();
      checkAborted(signal);
    });
  };
}

/**
 * Yields the rows one at a time. Stops waiting for the caller's next row when the call is aborted or the index is
 * closed.
 */
async function* untilStopped(
  rows: AsyncIterable<Row>, handle: Handle, signal: AbortSignal | undefined,
): AsyncGenerator<unknown> {
  const source = rows[Symbol.asyncIterator]();
  let stop: () => void = () => {};
  const stopped = (): void => stop();
  handle.onClose.add(stopped);
  const stopListening = onAbort(signal, stopped);
  const checkGoing = (): void => {
    handle.checkOpen();
    checkAborted(signal);
  };
  /** True when the source has ended or failed by itself. */
  let isOver = false;
  try {
    for (;;) {
      // Checked before the wait too: `stop` has no effect if the call is stopped while a row is being inserted.
      checkGoing();
      const next = await new Promise<IteratorResult<Row>>((resolve, reject) => {
        stop = () => resolve({ done: true, value: undefined });
        nextOf(source).then(resolve, (error) => {
          isOver = true;
          reject(error);
        });
      });
      checkGoing();
      isOver = Boolean(next.done);
      if (isOver) return;
      yield next.value;
    }
  } finally {
    handle.onClose.delete(stopped);
    stopListening();
    if (!isOver) leave(source);
  }
}

/**
 * Returns the rows by number. INVALID_OPTION or DIMENSION_MISMATCH if they are neither an iterable nor flat rows of
 * matching lengths.
 */
export function syncRowsOf(rows: Iterable<Row> | FlatRows, dimensions: number): SyncRows {
  if (typeof rows !== "object" || rows === null) wrong("rows", "an iterable of rows, or { vectors }", rows);
  if (isIterable(rows)) {
    const all: unknown[] = Array.isArray(rows) ? rows.slice() : Array.from(rows, ownRow);
    return { length: all.length, row: (i) => all[i] };
  }
  const { vectors: given, ids, payloads } = rows;
  if (typedArrayName(given) !== "Float32Array") {
    wrong("rows", "an iterable of rows, or { vectors } with a Float32Array", given ?? rows);
  }
  const vectors = plainOf(given);
  if (vectors.length % dimensions !== 0) {
    fail("DIMENSION_MISMATCH", `vectors: expected a multiple of ${dimensions} values, got ${vectors.length}`);
  }
  const length = vectors.length / dimensions;
  for (const [name, list] of Object.entries({ ids, payloads })) {
    if (list === undefined) continue;
    if (!Array.isArray(list)) wrong(name, "an array", list);
    if (list.length !== length) wrong(`${name}.length`, `one for each of ${length} vectors`, list.length);
  }
  return {
    length,
    vectors,
    row: (i) => ({
      // A missing id in a list of ids is a mistake, not a request for the next number. The core refuses null as an id.
      id: ids && (ids[i] ?? null),
      // A transferred buffer leaves the array empty. The empty array is passed on, and refused for its length.
      vector: vectors.length ? vectors.subarray(i * dimensions, (i + 1) * dimensions) : vectors,
      payload: payloads?.[i],
    }),
  };
}

/** Returns the row with a copy of its vector and payload, since an iterable may reuse one of each for every row. */
function ownRow(row: Row, i: number): unknown {
  const given = row?.vector;
  // A transferred buffer leaves the array empty, and it cannot be copied. It is refused for its length later.
  const vector = given?.length ? given.slice?.() : given;
  if (!vector) return row;
  // Not `...row`: the members may be getters of a class.
  return { id: row.id, vector, payload: naming(i, () => ownPayload(row.payload)), ttlMs: row.ttlMs };
}

/** Returns a function that reads and encodes the row of this number. */
export function readerOf(rows: SyncRows, dimensions: number): (i: number) => Ready {
  return (i) => naming(i, () => ready(rows.row(i), dimensions));
}

/**
 * Returns a function that checks the rows one after the other, by number, each as if the rows before it were in the
 * index. Changes nothing.
 */
export function checker(handle: Handle, upsert: boolean): (i: number, row: Ready) => void {
  /** The ids that rows so far have of their own. */
  const given = new Set<Id>();
  const assigned = new Runs();
  let next = handle.call((raw) => raw.nextId);
  return (i, { id, vector }) =>
    naming(i, () => handle.call((raw) => {
      raw.checkVector(vector);
      if (id === undefined) {
        if (next > Number.MAX_SAFE_INTEGER) {
          fail("INVALID_ID", "the largest number has been an id, so each record needs an id of its own");
        }
        assigned.add(next++);
        return;
      }
      if (upsert) raw.checkId(id);
      else {
        raw.checkNewId(id);
        if (given.has(id) || assigned.has(id)) fail("DUPLICATE_ID", `id ${shown(id)} comes twice in this batch`);
        if (given.size === MAX_GIVEN) fail("OUT_OF_MEMORY", `one call can have at most ${MAX_GIVEN} ids; divide the rows`);
        given.add(id);
      }
      if (typeof id === "number" && id >= next) next = id + 1;
    }));
}

/** A set of ascending numbers, most of them consecutive. */
class Runs {
  readonly #firsts: number[] = [];
  /** For each run, the number after its last. */
  readonly #ends: number[] = [];

  /** Adds a number above all others. */
  add(number: number): void {
    const last = this.#ends.length - 1;
    if (this.#ends[last] === number) this.#ends[last]! += 1;
    else {
      this.#firsts.push(number);
      this.#ends.push(number + 1);
    }
  }

  has(id: Id): boolean {
    if (typeof id === "string") return false;
    // The first run that ends after it, if any.
    let [low, high] = [0, this.#ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle]! > id) high = middle;
      else low = middle + 1;
    }
    return this.#firsts[low]! <= id;
  }
}

/**
 * Reads and encodes a row. Call it outside of calls into the core: an error of the caller's own object must not pass
 * through the core.
 */
function ready(row: unknown, dimensions: number): Ready {
  const { id, vector, payload, ttlMs } = rowOf(row);
  checkIdLength(id);
  const read = { id, vector: vectorOf(vector, dimensions), payload: encodePayload(payload), ttlMs: msOf("ttlMs", ttlMs) };
  return present(read, dimensions);
}

/**
 * Returns the row with arrays for the core. Throws if a buffer has been transferred or resized since the row was read:
 * reading another member or row may have run code of the caller. Call it before each call that passes the row to the
 * core.
 */
export function present({ id, vector, payload: { kind, bytes }, ttlMs }: Ready, dimensions: number): Ready {
  return { id, vector: checkLength(vector, dimensions), payload: { kind, bytes: bytes && presentBytes(bytes) }, ttlMs };
}
