// What a medium's failures become.
import { ThermoclineError } from "../errors.js";
import { fail } from "../guard.js";

/** Takes one step on a medium. Its failure is a ThermoclineError that says what was done, with the platform's own as cause. */
export async function step<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    failed(what, error);
  }
}

/** What a step that has failed throws. */
export function failed(what: string, error: unknown): never {
  let known: ThermoclineError | undefined;
  let full = false;
  let why = "it threw what cannot be looked at";
  // A caller's store may throw anything, a revoked proxy too.
  try {
    if (error instanceof ThermoclineError) known = error;
    const { code, name, message } = Object(error) as { code?: unknown; name?: unknown; message?: unknown };
    full = code === "ENOSPC" || code === "EDQUOT" || name === "QuotaExceededError";
    why = String(message ?? error);
  } catch {}
  if (known) throw known;
  fail(full ? "QUOTA_EXCEEDED" : "STORE_FAILED", `${what}: ${why}`, error);
}

/** What every writing call of a store that was opened for reading says. */
export function readOnly(place: string): never {
  fail("READ_ONLY", `${place} is open for reading only`);
}
