// deleteMany, in slices. All ids are checked before the first record is deleted, so that a wrong one changes nothing.
import { checkIdLength, isIterable, wrong } from "./guard.js";
import type { Handle } from "./handle.js";
import type { Keeper } from "./stored/keeper.js";
import { MANY_SLICE_MS, FEW, Slice } from "./turn.js";
import type { Id } from "./types.js";
import { unmoved } from "./unmoved.js";

/** Deletes the records with these ids, and waits until that is stored. Returns the number of records deleted. */
export async function deleteMany(handle: Handle, keeper: Keeper | undefined, ids: Iterable<Id>): Promise<number> {
  handle.checkOpen();
  if (!isIterable(ids)) wrong("ids", "an iterable of ids", ids);
  const all = [...ids];
  const slice = new Slice(MANY_SLICE_MS);
  let deleted = 0;
  const isOver = (): boolean => all.length > FEW && slice.over;
  for (const id of all) {
    checkIdLength(id);
    handle.call((raw) => raw.checkId(id));
    if (isOver()) await slice.next();
  }
  const remove = (id: Id): void => {
    if (handle.change((raw) => raw.delete(id))) deleted += 1;
  };
  const removeSome = async (some: readonly Id[]): Promise<void> => {
    // At once, or after a move, in the order of the calls.
    if (all.length <= FEW) return handle.changeLater(() => some.forEach(remove));
    for (const id of some) {
      if (handle.isMoving) await unmoved(handle);
      remove(id);
      if (isOver()) await slice.next();
    }
  };
  await (keeper ? keeper.delete({ ids: all, remove, removeSome }) : removeSome(all));
  return deleted;
}
