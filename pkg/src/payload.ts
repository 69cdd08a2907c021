// Payloads are passed to the core as bytes with a kind: 0 no payload, 1 JSON text in UTF-8, 2 the caller's own bytes.
import { fail, isPlain, shown, typedArrayName } from "./guard.js";
import type { Id, Payload } from "./types.js";

/** A payload as the core takes it. */
export interface Encoded {
  readonly kind: 0 | 1 | 2;
  readonly bytes: Uint8Array | undefined;
}

/** The JSON text of a payload, in place of the payload. */
class JsonText {
  constructor(readonly text: string) {}
}

const NONE: Encoded = { kind: 0, bytes: undefined };
/** The length shares a 32-bit word with the kind. */
const MAX_BYTES = 2 ** 30 - 1;
const encoder = /* @__PURE__ */ new TextEncoder();
const decoder = /* @__PURE__ */ new TextDecoder();

/** Returns the payload in a form that later changes by the caller do not affect: JSON text, or a copy of the bytes. */
export function ownPayload(payload: unknown): unknown {
  if (payload === undefined) return undefined;
  if (typedArrayName(payload) === "Uint8Array") return new Uint8Array(presentBytes(payload as Uint8Array));
  return new JsonText(textOf(payload));
}

/**
 * Returns the bytes, or an equal array if they are none or not plain, as a Buffer of Node. INVALID_OPTION if the buffer
 * has been transferred.
 */
export function presentBytes(bytes: Uint8Array): Uint8Array {
  try {
    // An array with a transferred buffer is empty, and copying it throws.
    return isPlain(bytes, Uint8Array) && bytes.length ? bytes : new Uint8Array(bytes);
  } catch {
    fail("INVALID_OPTION", "payload: its buffer has been given away");
  }
}

/** Encodes a payload for the core. INVALID_OPTION if it could not be returned as it was given. */
export function encodePayload(payload: unknown): Encoded {
  if (payload === undefined) return NONE;
  if (typedArrayName(payload) === "Uint8Array") return checked(2, presentBytes(payload as Uint8Array));
  return checked(1, encoder.encode(textOf(payload)));
}

/** Returns the JSON text of a payload that is not bytes. INVALID_OPTION if JSON would lose some of it. */
export function textOf(payload: unknown): string {
  if (payload instanceof JsonText) return payload.text;
  let text: string | undefined;
  try {
    text = JSON.stringify(payload, faithful);
  } catch (error) {
    fail("INVALID_OPTION", `payload: JSON cannot carry it: ${(error as Error)?.message ?? error}`, error);
  }
  if (text === undefined) fail("INVALID_OPTION", "payload: its toJSON gives nothing");
  // UTF-8 takes at least one byte per UTF-16 unit, so the text is refused without allocating a buffer of that size.
  if (text.length > MAX_BYTES) tooLong(text.length);
  return text;
}

/**
 * The replacer of JSON.stringify: throws on values that JSON silently drops or changes. As in JSON, undefined members
 * are left out, and an object with a toJSON method, such as a Date, is stored as what that returns.
 */
function faithful(this: unknown, _key: string, value: unknown): unknown {
  const lost =
    typeof value === "function" || typeof value === "symbol" || typeof value === "bigint" ||
    (typeof value === "number" && !Number.isFinite(value)) ||
    (value === undefined && Array.isArray(this)) ||
    (value !== null && typeof value === "object" && !/t (Object|Array)]$/.test(shown(value)));
  if (lost) throw new TypeError(`${shown(value)} in it would be lost`);
  return value;
}

function checked(kind: 1 | 2, bytes: Uint8Array): Encoded {
  if (bytes.length > MAX_BYTES) tooLong(bytes.length);
  return { kind, bytes };
}

function tooLong(length: number): never {
  fail("INVALID_OPTION", `payload: at most ${MAX_BYTES} bytes, got ${length}`);
}

/**
 * Decodes the result of `payloadsAt`: for each of `count` records a header of 32 bits (the kind in the top 2 bits, the
 * length below), then its bytes. `idOf` returns the id of a record, for the message of CORRUPT: a text may not be JSON,
 * since a native program may have stored any.
 */
export function decodePayloads(packed: Uint8Array, count: number, idOf: (i: number) => Id): (Payload | undefined)[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const payloads = new Array<Payload | undefined>(count);
  for (let i = 0, at = 0; i < count; i++) {
    const header = view.getUint32(at, true);
    const start = at + 4;
    at = start + (header & MAX_BYTES);
    const kind = header >>> 30;
    if (kind === 2) payloads[i] = packed.slice(start, at);
    else if (kind === 1) {
      try {
        payloads[i] = JSON.parse(decoder.decode(packed.subarray(start, at))) as Payload;
      } catch (error) {
        fail("CORRUPT", `payload of ${JSON.stringify(idOf(i))} is not JSON: ${error}`, error);
      }
    }
  }
  return payloads;
}
