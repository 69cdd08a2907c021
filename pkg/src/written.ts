// Stores of callers that are open for writing, by whichever entry of the package, as ES modules and as CommonJS. Two objects for one
// place are the caller's to keep apart.
import type { Store } from "./store.js";

/** Where all copies of the package in a program look. */
const KEY = Symbol.for("thermocline.written");

export const written: WeakSet<Store> = common() ?? new WeakSet();

/** Undefined where the global object takes nothing more, or has something else there: then each copy has its own. */
function common(): WeakSet<Store> | undefined {
  const all = globalThis as { [KEY]?: unknown };
  if (!(KEY in all)) Reflect.defineProperty(all, KEY, { value: new WeakSet() });
  const found = all[KEY];
  return found instanceof WeakSet ? found : undefined;
}
