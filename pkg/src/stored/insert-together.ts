// insertMany into a stored index: up to 500 rows are one change. After a crash all of them are there, or none.
import type { Ready } from "../insert-many.js";
import type { Keeper } from "./keeper.js";
import { FEW } from "../turn.js";
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
 * Inserts all rows. Resolves when they are in the store. If the core runs out of memory during a change, the change
 * ends there, and the row is tried again once the change is stored.
 */
export async function insertTogether(keeper: Keeper, { ids, length, read, put, turn, signal }: Inserting): Promise<void> {
  /** The commit of the previous change. */
  let previous: Promise<void> | undefined;
  while (ids.length < length) {
    const from = ids.length;
    const upto = Math.min(length, from + MAX_CHANGE_ROWS);
    let refused = false;
    const wasPut = (row: Ready): boolean => {
      try {
        put(row);
      } catch (error) {
        refused = ids.length > from && (error as { code?: unknown }).code === "OUT_OF_MEMORY";
        if (!refused) throw error;
      }
      return !refused;
    };
    // Few rows are read before the change begins, because reading a row may run code of the caller that uses the index.
    const few = length - from > FEW ? [] : Array.from({ length: length - from }, (_, i) => read(from + i));
    const isFew = few.length > 0 && few.reduce((bytes, row) => bytes + bytesOf(row), 0) <= FEW_BYTES;
    if (isFew) {
      const waiting = keeper.changeAtOnce(() => void few.every(wasPut), signal);
      if (waiting) await waiting;
    } else {
      await keeper.changeInSlices(async () => {
        for (let bytes = 0; ids.length < upto && bytes < MAX_CHANGE_BYTES; ) {
          const row = read(ids.length);
          if (!wasPut(row)) return;
          bytes += bytesOf(row);
          const pause = turn();
          if (pause) await pause;
        }
      }, signal);
    }
    await previous;
    previous = keeper.committed(signal);
    previous.catch(() => {});
    if (refused) {
      await previous;
      await keeper.queueDrained(signal);
    }
  }
  await previous;
  await keeper.committed(signal);
}
