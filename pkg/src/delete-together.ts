// deleteMany from a stored index: as many ids as rows of insertMany are one change, of which a crash leaves all or none.
import { MOST_TOGETHER } from "./insert-together.js";
import type { Keeper } from "./keeper.js";
import { FEW } from "./turn.js";
import type { Id } from "./types.js";

/** Ids whose records are on their way out. */
export interface Deleting {
  readonly ids: readonly Id[];
  remove(id: Id): void;
  /** The same of each, in slices. */
  removeSome(ids: readonly Id[]): Promise<void>;
}

/** Resolves when the store has no record under any of the ids. */
export async function deleteTogether(keeper: Keeper, { ids, remove, removeSome }: Deleting): Promise<void> {
  if (ids.length > FEW) {
    for (let from = 0; from < ids.length; from += MOST_TOGETHER) {
      await keeper.together(() => removeSome(ids.slice(from, from + MOST_TOGETHER)));
    }
  } else {
    const waiting = keeper.atOnce(() => ids.forEach(remove));
    if (waiting) await waiting;
  }
  await keeper.committed();
}
