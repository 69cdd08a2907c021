// The callers' own stores that are open for writing. All entries of the package share this set, as ES modules and as
// CommonJS. It compares objects: two objects for one place are the caller's responsibility.
import type { Store } from "../store.js";

/** The global symbol under which all copies of the package in a program find the set. */
const KEY = Symbol.for("thermocline.written");

export const written: WeakSet<Store> = common() ?? new WeakSet();

/**
 * Returns the set that all copies share. Undefined if the global object cannot be extended or has something else under
 * the symbol; then each copy has its own set.
 */
function common(): WeakSet<Store> | undefined {
  const all = globalThis as { [KEY]?: unknown };
  if (!(KEY in all)) Reflect.defineProperty(all, KEY, { value: new WeakSet() });
  const found = all[KEY];
  return found instanceof WeakSet ? found : undefined;
}
