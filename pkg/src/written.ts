// Stores of callers that are open for writing, by whichever entry of the package, as ES modules and as CommonJS. Two objects for one
// place are the caller's to keep apart.
import type { Store } from "./store.js";

/** Where all copies of the package in a program look. */
const KEY = Symbol.for("thermocline.written");

export const written: WeakSet<Store> = common() ?? new WeakSet();

/** Undefined where the global object takes nothing more: then each copy has its own. */
function common(): WeakSet<Store> | undefined {
  const all = globalThis as { [KEY]?: WeakSet<Store> };
  return all[KEY] ?? (Reflect.defineProperty(globalThis, KEY, { value: new WeakSet() }) ? all[KEY] : undefined);
}
