// Errors as they are sent between page and worker. A ThermoclineError remains one and keeps its cause as far as that
// can be sent.
import { ThermoclineError, type ErrorCode } from "../errors.js";

export interface ErrorParts {
  readonly name: string;
  readonly message: string;
  readonly code?: unknown;
  readonly cause?: { readonly error: ErrorParts } | { readonly value: unknown };
  /** The number of the page's own error that this one stands for. */
  readonly origin?: number;
}

/** Longest chain of causes that is sent. */
const MAX_CAUSES = 4;

/** Number of most recent errors that the page keeps. */
const MAX_KEPT = 256;
/**
 * On the page: errors that callers' stores threw. One that comes back from the worker becomes the same object again.
 */
const kept = /* @__PURE__ */ new Map<number, Error>();
let count = 0;
/** In the worker: the number of the page's error that each error stands for. */
const origins = /* @__PURE__ */ new WeakMap<object, number>();

/** Takes an error of the page apart, and keeps it for when it comes back from the worker. */
export function keptPartsOf(error: unknown): ErrorParts {
  if (!isError(error)) return partsOf(error);
  kept.set(++count, error);
  kept.delete(count - MAX_KEPT);
  return { ...partsOf(error), origin: count };
}

/** Takes an error apart, with its causes, so that it can be sent. */
export function partsOf(error: unknown, causes = MAX_CAUSES): ErrorParts {
  const { name, message, code, cause } = membersOf(error);
  return {
    name: textOf(name ?? "Error"),
    message: textOf(message ?? error),
    code: typeof code === "string" || typeof code === "number" ? code : undefined,
    cause: cause === undefined || causes === 0 ? undefined : causeOf(cause, causes - 1),
    origin: typeof error === "object" && error !== null ? origins.get(error) : undefined,
  };
}

/** Returns true for an Error. `instanceof` throws on a revoked proxy. */
function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error;
  } catch {
    return false;
  }
}

/** Returns the members of a thrown value, which may be anything, so that reading them may throw too. */
function membersOf(error: unknown): Partial<ThermoclineError> {
  if (typeof error !== "object" || error === null) return {};
  try {
    const { name, message, code, cause } = error as Partial<ThermoclineError>;
    return { name, message, code, cause };
  } catch {
    return {};
  }
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `something of type ${typeof value}`;
  }
}

function causeOf(cause: unknown, causes: number): ErrorParts["cause"] {
  if (isError(cause)) return { error: partsOf(cause, causes) };
  try {
    return { value: structuredClone(cause) };
  } catch {
    return { value: textOf(cause) };
  }
}

/** Rebuilds an error from its parts; on the page, returns the original object if it is still kept. */
export function errorOf(parts: ErrorParts): Error {
  const { origin } = parts;
  if (origin === undefined) return made(parts);
  const own = kept.get(origin);
  if (own) return own;
  const error = made(parts);
  origins.set(error, origin);
  return error;
}

function made({ name, message, code, cause }: ErrorParts): Error {
  const options = cause && { cause: "error" in cause ? errorOf(cause.error) : cause.value };
  if (name === "ThermoclineError" && typeof code === "string") return new ThermoclineError(code as ErrorCode, message, options);
  const error = new Error(message, options);
  if (name !== "Error") Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  return code === undefined ? error : Object.assign(error, { code });
}
