// searchMany: many queries, in slices.
import { booleanOf, checkAborted, fail, functionOf, numberOf, optionsOf, signalOf, typedArrayName, wrong } from "./guard.js";
import type { Handle } from "./handle.js";
import type { Keeper } from "./keeper.js";
import type { RawIndex } from "./raw.js";
import { Slice, SLICE_MS } from "./turn.js";
import type { Id, ManyHits, SearchManyOptions, SearchOptions, Vector } from "./types.js";
import { vectorOf } from "./vector.js";

/** Reads records that a call has asked for, and makes it again. */
export type Reading = <T>(use: (raw: RawIndex) => T, signal?: AbortSignal) => T | Promise<T>;

export async function searchMany(
  handle: Handle, keeper: Keeper | undefined, reading: Reading, dimensions: number, queries: Float32Array | readonly Vector[], options?: SearchManyOptions,
): Promise<ManyHits> {
  handle.checkOpen();
  const { k, ef, rerank, onProgress, signal } = checkedOptions(options);
  const vectors = vectorsOf(queries, dimensions);
  const total = vectors.length;
  const answers = new Answers();
  const slice = new Slice(SLICE_MS);
  let done = 0;
  const answer = (raw: RawIndex, query: number): void => {
    const at = handle.search(raw, vectors[query]!, dimensions, k, ef, rerank, undefined);
    answers.add(raw, handle.doubles, at);
  };
  const stored = keeper?.queries(total, slice, answer);
  /** As many as fit into a slice, and at least one; how many have been answered by then. */
  const answerSome = (raw: RawIndex): number => {
    if (stored) return stored.answerSome(raw);
    do answer(raw, done);
    while (++done < total && !slice.over);
    return done;
  };

  while (done < total) {
    done = await reading(answerSome, signal);
    onProgress?.({ done, total, phase: "search" });
    if (done < total) {
      await slice.next();
      handle.checkOpen();
      checkAborted(signal);
    }
  }
  const hits = answers.hits();
  return stored ? stored.inOrder(hits) : hits;
}

/**
 * What is found, one answer after the other. It is put where it is handed over: arrays for each query, to be joined at the end, would take
 * a fifth of the time of a search among few records.
 */
export class Answers {
  readonly #ids: Id[] = [];
  /** Longer than the ids, mostly. */
  #distances = new Float32Array(64);
  readonly #offsets = [0];
  #end = 0;

  /** Takes what a search has left in `doubles` at `at`; where that ends. One that throws has taken nothing. */
  add(raw: RawIndex, doubles: Float64Array, at: number): number {
    const ids = this.#ids;
    const named: number[] = [];
    let to = this.#end;
    const end = to + doubles[at++]!;
    if (end > this.#distances.length) {
      const longer = new Float32Array(2 * end);
      longer.set(this.#distances);
      this.#distances = longer;
    }
    const distances = this.#distances;
    for (; to < end; to++, at += 3) {
      const id = doubles[at + 1]!;
      if (id !== id) named.push(to, doubles[at]!);
      ids[to] = id;
      distances[to] = doubles[at + 2]!;
    }
    // Not before: it may make the memory larger, which takes `doubles` away.
    for (let i = 0; i < named.length; i += 2) ids[named[i]!] = raw.idAt(named[i + 1]!);
    this.#offsets.push((this.#end = end));
    return at;
  }

  /** All of it. */
  hits(): ManyHits {
    const ids = this.#ids;
    ids.length = this.#end;
    return { offsets: new Uint32Array(this.#offsets), ids, distances: this.#distances.slice(0, this.#end) };
  }
}

/** The options, each of the right type. */
export function checkedOptions(options: SearchManyOptions | undefined) {
  const given = optionsOf(options) as SearchManyOptions & SearchOptions;
  // `search` has them. Passed over, answers would be others than asked for, and nobody would notice.
  for (const name of ["filter", "include"] as const) if (given[name] !== undefined) wrong(name, "nothing", given[name]);
  return {
    k: numberOf("k", given.k),
    ef: numberOf("ef", given.ef),
    rerank: booleanOf("rerank", given.rerank),
    onProgress: functionOf("onProgress", given.onProgress),
    signal: signalOf(given.signal),
  };
}

/** The queries, each of the right length. */
export function vectorsOf(queries: unknown, dimensions: number): Float32Array[] {
  if (typedArrayName(queries) === "Float32Array") {
    const flat = queries as Float32Array;
    if (flat.length % dimensions !== 0) fail("DIMENSION_MISMATCH", `queries: expected a multiple of ${dimensions} values, got ${flat.length}`);
    const vectors: Float32Array[] = [];
    for (let at = 0; at < flat.length; at += dimensions) vectors.push(flat.subarray(at, at + dimensions));
    return vectors;
  }
  if (!Array.isArray(queries)) wrong("queries", "a Float32Array or an array of vectors", queries);
  // A hole in the array is to be looked at as well, which `map` does not.
  return Array.from(queries, (query) => vectorOf(query, dimensions));
}
