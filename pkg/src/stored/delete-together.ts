// deleteMany from a stored index: up to 500 ids are one change. After a crash all of them are deleted, or none.
import { MAX_CHANGE_ROWS } from "./insert-together.js";
import type { Keeper } from "./keeper.js";
import { FEW } from "../turn.js";
import type { Id } from "../types.js";

/** The ids of one call. */
export interface Deleting {
  readonly ids: readonly Id[];
  remove(id: Id): void;
  /** Removes the records of all these ids, in slices. */
  removeSome(ids: readonly Id[]): Promise<void>;
}

/** Deletes the records of all ids. Resolves when the deletes are in the store. */
export async function deleteTogether(keeper: Keeper, { ids, remove, removeSome }: Deleting): Promise<void> {
  if (ids.length > FEW) {
    for (let from = 0; from < ids.length; from += MAX_CHANGE_ROWS) {
      await keeper.changes.inSlices(() => removeSome(ids.slice(from, from + MAX_CHANGE_ROWS)));
    }
  } else {
    const waiting = keeper.changes.atOnce(() => ids.forEach(remove));
    if (waiting) await waiting;
  }
  await keeper.commit();
}
