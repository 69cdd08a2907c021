import type { ThermoclineError } from "./errors.js";

/**
 * What was thrown if it is an error of this package, of either build or of another realm. A caller's store may throw
 * anything, even a revoked proxy, on which each access throws.
 */
export function ownErrorIn(thrown: unknown): Partial<ThermoclineError> | undefined {
  try {
    const own = thrown as Partial<ThermoclineError> | undefined;
    return own?.name === "ThermoclineError" && own.code ? own : undefined;
  } catch {
    return undefined;
  }
}
