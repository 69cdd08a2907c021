// Checks of a caller's own Store: that it has the methods, and that only one index at a time writes to it.
import { fail, wrong } from "../guard.js";
import type { Mode, Store } from "../store.js";
import { written } from "./written.js";

/** Throws INVALID_OPTION if a store lacks a method. Only `append` is optional. */
export function checkStore(store: Store): void {
  for (const method of ["read", "commit", "list", "close", "append"] as const) {
    const found: unknown = store[method];
    if (typeof found !== "function" && (method !== "append" || found !== undefined)) wrong(`store.${method}`, "a method", found);
  }
}

/**
 * Ends the use of a caller's store, and closes it if `closes`. A store in which no index was opened stays open: it is
 * still its caller's, who may try again.
 */
export type Release = (closes: boolean) => Promise<void>;

/** Number of indexes that use each store: one that writes, and any number of readers. */
const users = /* @__PURE__ */ new WeakMap<Store, number>();

/** Locks a caller's store for one writer. LOCKED while another index writes to it. The last index closes the store. */
export function claim(store: Store, mode: Mode): Release {
  const isWritten = mode !== "readonly";
  if (isWritten) {
    if (written.has(store)) fail("LOCKED", "this store is open for writing already");
    written.add(store);
  }
  users.set(store, (users.get(store) ?? 0) + 1);
  return async (closes) => {
    const others = users.get(store)! - 1;
    users.set(store, others);
    try {
      if (closes && !others) await store.close();
    } finally {
      if (isWritten) written.delete(store);
    }
  };
}
