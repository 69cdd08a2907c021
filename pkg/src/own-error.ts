import type { ThermoclineError } from "./errors.js";

/**
 * Returns the thrown value if it is an error of this package, from either build or another realm. A caller's store may
 * throw anything, even a revoked proxy, which throws on each access.
 */
export function ownErrorIn(thrown: unknown): Partial<ThermoclineError> | undefined {
  try {
    const own = thrown as Partial<ThermoclineError> | undefined;
    return own?.name === "ThermoclineError" && own.code ? own : undefined;
  } catch {
    return undefined;
  }
}
