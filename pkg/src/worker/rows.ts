// Rows on their way to a worker, read and copied when the call is made. Their values are judged by the index.
import { checkIdLength, fail, msOf, shown, wrong } from "../guard.js";
import { batchOf, naming } from "../insert-many.js";
import type { FlatRows, Id, Row } from "../types.js";
import { vectorOf } from "../vector.js";
import type { SentPayload, SentRows } from "./messages.js";
import { sentPayload } from "./payloads.js";

/** A vector that may be given away. */
export function sentVector(vector: unknown, dimensions: number): Float32Array {
  const ready = vectorOf(vector, dimensions);
  // An array of numbers has been copied already.
  return ready === vector ? new Float32Array(ready) : ready;
}

/** INVALID_ID for what is no id whatever its value. */
export function checkId(id: unknown): void {
  if (typeof id !== "string" && typeof id !== "number") fail("INVALID_ID", `id: expected a number or a string, got ${shown(id)}`);
  checkIdLength(id);
}

/** Rows that are all there. */
export function sentRows(rows: Iterable<Row> | FlatRows, dimensions: number): SentRows {
  const batch = batchOf(rows, dimensions);
  const isFlat = !(Symbol.iterator in rows);
  // Of an array whose bytes have been given away none are left, and it cannot be copied.
  const flat = isFlat && batch.length > 0 ? new Float32Array((rows as FlatRows).vectors) : undefined;
  const gathered = new Gathered(dimensions, batch.length, flat);
  for (let i = 0; i < batch.length; i++) naming(i, () => gathered.add(batch.row(i)));
  return gathered.sent();
}

/** Gathers rows, at most so many. Vectors that are all there are not looked at. */
export class Gathered {
  count = 0;
  bytes = 0;
  readonly #dimensions: number;
  readonly #vectors: Float32Array;
  readonly #hasVectors: boolean;
  #ids: (Id | undefined)[] | undefined;
  #payloads: SentPayload[] | undefined;
  #ttls: (number | undefined)[] | undefined;

  constructor(dimensions: number, most: number, vectors?: Float32Array) {
    this.#dimensions = dimensions;
    this.#hasVectors = vectors !== undefined;
    this.#vectors = vectors ?? new Float32Array(most * dimensions);
  }

  add(row: unknown): void {
    if (typeof row !== "object" || row === null) wrong("row", "an object with a vector", row);
    const { id, vector, payload, ttlMs } = row as Row;
    if (id !== undefined) checkId(id);
    const at = this.count;
    if (!this.#hasVectors) this.#vectors.set(vectorOf(vector, this.#dimensions), at * this.#dimensions);
    const sent = sentPayload(payload);
    const checked = msOf("ttlMs", ttlMs);
    if (id !== undefined) (this.#ids ??= [])[at] = id;
    if (sent !== undefined) (this.#payloads ??= [])[at] = sent;
    if (checked !== undefined) (this.#ttls ??= [])[at] = checked;
    this.count += 1;
    this.bytes += this.#dimensions * Float32Array.BYTES_PER_ELEMENT + (sent?.length ?? 0);
  }

  sent(): SentRows {
    const { count } = this;
    const vectors = this.#vectors.length > count * this.#dimensions ? this.#vectors.slice(0, count * this.#dimensions) : this.#vectors;
    return { count, vectors, ids: this.#ids, payloads: this.#payloads, ttls: this.#ttls };
  }
}
