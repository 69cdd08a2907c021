// Rows as they are sent to a worker. They are read and copied when the call is made; the index checks their values.
import { checkIdLength, fail, msOf, naming, rowOf, shown } from "../guard.js";
import { syncRowsOf } from "../insert-many.js";
import type { FlatRows, Id, Row } from "../types.js";
import { vectorOf } from "../vector.js";
import type { SentPayload, SentRows } from "./messages.js";
import { sentPayload } from "./payloads.js";

/** Returns a copy of a vector, which may be transferred. */
export function sentVector(vector: unknown, dimensions: number): Float32Array {
  const ready = vectorOf(vector, dimensions);
  // `vectorOf` has copied an array of numbers already.
  return ready === vector ? new Float32Array(ready) : ready;
}

/** Throws INVALID_ID for a value whose type or length is not that of an id. The index checks the rest. */
export function checkId(id: unknown): void {
  if (typeof id !== "string" && typeof id !== "number") fail("INVALID_ID", `id: expected a number or a string, got ${shown(id)}`);
  checkIdLength(id);
}

/**
 * Throws INVALID_OPTION for more bytes than one array of a message may have: of a longer one, engines send only the
 * start, without an error.
 */
export function checkSent(name: string, bytes: number): void {
  if (bytes >= 2 ** 32) fail("INVALID_OPTION", `${name}: expected less than 4 GiB in one call to a worker, got ${bytes} bytes`);
}

/** Reads and copies synchronous rows. */
export function sentRows(rows: Iterable<Row> | FlatRows, dimensions: number): SentRows {
  const all = syncRowsOf(rows, dimensions);
  checkSent("rows", all.length * dimensions * Float32Array.BYTES_PER_ELEMENT);
  // An array whose buffer was transferred is empty, and copying it would throw.
  const flat = all.vectors && all.length > 0 ? new Float32Array(all.vectors) : undefined;
  const gathered = new Gathered(dimensions, all.length, flat);
  for (let i = 0; i < all.length; i++) naming(i, () => gathered.add(all.row(i)));
  return gathered.sent();
}

/** Gathers at most `most` rows. `vectors`, if given, are those of all rows, and the rows' own vectors are not read. */
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
    const { id, vector, payload, ttlMs } = rowOf(row);
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
    const length = count * this.#dimensions;
    const vectors = this.#vectors.length > length ? this.#vectors.slice(0, length) : this.#vectors;
    return { count, vectors, ids: this.#ids, payloads: this.#payloads, ttls: this.#ttls };
  }
}
