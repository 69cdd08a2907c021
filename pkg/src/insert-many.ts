// insertMany, in slices. Rows that are all there are checked in full before the first goes in, so that bad input changes
// nothing; rows that stream in are checked one by one, and those before a bad one stay.
import { ThermoclineError } from "./errors.js";
import { booleanOf, checkAborted, checkIdLength, fail, functionOf, msOf, optionsOf, shown, signalOf, typedArrayName, wrong } from "./guard.js";
import type { Handle } from "./handle.js";
import type { Keeper } from "./keeper.js";
import { encodePayload, type Encoded } from "./payload.js";
import { FEW, Slice, SLICE_MS } from "./turn.js";
import type { FlatRows, Id, InsertManyOptions, Row } from "./types.js";
import { vectorOf } from "./vector.js";

/** A row that the core can take; its values may still be refused there. */
export interface Ready {
  readonly id: Id | undefined;
  readonly vector: Float32Array;
  readonly payload: Encoded;
  readonly ttlMs: number | undefined;
}

/** Rows that are all there. */
export interface Batch {
  readonly length: number;
  row(i: number): unknown;
}

export type Rows = Iterable<Row> | AsyncIterable<Row> | FlatRows;

/** Inserts `rows` into an index of `dimensions`, and waits until they are stored; the ids come back in the order of the rows. */
export async function insertMany(handle: Handle, keeper: Keeper | undefined, dimensions: number, rows: Rows, options?: InsertManyOptions): Promise<Id[]> {
  handle.checkOpen();
  const given = optionsOf(options);
  const upsert = booleanOf("upsert", given.upsert) ?? false;
  const onProgress = functionOf("onProgress", given.onProgress);
  const signal = signalOf(given.signal);
  const ids: Id[] = [];
  const slice = new Slice(SLICE_MS);
  /** Gives up the thread if the slice is over. */
  const turn = (done: number, total: number): Promise<void> | undefined => {
    if (!slice.over) return undefined;
    if (done) onProgress?.({ done, total, phase: "insert" });
    return slice.next().then(() => {
      handle.checkOpen();
      checkAborted(signal);
    });
  };

  const put = ({ id, vector, payload: { kind, bytes }, ttlMs }: Ready): void => naming(ids.length, () => {
    if (kind) handle.mayHavePayloads = true;
    const expires = ttlMs && Date.now() + ttlMs;
    const inserted = handle.change((raw) => {
      if (id === undefined) return raw.insert(vector, kind, bytes, expires);
      handle.forget(id);
      if (upsert) raw.upsert(id, vector, kind, bytes, expires);
      else raw.insertWithId(id, vector, kind, bytes, expires);
      return id;
    });
    if (expires) handle.expiresAt(expires);
    ids.push(inserted);
  });

  if (typeof (rows as AsyncIterable<Row> | undefined)?.[Symbol.asyncIterator] === "function") {
    /** The commit of the slice before. */
    let behind: Promise<void> | undefined;
    for await (const row of untilStopped(rows as AsyncIterable<Row>, handle, signal)) {
      while (handle.isMoving) await handle.still();
      put(naming(ids.length, () => ready(row, dimensions)));
      if (!slice.over) continue;
      // A slice goes in while the one before is committed.
      await behind;
      behind = keeper?.committed();
      behind?.catch(() => {});
      await turn(ids.length, ids.length);
    }
    await behind;
    await keeper?.committed();
  } else {
    const batch = batchOf(rows as Exclude<Rows, AsyncIterable<Row>>, dimensions);
    const { length } = batch;
    const read = (i: number): Ready => naming(i, () => ready(batch.row(i), dimensions));
    const check = checker(handle, upsert);
    const pause = (): Promise<void> | undefined => (length > FEW ? turn(ids.length, length) : undefined);
    for (let i = 0; i < length; i++) {
      const row = read(i);
      naming(i, () => check(row));
      const paused = pause();
      if (paused) await paused;
    }
    handle.call((raw) => raw.reserve(length));
    if (keeper) await keeper.insert({ ids, length, read, put, turn: () => turn(ids.length, length), signal });
    while (ids.length < length) {
      put(read(ids.length));
      const paused = pause();
      if (paused) await paused;
    }
  }
  onProgress?.({ done: ids.length, total: ids.length, phase: "insert" });
  return ids;
}

/** Rows one at a time; ends the wait for the caller's next one when the call is aborted or the index closed. */
async function* untilStopped(rows: AsyncIterable<Row>, handle: Handle, signal: AbortSignal | undefined): AsyncGenerator<unknown> {
  const source = rows[Symbol.asyncIterator]();
  let stop: () => void = () => {};
  const stopped = (): void => stop();
  handle.onClose.add(stopped);
  signal?.addEventListener("abort", stopped);
  const checkGoing = (): void => {
    handle.checkOpen();
    checkAborted(signal);
  };
  let done = false;
  try {
    for (;;) {
      // Before the wait too: what stops the call while a row goes in would wake nobody.
      checkGoing();
      const next = await new Promise<IteratorResult<Row>>((resolve, reject) => {
        stop = () => resolve({ done: true, value: undefined });
        source.next().then(resolve, reject);
      });
      checkGoing();
      done = next.done === true;
      if (done) return;
      yield next.value;
    }
  } finally {
    handle.onClose.delete(stopped);
    signal?.removeEventListener("abort", stopped);
    // Not awaited: a source that never answers must not hold up the error.
    if (!done) void Promise.resolve(source.return?.()).catch(() => {});
  }
}

export function batchOf(rows: Iterable<Row> | FlatRows, dimensions: number): Batch {
  if (typeof rows !== "object" || rows === null) wrong("rows", "an iterable of rows, or { vectors }", rows);
  if (Symbol.iterator in rows) {
    const all: unknown[] = [...rows];
    return { length: all.length, row: (i) => all[i] };
  }
  const { vectors, ids, payloads } = rows;
  if (typedArrayName(vectors) !== "Float32Array") wrong("rows", "an iterable of rows, or { vectors } with a Float32Array", vectors ?? rows);
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
    row: (i) => ({
      // A missing id among given ones is a mistake, not a wish for the next number: null is refused as an id.
      id: ids && (ids[i] ?? null),
      vector: vectors.subarray(i * dimensions, (i + 1) * dimensions),
      payload: payloads?.[i],
    }),
  };
}

/** Checks row after row as if those before it had gone in, without changing anything. */
export function checker(handle: Handle, upsert: boolean): (row: Ready) => void {
  const seen = new Set<Id>();
  let next = handle.call((raw) => raw.nextId);
  return ({ id, vector }) =>
    handle.call((raw) => {
      raw.checkVector(vector);
      if (upsert) {
        if (id !== undefined) raw.checkId(id);
        return;
      }
      if (id === undefined) {
        if (next > Number.MAX_SAFE_INTEGER) fail("INVALID_ID", "the largest number has been an id, so each record needs an id of its own");
        seen.add(next++);
        return;
      }
      raw.checkNewId(id);
      if (seen.has(id)) fail("DUPLICATE_ID", `id ${shown(id)} comes twice in this batch`);
      seen.add(id);
      if (typeof id === "number" && id >= next) next = id + 1;
    });
}

/** Reads a row. Whatever the caller's own object throws meanwhile is the caller's: nothing of this runs inside the core. */
export function ready(row: unknown, dimensions: number): Ready {
  if (typeof row !== "object" || row === null) wrong("row", "an object with a vector", row);
  const { id, vector, payload, ttlMs } = row as Row;
  checkIdLength(id);
  return { id, vector: vectorOf(vector, dimensions), payload: encodePayload(payload), ttlMs: msOf("ttlMs", ttlMs) };
}

/** Puts the row's number in front of what was wrong with it. */
export function naming<T>(i: number, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof ThermoclineError)) throw error;
    throw new ThermoclineError(error.code, `row ${i}: ${error.message}`, { cause: error.cause });
  }
}
