// searchMany: answers many queries, in slices.
import {
  booleanOf, checkAborted, fail, functionOf, naming, numberOf, optionsOf, signalOf, typedArrayName, wrong,
} from "./guard.js";
import type { Handle } from "./handle.js";
import type { Keeper } from "./stored/keeper.js";
import type { RawIndex } from "./raw.js";
import type { Searches } from "./searches.js";
import { MANY_SLICE_MS, Slice } from "./turn.js";
import type { Hit, Id, ManyHits, SearchManyOptions, SearchOptions, Vector } from "./types.js";
import { checkLength, plainOf, vectorOf } from "./vector.js";

/**
 * Calls into the core. If the call needs records that are only in the store, they are read and the call is repeated.
 */
export type Reading = <T>(use: (raw: RawIndex) => T, signal?: AbortSignal) => T | Promise<T>;

/** Answers many queries, in slices. */
export async function searchMany(
  handle: Handle, keeper: Keeper | undefined, searches: Searches, dimensions: number,
  queries: Float32Array | readonly Vector[], options?: SearchManyOptions,
): Promise<ManyHits> {
  handle.checkOpen();
  const checked = checkedOptions(options);
  const { filter, onProgress, signal } = checked;
  const vectors = vectorsOf(queries, dimensions);
  const total = vectors.length;
  const slice = new Slice(MANY_SLICE_MS);
  let done = 0;

  // With a filter: a separate search for each query, since that is where filter objects are evaluated and their answers
  // cached.
  const passing: Hit[][] = [];
  const filterSome = async (): Promise<number> => {
    do passing.push(await searches.search(vectors[passing.length]!, checked));
    while (passing.length < total && !slice.over);
    return passing.length;
  };

  // Without a filter: calls into the core for many queries. In a store, queries that need records from it are put off.
  const builder = new ManyHitsBuilder();
  const answer = (raw: RawIndex, from: number) => handle.searchSome(raw, vectors, from, dimensions, checked, builder);
  const stored = filter === undefined ? keeper?.queries(total, slice, answer) : undefined;
  const answerSome = (raw: RawIndex): number => {
    if (stored) return stored.answerSome(raw);
    do done += answer(raw, done);
    while (done < total && !slice.over);
    return done;
  };

  // Either way, as many queries are answered at a time as fit into the slice, at least one.
  while (done < total) {
    try {
      done = await (filter === undefined ? searches.searching(answerSome, signal) : filterSome());
    } catch (error) {
      // The core does not say which query is wrong.
      if (!handle.isCallers(error) && /VECTOR|MISMATCH/.test((error as { code: string } | null)?.code!)) {
        vectors.forEach((vector, i) =>
          naming(i, () => handle.call((raw) => raw.checkVector(checkLength(vector, dimensions))), "query"));
      }
      throw error;
    }
    onProgress?.({ done, total, phase: "search" });
    if (done < total) {
      await slice.next();
      handle.checkOpen();
      checkAborted(signal);
    }
  }
  if (filter !== undefined) return joined(passing);
  const hits = builder.hits();
  return stored ? stored.inOrder(hits) : hits;
}

/** Joins the lists of hits into one result. */
function joined(lists: readonly Hit[][]): ManyHits {
  let end = 0;
  const offsets = Uint32Array.from([[], ...lists], ({ length }) => (end += length));
  const hits = lists.flat();
  return { offsets, ids: hits.map(({ id }) => id), distances: Float32Array.from(hits, ({ distance }) => distance) };
}

/**
 * Collects the answers directly in the arrays that the caller gets. Separate arrays for each query, joined at the end,
 * would take a fifth of the time of a search among few records.
 */
export class ManyHitsBuilder {
  readonly #ids: Id[] = [];
  /** Usually longer than the list of ids: it grows by doubling. */
  #distances = new Float32Array(64);
  readonly #offsets = [0];
  #end = 0;

  /**
   * Adds the hits that a search wrote into `doubles` at position `at`. Returns the position after them. Adds nothing if
   * it throws.
   */
  add(raw: RawIndex, doubles: Float64Array, at: number): number {
    const ids = this.#ids;
    /** Position and slot of each hit whose id is a string. */
    const stringIds: number[] = [];
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
      // The core writes NaN for an id that is a string.
      if (Number.isNaN(id)) stringIds.push(to, doubles[at]!);
      ids[to] = id;
      distances[to] = doubles[at + 2]!;
    }
    // After the loop: `idAt` may grow the memory, which detaches `doubles`.
    for (let i = 0; i < stringIds.length; i += 2) ids[stringIds[i]!] = raw.idAt(stringIds[i + 1]!);
    this.#offsets.push((this.#end = end));
    return at;
  }

  /** All answers. */
  hits(): ManyHits {
    const ids = this.#ids;
    ids.length = this.#end;
    return { offsets: new Uint32Array(this.#offsets), ids, distances: this.#distances.slice(0, this.#end) };
  }
}

/** Reads the options. INVALID_OPTION if one has the wrong type. */
export function checkedOptions(options: SearchManyOptions | undefined) {
  const given = optionsOf(options) as SearchManyOptions & SearchOptions;
  // Only `search` has it. Ignoring it would silently return something other than the caller asked for.
  if (given.include !== undefined) wrong("include", "nothing", given.include);
  return {
    filter: given.filter,
    k: numberOf("k", given.k),
    ef: numberOf("ef", given.ef),
    rerank: booleanOf("rerank", given.rerank),
    onProgress: functionOf("onProgress", given.onProgress),
    signal: signalOf(given.signal),
  };
}

/** Splits or converts the queries into vectors. DIMENSION_MISMATCH if the length of one is not `dimensions`. */
export function vectorsOf(queries: unknown, dimensions: number): Float32Array[] {
  if (typedArrayName(queries) === "Float32Array") {
    const flat = plainOf(queries as Float32Array);
    if (flat.length % dimensions !== 0) {
      fail("DIMENSION_MISMATCH", `queries: expected a multiple of ${dimensions} values, got ${flat.length}`);
    }
    const vectors: Float32Array[] = [];
    for (let at = 0; at < flat.length; at += dimensions) vectors.push(flat.subarray(at, at + dimensions));
    return vectors;
  }
  if (!Array.isArray(queries)) wrong("queries", "a Float32Array or an array of vectors", queries);
  // `Array.from` also visits holes in the array, which `map` skips.
  return Array.from(queries, (query, i) => naming(i, () => vectorOf(query, dimensions), "query"));
}
