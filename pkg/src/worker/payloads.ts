// Payloads between page and worker, in both directions, as JSON text or bytes. Sent as an object, a deeply nested
// payload would end the worker, and an instance of a class would arrive as something else.
import { typedArrayName } from "../guard.js";
import { presentBytes, textOf } from "../payload.js";
import type { Payload } from "../types.js";
import type { SentPayload } from "./messages.js";

/** Checks a caller's payload and encodes it for sending. Bytes are copied. */
export function sentPayload(payload: unknown): SentPayload {
  if (payload === undefined) return undefined;
  if (typedArrayName(payload) !== "Uint8Array") return textOf(payload);
  return new Uint8Array(presentBytes(payload as Uint8Array));
}

export function payloadOf(sent: SentPayload): Payload | undefined {
  return typeof sent === "string" ? (JSON.parse(sent) as Payload) : sent;
}

/** Encodes the payload of a record for sending. Bytes need no copy: they belong to the record. */
export function sentRecord<R extends { payload?: Payload }>(record: R): R {
  const { payload } = record;
  return payload === undefined || payload instanceof Uint8Array ? record : { ...record, payload: JSON.stringify(payload) };
}

/** Decodes the payload of a record that `sentRecord` has encoded. */
export function receivedRecord<R extends { payload?: Payload }>(record: R): R {
  if (record.payload !== undefined) record.payload = payloadOf(record.payload as SentPayload);
  return record;
}
