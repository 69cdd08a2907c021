// As ../insert-many.ts, with the links of many records planned at once by all threads. Rows that stream in, or take the places of
// others, go in one after the other, as there.
import { booleanOf, checkAborted, functionOf, optionsOf, signalOf } from "../guard.js";
import { batchOf, checker, insertMany as oneAfterTheOther, naming, ready, type Batch, type Ready, type Rows } from "../insert-many.js";
import type { Keeper } from "../keeper.js";
import { Slice, SLICE_MS } from "../turn.js";
import type { Id, InsertManyOptions, Row } from "../types.js";
import type { Handle } from "./handle.js";
import type { RawIndex } from "./raw.js";

/** No payload is added to so many bytes of them: what is gathered for a call is held twice meanwhile. */
const MOST_BYTES = 1 << 23;

export async function insertMany(handle: Handle, keeper: Keeper | undefined, dimensions: number, rows: Rows, options?: InsertManyOptions): Promise<Id[]> {
  const given = optionsOf(options);
  const streams = typeof (rows as AsyncIterable<Row> | undefined)?.[Symbol.asyncIterator] === "function";
  if (streams || booleanOf("upsert", given.upsert)) return oneAfterTheOther(handle, keeper, dimensions, rows, options);
  handle.checkOpen();
  const onProgress = functionOf("onProgress", given.onProgress);
  const signal = signalOf(given.signal);
  const slice = new Slice(SLICE_MS);
  const turn = async (): Promise<void> => {
    await slice.next();
    handle.checkOpen();
    checkAborted(signal);
  };

  const batch = batchOf(rows as Exclude<Rows, AsyncIterable<Row>>, dimensions);
  const { length: total } = batch;
  const check = checker(handle, false);
  for (let i = 0; i < total; i++) {
    naming(i, () => check(ready(batch.row(i), dimensions)));
    if (slice.over) await turn();
  }
  handle.call((raw) => raw.reserve(total));
  const ids: Id[] = [];
  while (ids.length < total) {
    ids.push(...insertSome(handle, batch, ids.length, dimensions));
    if (slice.over && ids.length < total) {
      onProgress?.({ done: ids.length, total, phase: "insert" });
      await turn();
    }
  }
  onProgress?.({ done: total, total, phase: "insert" });
  return ids;
}

/** Inserts as many rows as the index takes together, from one on, all or none. Time decides nothing here, so that the same rows make the same index. */
function insertSome(handle: Handle, batch: Batch, from: number, dimensions: number): Id[] {
  const count = Math.min(handle.call((raw) => (raw as RawIndex).batchLength), batch.length - from);
  const rows: Ready[] = [];
  // Read before the core is entered: what a caller's row throws is the caller's.
  for (let bytes = 0; rows.length < count && bytes < MOST_BYTES; ) {
    const row = naming(from + rows.length, () => ready(batch.row(from + rows.length), dimensions));
    rows.push(row);
    bytes += row.payload.bytes?.length ?? 0;
  }
  const now = Date.now();
  const moments = rows.map(({ ttlMs }) => ttlMs && now + ttlMs);
  handle.mayHavePayloads ||= rows.some(({ payload }) => payload.kind !== 0);
  try {
    const ids = handle.change((plain) => {
      const raw = plain as RawIndex;
      // What is left of a call that one of its rows has ended.
      raw.forgetGathered();
      rows.forEach(({ id, vector, payload: { kind, bytes } }, i) => {
        if (id !== undefined) handle.forget(id);
        raw.gather(id, vector, kind, bytes, moments[i]);
      });
      return raw.insertGathered();
    });
    for (const moment of moments) if (moment) handle.expiresAt(moment);
    return ids;
  } catch (error) {
    // The core does not say which. All were right when they were checked, but other calls may have come in between, and rows may change.
    const check = checker(handle, false);
    rows.forEach((row, i) => naming(from + i, () => check(row)));
    return naming(from, () => {
      throw error;
    });
  }
}
