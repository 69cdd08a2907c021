// Turns failures of a medium into ThermoclineErrors.
import { ThermoclineError } from "../errors.js";
import { fail } from "../guard.js";
import { ownErrorIn } from "../own-error.js";

/**
 * Runs one step on a medium. A failure becomes a ThermoclineError that names the step, with the platform's error as its
 * cause.
 */
export async function step<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    failed(what, error);
  }
}

/** Throws the error of a failed step. A ThermoclineError is thrown unchanged. */
export function failed(what: string, error: unknown): never {
  const own = ownErrorIn(error);
  if (own) throw own instanceof ThermoclineError ? own : new ThermoclineError(own.code!, String(own.message), { cause: own.cause });
  let full = false;
  let why = "it threw what cannot be looked at";
  // A caller's store may throw anything, even a revoked proxy, which throws on each access.
  try {
    const { code, name, message } = Object(error) as { code?: unknown; name?: unknown; message?: unknown };
    full = code === "ENOSPC" || code === "EDQUOT" || name === "QuotaExceededError";
    why = String(message ?? error);
  } catch {}
  fail(full ? "QUOTA_EXCEEDED" : "STORE_FAILED", `${what}: ${why}`, error);
}

/** Throws READ_ONLY, the error of every write to a store that was opened for reading. */
export function readOnly(place: string): never {
  fail("READ_ONLY", `${place} is open for reading only`);
}
