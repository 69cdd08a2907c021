/** Why a call failed. Stable: programs may branch on it. */
export type ErrorCode =
  | "DIMENSION_MISMATCH" | "INVALID_VECTOR" | "INVALID_ID" | "DUPLICATE_ID" | "INVALID_OPTION" | "INVALID_FILTER"
  | "NOT_FOUND" | "CLOSED" | "LOCKED" | "READ_ONLY" | "CORRUPT" | "UNSUPPORTED_VERSION" | "QUOTA_EXCEEDED"
  | "OUT_OF_MEMORY" | "ABORTED" | "STORE_FAILED" | "UNTRAINED" | "NO_THREADS";

/**
 * The one error of this package. `code` is for programs, `message` says what was expected and what came. The ESM and the
 * CommonJS build each have a class of their own, so compare `name` or `code` where both may be loaded, not `instanceof`.
 */
export class ThermoclineError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  static {
    // On the prototype and before any error exists, because V8 writes it into the stack when an error is made; and on the
    // class, whose own name the minifier shortens.
    for (const named of [this, this.prototype]) Object.defineProperty(named, "name", { value: "ThermoclineError" });
  }
}
