/** Why a call failed. The codes are stable: programs may branch on them. */
export type ErrorCode =
  | "DIMENSION_MISMATCH" | "INVALID_VECTOR" | "INVALID_ID" | "DUPLICATE_ID" | "INVALID_OPTION" | "INVALID_FILTER"
  | "NOT_FOUND" | "CLOSED" | "LOCKED" | "READ_ONLY" | "CORRUPT" | "UNSUPPORTED_VERSION" | "QUOTA_EXCEEDED"
  | "OUT_OF_MEMORY" | "ABORTED" | "STORE_FAILED" | "UNTRAINED";

/**
 * The only error class of this package. `code` is for programs; `message` says what was expected and what was passed.
 * The ESM and the CommonJS build each have their own class: where both may be loaded, compare `name` or `code` instead
 * of using `instanceof`.
 */
export class ThermoclineError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  static {
    // The prototype gets the name before any error exists, because V8 writes it into the stack when an error is
    // created. The class gets it too, because the minifier shortens class names.
    for (const named of [this, this.prototype]) Object.defineProperty(named, "name", { value: "ThermoclineError" });
  }
}
