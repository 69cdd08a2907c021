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
 * Locks a caller's store for one writer, and returns a function that closes it. LOCKED while another index writes to
 * it.
 */
export function claim(store: Store, mode: Mode): () => Promise<void> {
  if (mode === "readonly") return async () => store.close();
  if (written.has(store)) fail("LOCKED", "this store is open for writing already");
  written.add(store);
  return async () => {
    try {
      await store.close();
    } finally {
      written.delete(store);
    }
  };
}
