// insertMany into a stored index: up to 500 rows are one change, of which a crash leaves all or none.
import type { Ready } from "./insert-many.js";
import type { Keeper } from "./keeper.js";
import { FEW } from "./turn.js";
import type { Id } from "./types.js";

/** So many rows, or those with so many bytes, are one change, and so many ids. Until it ends, others wait for their commits. */
export const MOST_TOGETHER = 500;
const MOST_BYTES = 1 << 21;
/** A call of few rows with no more bytes waits for no checkpoint, nor for others on their way in. */
const FEW_BYTES = 1 << 16;

/** Rows on their way in. */
export interface Inserting {
  /** Of those that are in. */
  readonly ids: readonly Id[];
  readonly length: number;
  read(i: number): Ready;
  put(row: Ready): void;
  /** Gives up the thread if the slice is over, and throws when the call is to end. */
  turn(): Promise<void> | undefined;
  readonly signal: AbortSignal | undefined;
}

function bytesOf({ vector, payload }: Ready): number {
  return vector.byteLength + (payload.bytes?.length ?? 0);
}

/** Resolves when all are in the store. Memory that is refused midway ends a change there, and is asked for again once that is stored. */
export async function insertTogether(keeper: Keeper, { ids, length, read, put, turn, signal }: Inserting): Promise<void> {
  /** The commit of the change before. */
  let behind: Promise<void> | undefined;
  while (ids.length < length) {
    const from = ids.length;
    const upto = Math.min(length, from + MOST_TOGETHER);
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
    // Read before: a caller's row may call the index.
    const few = length - from > FEW ? [] : Array.from({ length: length - from }, (_, i) => read(from + i));
    const isFew = few.length > 0 && few.reduce((bytes, row) => bytes + bytesOf(row), 0) <= FEW_BYTES;
    if (isFew) {
      const waiting = keeper.atOnce(() => void few.every(wasPut), signal);
      if (waiting) await waiting;
    } else {
      await keeper.together(async () => {
        for (let bytes = 0; ids.length < upto && bytes < MOST_BYTES; ) {
          const row = read(ids.length);
          if (!wasPut(row)) return;
          bytes += bytesOf(row);
          const pause = turn();
          if (pause) await pause;
        }
      }, signal);
    }
    await behind;
    behind = keeper.committed();
    behind.catch(() => {});
    if (refused) {
      await behind;
      await keeper.quiet();
    }
  }
  await behind;
  await keeper.committed();
}
