// Who uses the callers' own stores. All entries of the package share this, as ES modules and as CommonJS. It compares
// objects: two objects for one place are the caller's responsibility.
import type { Store } from "../store.js";

/** The indexes that use a store at present. */
export interface Users {
  /** How many there are: at most one that writes, and any number of readers. */
  count: number;
  /** Whether one of them, or of those that came before while others were there, has opened or created an index. */
  hadIndex: boolean;
}

/** The stores that are open for writing. */
export const written: WeakSet<Store> = shared("written", WeakSet<Store>);
/** The stores that are in use. */
export const used: WeakMap<Store, Users> = shared("users", WeakMap<Store, Users>);

/**
 * Returns the collection that all copies of the package in a program find under a global symbol. If the global object
 * cannot be extended or has something else there, each copy has its own.
 */
function shared<T extends object>(name: string, Kind: new () => T): T {
  const key = Symbol.for(`thermocline.${name}`);
  const all = globalThis as { [key]?: unknown };
  if (!(key in all)) Reflect.defineProperty(all, key, { value: new Kind() });
  const found = all[key];
  return found instanceof Kind ? found : new Kind();
}
