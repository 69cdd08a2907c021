// searchMany of a stored index. Queries that lack records wait while others are answered, and what they lack is read together.
import { isCold } from "./handle.js";
import type { RawIndex } from "./raw.js";
import type { Slice } from "./turn.js";
import type { ManyHits } from "./types.js";

/** So many blocks are read together: more would fill the memory that they are read into. */
const MOST_BLOCKS = 64;

export class Queries {
  readonly #slice: Slice;
  readonly #answer: (raw: RawIndex, query: number) => void;
  #waiting: number[];
  /** So many of those that wait, the first, have been read for. */
  #lacking = 0;
  /** In the order of their answers. */
  readonly #answered: number[] = [];

  constructor(total: number, slice: Slice, answer: (raw: RawIndex, query: number) => void) {
    this.#waiting = Array.from({ length: total }, (_, query) => query);
    this.#slice = slice;
    this.#answer = answer;
  }

  /** Answers as many as fit into a slice, and at least one; how many have been answered by then. Throws what asks for records. */
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
    } while (next < waiting.length && (next < due || (blocks.size < MOST_BLOCKS && !this.#slice.over)));
    this.#waiting = [...cold, ...waiting.slice(next)];
    this.#lacking = cold.length;
    if (thrown) throw Object.assign(thrown, { blocks: Uint32Array.from(blocks).sort() });
    return this.#answered.length;
  }

  /** The answers, in the order of the queries. */
  inOrder({ offsets, ids, distances }: ManyHits): ManyHits {
    if (this.#answered.every((query, i) => query === i)) return { offsets, ids, distances };
    const answers: number[] = [];
    this.#answered.forEach((query, answer) => (answers[query] = answer));
    const order = answers.flatMap((answer) => Array.from({ length: offsets[answer + 1]! - offsets[answer]! }, (_, i) => offsets[answer]! + i));
    let end = 0;
    return {
      offsets: Uint32Array.from([0, ...answers.map((answer) => (end += offsets[answer + 1]! - offsets[answer]!))]),
      ids: order.map((from) => ids[from]!),
      distances: Float32Array.from(order, (from) => distances[from]!),
    };
  }
}
