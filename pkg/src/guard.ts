// Checks of arguments: each returns a usable value, or throws a ThermoclineError that says what was passed.
import { ThermoclineError, type ErrorCode } from "./errors.js";
import type { Row } from "./types.js";

/** Throws a ThermoclineError. A function, so that a check fits on one line. */
export function fail(code: ErrorCode, message: string, cause?: unknown): never {
  throw new ThermoclineError(code, message, cause === undefined ? undefined : { cause });
}

/** Describes any value in a few words, for "got …" in a message. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? value.slice(0, 40) + "…" : value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Object.prototype.toString.call(value);
  return value === undefined ? "undefined" : `${String(value)} (${value === null ? "null" : typeof value})`;
}

/**
 * Returns the class name of a typed array; undefined for any other value. Unlike `instanceof`, it also recognizes
 * arrays from other realms (an iframe, a test runner's sandbox).
 */
export function typedArrayName(value: unknown): string | undefined {
  return ArrayBuffer.isView(value) ? (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] : undefined;
}

/**
 * Returns true for a typed array of exactly this class, whose `length` is the number of its values. A derived class or
 * the array itself may replace that by a getter that says something else each time, while the core copies all values
 * into a place of the size that the array has said. So it gets a copy of such an array, made by the constructor of the
 * class, which does not ask.
 */
export function isPlain(array: ArrayBufferView, { prototype }: { readonly prototype: object }): boolean {
  return Object.getPrototypeOf(array) === prototype && !Object.hasOwn(array, "length");
}

/** Returns true for an async iterable. */
export function isAsync<T>(value: object): value is AsyncIterable<T> {
  return typeof (value as AsyncIterable<T> | undefined)?.[Symbol.asyncIterator] === "function";
}

/** Returns true for an iterable object. */
export function isIterable<T>(value: unknown): value is Iterable<T> {
  return typeof value === "object" && typeof (value as Iterable<T> | null)?.[Symbol.iterator] === "function";
}

/** Checks an object of options, or one that is an option. `undefined` counts as an object without members. */
export function optionsOf<T extends object>(value: T | undefined, name = "options"): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) wrong(name, "an object", value);
  return value;
}

/** Checks that a row of `insertMany` is an object. An array of numbers is a vector that somebody took for a row. */
export function rowOf(row: unknown): Row {
  if (typeof row !== "object" || row === null || Array.isArray(row) || typedArrayName(row)) {
    wrong("row", "an object like { vector }", row);
  }
  return row as Row;
}

/** Throws INVALID_OPTION, saying what was expected of `name` and what was passed. */
export function wrong(name: string, expected: string, got: unknown): never {
  fail("INVALID_OPTION", `${name}: expected ${expected}, got ${shown(got)}`);
}

/** Checks that an option is a function or undefined. */
export function functionOf<F>(name: string, value: F | undefined): F | undefined {
  if (value !== undefined && typeof value !== "function") wrong(name, "a function", value);
  return value;
}

/** Checks that an option is a number or undefined. The core checks its range. */
export function numberOf(name: string, value: number | undefined): number | undefined {
  if (value !== undefined && typeof value !== "number") wrong(name, "a whole number", value);
  return value;
}

/** Checks that an option is true, false or undefined. */
export function booleanOf(name: string, value: boolean | undefined): boolean | undefined {
  if (value !== undefined && typeof value !== "boolean") wrong(name, "true or false", value);
  return value;
}

/** Checks that an option is a finite number of milliseconds above 0, or undefined. */
export function msOf(name: string, value: number | undefined): number | undefined {
  if (value !== undefined && !(typeof value === "number" && value > 0 && value < Infinity)) {
    wrong(name, "milliseconds above 0", value);
  }
  return value;
}

/** Checks that an option is an AbortSignal, an object that behaves like one, or undefined. ABORTED if it has fired. */
export function signalOf(value: AbortSignal | undefined): AbortSignal | undefined {
  if (value !== undefined) {
    const methods = [value?.addEventListener, value?.removeEventListener];
    if (typeof value?.aborted !== "boolean" || methods.some((method) => typeof method !== "function")) {
      wrong("signal", "an AbortSignal", value);
    }
    checkAborted(value);
  }
  return value;
}

/** Throws ABORTED once the signal has fired. The cause of the error is the signal's reason. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) fail("ABORTED", "the call was aborted by its signal", signal.reason);
}

/** Runs `use`, and prefixes the message of its error with `what` and its number: `row 3: …`. */
export function naming<T>(i: number, use: () => T, what = "row"): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof ThermoclineError)) throw error;
    throw new ThermoclineError(error.code, `${what} ${i}: ${error.message}`, { cause: error.cause });
  }
}

/** The longest string id, in bytes of UTF-8. */
const MAX_ID_BYTES = 4096;

/**
 * Throws INVALID_ID for a string with more UTF-16 units than an id may have bytes. UTF-8 takes at least one byte per
 * unit, so such a string is refused without copying it into the core.
 */
export function checkIdLength(id: unknown): void {
  if (typeof id === "string" && id.length > MAX_ID_BYTES) {
    fail("INVALID_ID", `id: expected at most ${MAX_ID_BYTES} bytes, got ${id.length} characters`);
  }
}
