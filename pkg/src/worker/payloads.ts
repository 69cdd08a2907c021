// Payloads between page and worker, in both directions: JSON text, or bytes. As objects, one that is nested deep would end the worker,
// and one of a class would be another when it comes.
import { typedArrayName } from "../guard.js";
import { textOf } from "../payload.js";
import type { Payload } from "../types.js";
import type { SentPayload } from "./messages.js";

/** A caller's payload, checked; bytes are a copy. */
export function sentPayload(payload: unknown): SentPayload {
  if (payload === undefined) return undefined;
  return typedArrayName(payload) === "Uint8Array" ? new Uint8Array(payload as Uint8Array) : textOf(payload);
}

export function payloadOf(sent: SentPayload): Payload | undefined {
  return typeof sent === "string" ? (JSON.parse(sent) as Payload) : sent;
}

/** A record of the index with its payload as it is sent. Bytes are nobody else's already. */
export function sentRecord<R extends { payload?: Payload }>(record: R): R {
  const { payload } = record;
  return payload === undefined || payload instanceof Uint8Array ? record : { ...record, payload: JSON.stringify(payload) };
}

/** The record that `sentRecord` was given. */
export function receivedRecord<R extends { payload?: Payload }>(record: R): R {
  if (record.payload !== undefined) record.payload = payloadOf(record.payload as SentPayload);
  return record;
}
