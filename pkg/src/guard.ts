// Checks of what callers pass in: each either returns a usable value or throws a ThermoclineError that says what came.
import { ThermoclineError, type ErrorCode } from "./errors.js";

/** Throws; as an expression, so that a check fits on one line. */
export function fail(code: ErrorCode, message: string, cause?: unknown): never {
  throw new ThermoclineError(code, message, cause === undefined ? undefined : { cause });
}

/** A short text for "got …": never long, whatever the value. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? value.slice(0, 40) + "…" : value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Object.prototype.toString.call(value);
  return value === undefined ? "undefined" : `${String(value)} (${value === null ? "null" : typeof value})`;
}

/** Which typed array this is, also one from another realm (a frame, a test runner's sandbox); undefined for anything else. */
export function typedArrayName(value: unknown): string | undefined {
  return ArrayBuffer.isView(value) ? (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] : undefined;
}

/** An options object; `undefined` counts as one without members. */
export function optionsOf<T extends object>(value: T | undefined): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null) wrong("options", "an object", value);
  return value;
}

/** INVALID_OPTION: `name` is not what it should be. */
export function wrong(name: string, expected: string, got: unknown): never {
  fail("INVALID_OPTION", `${name}: expected ${expected}, got ${shown(got)}`);
}

/** A function or undefined. */
export function functionOf<F>(name: string, value: F | undefined): F | undefined {
  if (value !== undefined && typeof value !== "function") wrong(name, "a function", value);
  return value;
}

/** A number or undefined; the core knows its range. */
export function numberOf(name: string, value: number | undefined): number | undefined {
  if (value !== undefined && typeof value !== "number") wrong(name, "a whole number", value);
  return value;
}

/** true, false or undefined. */
export function booleanOf(name: string, value: boolean | undefined): boolean | undefined {
  if (value !== undefined && typeof value !== "boolean") wrong(name, "true or false", value);
  return value;
}

/** A finite number of milliseconds above 0, or undefined. */
export function msOf(name: string, value: number | undefined): number | undefined {
  if (value !== undefined && !(typeof value === "number" && value > 0 && value < Infinity)) wrong(name, "milliseconds above 0", value);
  return value;
}

/** An AbortSignal (or what behaves like one) that has not aborted yet, or undefined. */
export function signalOf(value: AbortSignal | undefined): AbortSignal | undefined {
  if (value !== undefined) {
    if (typeof value?.aborted !== "boolean" || typeof value.addEventListener !== "function") wrong("signal", "an AbortSignal", value);
    checkAborted(value);
  }
  return value;
}

/** ABORTED once the signal has fired; its reason is the error's cause. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) fail("ABORTED", "the call was aborted by its signal", signal.reason);
}

/** The longest string id in bytes of UTF-8, of which a string has at least one for each of its units. */
const MAX_ID_BYTES = 4096;

/** INVALID_ID for a string that is too long whatever is in it: it need not be copied into the core to be refused. */
export function checkIdLength(id: unknown): void {
  if (typeof id === "string" && id.length > MAX_ID_BYTES) fail("INVALID_ID", `id: expected at most ${MAX_ID_BYTES} bytes, got ${id.length} characters`);
}
