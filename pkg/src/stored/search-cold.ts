// searchMany of a stored index. Queries that need records from the store wait while other queries are answered; the
// records of many queries are read together.
import { isCold } from "../core-error.js";
import type { RawIndex } from "../raw.js";
import type { Slice } from "../turn.js";
import type { ManyHits } from "../types.js";

/** Most blocks that are read together. More would exceed the memory that they are read into. */
const MAX_BLOCKS = 64;

export class Queries {
  readonly #slice: Slice;
  readonly #answer: (raw: RawIndex, query: number) => unknown;
  /** Unanswered queries. */
  #waiting: number[];
  /** Number of queries at the start of `#waiting` that lacked records, which are read before the next try. */
  #lacking = 0;
  /** Queries in the order in which they were answered. */
  readonly #answered: number[] = [];

  constructor(total: number, slice: Slice, answer: (raw: RawIndex, query: number) => unknown) {
    this.#waiting = Array.from({ length: total }, (_, query) => query);
    this.#slice = slice;
    this.#answer = answer;
  }

  /**
   * Tries as many queries as fit into the slice, at least one. Returns the number of queries answered so far. Throws
   * `Cold`, with the blocks of all queries tried, if some of them need records that are only in the store.
   */
  answerSome(raw: RawIndex): number {
    const waiting = this.#waiting;
    const blocks = new Set<number>();
    const cold: number[] = [];
    const due = this.#lacking;
    let next = 0;
    let thrown: unknown;
    this.#lacking = 0;
    do {
      const query = waiting[next++]!;
      try {
        this.#answer(raw, query);
        this.#answered.push(query);
      } catch (error) {
        if (!isCold(error)) throw error;
        thrown = error;
        cold.push(query);
        for (const block of error.blocks) blocks.add(block);
      }
    } while (next < waiting.length && (next < due || (blocks.size < MAX_BLOCKS && !this.#slice.over)));
    this.#waiting = [...cold, ...waiting.slice(next)];
    this.#lacking = cold.length;
    if (thrown) throw Object.assign(thrown, { blocks: Uint32Array.from(blocks).sort() });
    return this.#answered.length;
  }

  /** Puts the answers into the order of the queries. */
  inOrder({ offsets, ids, distances }: ManyHits): ManyHits {
    if (this.#answered.every((query, i) => query === i)) return { offsets, ids, distances };
    const answers: number[] = [];
    this.#answered.forEach((query, answer) => (answers[query] = answer));
    const lengthOf = (answer: number): number => offsets[answer + 1]! - offsets[answer]!;
    const order = answers.flatMap((answer) => Array.from({ length: lengthOf(answer) }, (_, i) => offsets[answer]! + i));
    let end = 0;
    return {
      offsets: Uint32Array.from([0, ...answers.map((answer) => (end += lengthOf(answer)))]),
      ids: order.map((from) => ids[from]!),
      distances: Float32Array.from(order, (from) => distances[from]!),
    };
  }
}
