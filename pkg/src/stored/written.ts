// Which of the callers' own stores are open for writing. All entries of the package share this set, as ES modules and
// as CommonJS. It knows objects only: two objects for one place are the caller's responsibility.
import type { Store } from "../store.js";

/** The global symbol under which all copies of the package in a program find the set. */
const KEY = Symbol.for("thermocline.written");

export const written: WeakSet<Store> = common() ?? new WeakSet();

/**
 * The set that all copies share. Undefined where the global object cannot be extended or has something else under the
 * symbol: then each copy has a set of its own.
 */
function common(): WeakSet<Store> | undefined {
  const all = globalThis as { [KEY]?: unknown };
  if (!(KEY in all)) Reflect.defineProperty(all, KEY, { value: new WeakSet() });
  const found = all[KEY];
  return found instanceof WeakSet ? found : undefined;
}
