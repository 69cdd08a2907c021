// Rows sent by the page.
import type { FlatRows, Row } from "../types.js";
import type { SentRows } from "./messages.js";
import { payloadOf } from "./payloads.js";

export function rowsOf(sent: SentRows, dimensions: number): Iterable<Row> | FlatRows {
  const { count, vectors, ids, payloads, ttls } = sent;
  const isDense = !ids || (ids.length === count && !ids.includes(undefined));
  // Flat rows need no object for each row.
  if (isDense && !payloads && !ttls) return { vectors, ids: ids as FlatRows["ids"] };
  return Array.from({ length: count }, (_, i) => rowOf(sent, dimensions, i));
}

function rowOf({ vectors, ids, payloads, ttls }: SentRows, dimensions: number, i: number): Row {
  return {
    id: ids?.[i],
    vector: vectors.subarray(i * dimensions, (i + 1) * dimensions),
    // Parsed only when read: the payloads of many rows would take much memory as objects.
    get payload() {
      return payloadOf(payloads?.[i]);
    },
    ttlMs: ttls?.[i],
  };
}

/** Thrown in place of the next row if the rows ended early on the page, which knows the reason. */
export class Broken extends Error {}

/** Rows that the page pulls from its caller and sends on request. */
export class FedRows implements AsyncIterable<Row> {
  readonly #dimensions: number;
  readonly #more: () => void;
  readonly #waiting: (SentRows | undefined)[] = [];
  #isBroken = false;
  #wake = (): void => {};

  constructor(dimensions: number, more: () => void) {
    this.#dimensions = dimensions;
    this.#more = more;
  }

  /** Receives rows from the page; undefined is the end. */
  take(rows: SentRows | undefined, isBroken: boolean): void {
    this.#waiting.push(rows);
    this.#isBroken = isBroken;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row> {
    for (;;) {
      while (!this.#waiting.length) await new Promise<void>((resolve) => (this.#wake = resolve));
      const rows = this.#waiting.shift();
      if (!rows) break;
      for (let i = 0; i < rows.count; i++) yield rowOf(rows, this.#dimensions, i);
      this.#more();
    }
    if (this.#isBroken) throw new Broken("the rows have ended before their end");
  }
}
