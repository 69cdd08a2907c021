// Checks of a caller's own Store: that it has the methods, and that only one index at a time writes to it.
import { fail, wrong } from "../guard.js";
import type { Mode, Store } from "../store.js";
import { used, written } from "./written.js";

/** Throws INVALID_OPTION if a store lacks a method. Only `append` is optional. */
export function checkStore(store: Store): void {
  for (const method of ["read", "commit", "list", "close", "append"] as const) {
    const found: unknown = store[method];
    if (typeof found !== "function" && (method !== "append" || found !== undefined)) wrong(`store.${method}`, "a method", found);
  }
}

/**
 * Ends the use of a caller's store. `hadIndex` says whether an index was opened in it. The last of several users closes
 * the store if any of them had one. Otherwise it stays open: it is still its caller's, who may try again.
 */
export type Release = (hadIndex: boolean) => Promise<void>;

/** Locks a caller's store for one writer. LOCKED while another index writes to it. */
export function claim(store: Store, mode: Mode): Release {
  const isWritten = mode !== "readonly";
  if (isWritten) {
    if (written.has(store)) fail("LOCKED", "this store is open for writing already");
    written.add(store);
  }
  const users = used.get(store) ?? { count: 0, hadIndex: false };
  used.set(store, users);
  users.count += 1;
  return async (hadIndex) => {
    users.count -= 1;
    users.hadIndex ||= hadIndex;
    try {
      if (users.count) return;
      used.delete(store);
      if (users.hadIndex) await store.close();
    } finally {
      if (isWritten) written.delete(store);
    }
  };
}
