// Errors on their way between page and worker: a ThermoclineError stays one, and so does its cause as far as it can be sent.
import { ThermoclineError, type ErrorCode } from "../errors.js";

export interface ErrorParts {
  readonly name: string;
  readonly message: string;
  readonly code?: unknown;
  readonly cause?: { readonly error: ErrorParts } | { readonly value: unknown };
  /** Which of the page's own errors it is. */
  readonly origin?: number;
}

/** A cause has a cause, and so on: so many are sent. */
const MOST_CAUSES = 4;

/** What callers' stores have thrown: it comes back as it was. So many are kept, the last. */
const MOST_KEPT = 256;
const kept = /* @__PURE__ */ new Map<number, Error>();
let count = 0;
/** In the worker, which of these an error stands for. */
const origins = /* @__PURE__ */ new WeakMap<object, number>();

/** As `partsOf`, of an error that the page wants back. */
export function keptPartsOf(error: unknown): ErrorParts {
  if (!isError(error)) return partsOf(error);
  kept.set(++count, error);
  kept.delete(count - MOST_KEPT);
  return { ...partsOf(error), origin: count };
}

export function partsOf(error: unknown, causes = MOST_CAUSES): ErrorParts {
  const { name, message, code, cause } = membersOf(error);
  return {
    name: textOf(name ?? "Error"),
    message: textOf(message ?? error),
    code: typeof code === "string" || typeof code === "number" ? code : undefined,
    cause: cause === undefined || causes === 0 ? undefined : causeOf(cause, causes - 1),
    origin: typeof error === "object" && error !== null ? origins.get(error) : undefined,
  };
}

/** A revoked proxy cannot even be asked. */
function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error;
  } catch {
    return false;
  }
}

/** Whatever a caller has thrown: looking at it may throw as well. */
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
