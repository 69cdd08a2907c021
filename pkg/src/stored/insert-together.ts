// insertMany into a stored index: up to 500 rows are one change. After a crash all of them are there, or none.
import type { Ready } from "../insert-many.js";
import type { Keeper } from "./keeper.js";
import { MANY_SLICE_MS, FEW } from "../turn.js";
import type { Id } from "../types.js";

/** Most rows, or ids of a delete, in one change. Until the change ends, other callers wait for their commits. */
export const MAX_CHANGE_ROWS = 500;
/** Most bytes of vectors and payloads in one change. */
const MAX_CHANGE_BYTES = 1 << 21;
/**
 * A call of few rows with at most this many bytes inserts them at once, without waiting for a checkpoint or another
 * call.
 */
const FEW_BYTES = 1 << 16;

/** The rows of one call. */
export interface Inserting {
  /** Ids of the rows inserted so far. */
  readonly ids: readonly Id[];
  readonly length: number;
  read(i: number): Ready;
  /** Inserts the next row. */
  put(row: Ready): void;
  /** Gives up the thread if the slice is over. Throws or rejects if the call has to end. */
  turn(): Promise<void> | undefined;
  readonly signal: AbortSignal | undefined;
}

function bytesOf({ vector, payload }: Ready): number {
  return vector.byteLength + (payload.bytes?.length ?? 0);
}

/**
 * Inserts all rows. Resolves when they are in the store.
 *
 * If memory runs out while product codes are being trained, which shortens them, their training is completed. (Linking
 * records that wait would free next to nothing.) If there is too little memory still, a change of many rows ends there,
 * and the row is tried again once the change is stored and a checkpoint may have evicted records.
 */
export async function insertTogether(keeper: Keeper, { ids, length, read, put, turn, signal }: Inserting): Promise<void> {
  /** Inserts the next row. Returns the error if memory has run out. */
  const attempt = (row: Ready): unknown => {
    try {
      put(row);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "OUT_OF_MEMORY") throw error;
      return error;
    }
    return undefined;
  };
  /** The commit of the previous change. */
  let previous: Promise<void> | undefined;
  while (ids.length < length) {
    const from = ids.length;
    const upto = Math.min(length, from + MAX_CHANGE_ROWS);
    let refused = false;
    // Few rows are read before the change begins, because reading a row may run code of the caller that uses the index.
    const few = length - from > FEW ? [] : Array.from({ length: length - from }, (_, i) => read(from + i));
    const isFew = few.length > 0 && few.reduce((bytes, row) => bytes + bytesOf(row), 0) <= FEW_BYTES;
    if (isFew) {
      const insertFew = (): void => {
        for (const row of few) {
          if (!attempt(row)) continue;
          // The caller's next call must see all of these rows, so this holds the thread.
          while (keeper.trainSlice(MANY_SLICE_MS));
          put(row);
        }
      };
      const waiting = keeper.changes.atOnce(insertFew, signal);
      if (waiting) await waiting;
    } else {
      await keeper.changes.inSlices(async () => {
        for (let bytes = 0; ids.length < upto && bytes < MAX_CHANGE_BYTES; ) {
          const row = read(ids.length);
          if (attempt(row)) {
            while (keeper.trainSlice(MANY_SLICE_MS)) await turn();
            const error = attempt(row);
            refused = error !== undefined;
            if (refused && ids.length === from) throw error;
            if (refused) return;
          }
          bytes += bytesOf(row);
          const pause = turn();
          if (pause) await pause;
        }
      }, signal);
    }
    await previous;
    previous = keeper.commit(signal);
    previous.catch(() => {});
    if (refused) {
      await previous;
      await keeper.queueDrained(signal);
    }
  }
  await previous;
  await keeper.commit(signal);
}
