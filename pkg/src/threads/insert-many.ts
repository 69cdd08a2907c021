// As ../insert-many.ts, but all threads plan the links of many records at once. Async rows, and rows that may replace
// records, are inserted one after the other by that file.
import { isAsync, naming } from "../guard.js";
import {
  checkedOptions, checker, insertMany as oneAfterTheOther, present, readerOf, syncRowsOf, turnsOf, type Ready,
  type Rows,
} from "../insert-many.js";
import type { Keeper } from "../stored/keeper.js";
import { FEW, MANY_SLICE_MS } from "../turn.js";
import type { Id, InsertManyOptions, Row } from "../types.js";
import { unmoved } from "../unmoved.js";
import type { Handle } from "./handle.js";
import type { RawIndex } from "./raw.js";

/**
 * Once the gathered payloads have this many bytes, no more rows are gathered, since payloads are in memory twice during
 * the call.
 */
const MAX_BYTES = 1 << 23;

export async function insertMany(
  handle: Handle, keeper: Keeper | undefined, dimensions: number, rows: Rows, options?: InsertManyOptions,
): Promise<Id[]> {
  handle.checkOpen();
  const checked = checkedOptions(options);
  if (isAsync(rows) || checked.upsert) return oneAfterTheOther(handle, keeper, dimensions, rows, checked);
  const { onProgress } = checked;
  const ids: Id[] = [];
  const turn = turnsOf(handle, ids, checked);
  const all = syncRowsOf(rows, dimensions);
  const { length } = all;
  // Few rows are there when the call returns, and are no work for several threads.
  if (length <= FEW) {
    return oneAfterTheOther(handle, keeper, dimensions, Array.from({ length }, (_, i) => all.row(i) as Row), checked);
  }
  const read = readerOf(all, dimensions);
  const check = checker(handle, false);
  for (let i = 0; i < length; i++) {
    check(i, read(i));
    const pause = turn(length);
    if (pause) await pause;
  }
  handle.call((raw) => raw.reserve(length));
  // Records that wait are linked first, which the core would do without a pause.
  while (handle.call((raw) => raw.linkSlice(MANY_SLICE_MS))) {
    const pause = turn(length);
    if (pause) await pause;
  }
  while (ids.length < length) {
    if (handle.isMoving) await unmoved(handle, checked.signal);
    ids.push(...insertSome(handle, dimensions, length, ids.length, read));
    const pause = ids.length < length && turn(length);
    if (pause) await pause;
  }
  onProgress?.({ done: length, total: length, phase: "insert" });
  return ids;
}

/**
 * Inserts as many rows as the index accepts at once, starting with number `from`, all or none. Their number does not
 * depend on time, so that the same rows build the same index.
 */
function insertSome(
  handle: Handle, dimensions: number, length: number, from: number, read: (i: number) => Ready,
): Id[] {
  const count = Math.min(handle.call((raw) => (raw as RawIndex).batchLength), length - from);
  const gathered: Ready[] = [];
  // Rows are read before the call into the core: an error of the caller's own object must not pass through the core.
  for (let bytes = 0; gathered.length < count && bytes < MAX_BYTES; ) {
    const row = read(from + gathered.length);
    gathered.push(row);
    bytes += row.payload.bytes?.length ?? 0;
  }
  const rows = gathered.map((row, i) => naming(from + i, () => present(row, dimensions)));
  const now = Date.now();
  const moments = rows.map(({ ttlMs }) => ttlMs && now + ttlMs);
  handle.mayHavePayloads ||= rows.some(({ payload }) => payload.kind);
  try {
    const ids = handle.change((plain) => {
      const raw = plain as RawIndex;
      // Drops rows left over from an earlier call in which a row was wrong.
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
    // The core does not say which row is wrong. All were valid when they were checked, but since then other calls may
    // have changed the index, or the caller may have changed a row.
    const check = checker(handle, false);
    rows.forEach((row, i) => check(from + i, row));
    return naming(from, () => {
      throw error;
    });
  }
}
