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

/** Locks a caller's store for one writer. LOCKED while another index writes to it. */
export function claim(store: Store, mode: Mode): Release {
  const isWritten = mode !== "readonly";
  if (isWritten) {
    if (written.has(store)) fail("LOCKED", "this store is open for writing already");
    written.add(store);
  }
  return async (closes) => {
    try {
      if (closes) await store.close();
    } finally {
      if (isWritten) written.delete(store);
    }
  };
}
