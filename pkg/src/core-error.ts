// What calls into the core throw, and the errors that callers get for it.
import { ThermoclineError } from "./errors.js";
import { ownErrorIn } from "./own-error.js";

/** Carries an error of a caller's own callback through the core, unchanged. */
export class CallerFault {
  constructor(readonly error: unknown) {}
}

/** Something that the core threw; it can be any value. */
type CoreError = Partial<ThermoclineError>;

/**
 * Converts an error of the core into the one that callers see. Undefined for an error without a code: a trap or a fault
 * inside the core.
 */
export function codedError(error: unknown): ThermoclineError | undefined {
  // Not the core's. Its cause may be such an error too, for example the reason of a caller's signal.
  if (error instanceof ThermoclineError) return error;
  // If a store's error caused it, that error says more.
  const told = ownErrorIn((error as CoreError).cause) ?? (error as CoreError);
  if (told instanceof ThermoclineError) return told;
  const { code, message, cause } = told;
  if (typeof code !== "string") return undefined;
  return new ThermoclineError(code, String(message), cause === undefined ? cause : { cause });
}

/** Thrown by the core when a call needs records that are only in the store. */
export interface Cold {
  /** The blocks that must be read for the call. */
  readonly blocks: Uint32Array;
}

export function isCold(error: unknown): error is Cold {
  return (error as Cold | undefined)?.blocks instanceof Uint32Array;
}

/** The error that callers get after a trap or a fault inside the core. */
export function trapped(error: unknown): ThermoclineError {
  const reason = (error as Error)?.message ?? error;
  const message = `the index failed inside WebAssembly and cannot be used any more (${reason}); close it and make another`;
  return new ThermoclineError("CORRUPT", message, { cause: error });
}
