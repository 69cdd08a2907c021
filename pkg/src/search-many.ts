// searchMany: many queries, in slices; what they need of the store is read together.
import { booleanOf, checkAborted, fail, functionOf, numberOf, optionsOf, signalOf, typedArrayName, wrong } from "./guard.js";
import { isCold, type Handle } from "./handle.js";
import type { RawIndex } from "./raw.js";
import { Slice } from "./turn.js";
import type { ManyHits, SearchManyOptions, SearchOptions, Vector } from "./types.js";
import { vectorOf } from "./vector.js";

/** As long as a slice of `insertMany`. */
export const SLICE_MS = 8;
/** So many blocks are read together: more would fill the memory that they are read into. */
const MOST_BLOCKS = 64;

/** Reads records that a call has asked for, and makes it again. */
export type Reading = <T>(use: (raw: RawIndex) => T, signal?: AbortSignal) => T | Promise<T>;

export async function searchMany(handle: Handle, reading: Reading, dimensions: number, queries: Float32Array | readonly Vector[], options?: SearchManyOptions): Promise<ManyHits> {
  handle.checkOpen();
  const { k, ef, rerank, onProgress, signal } = checkedOptions(options);
  const vectors = vectorsOf(queries, dimensions);
  const total = vectors.length;
  // Of each query as it is answered, so that an answer may come before those of the queries before it.
  const ids: (number | string)[][] = new Array(total);
  const distances: Float32Array[] = new Array(total);
  let waiting = [...vectors.keys()];
  /** So many of them, the first, have been read for. */
  let lacking = 0;
  const slice = new Slice(SLICE_MS);

  const answer = (raw: RawIndex, query: number): void => {
    const from = handle.search(raw, vectors[query]!, dimensions, k, ef, rerank, undefined);
    [ids[query], distances[query]] = hitsAt(raw, handle.doubles, from);
  };

  /** As many of those that wait as fit into a slice, and at least one. Those that lack records wait on, and are read for together. */
  const answerSome = (raw: RawIndex): void => {
    const blocks = new Set<number>();
    const cold: number[] = [];
    const due = lacking;
    let next = 0;
    let thrown: unknown;
    lacking = 0;
    do {
      const query = waiting[next++]!;
      try {
        answer(raw, query);
      } catch (error) {
        if (!isCold(error)) throw error;
        thrown = error;
        cold.push(query);
        for (const block of error.blocks) blocks.add(block);
      }
    } while (next < waiting.length && (next < due || (blocks.size < MOST_BLOCKS && !slice.over)));
    waiting = [...cold, ...waiting.slice(next)];
    lacking = cold.length;
    if (lacking) throw Object.assign(thrown as object, { blocks: Uint32Array.from(blocks).sort() });
  };

  while (waiting.length) {
    await reading(answerSome, signal);
    onProgress?.({ done: total - waiting.length, total, phase: "search" });
    if (waiting.length) {
      await slice.next();
      handle.checkOpen();
      checkAborted(signal);
    }
  }
  return gathered(ids, distances);
}

/** What a search has found: ids and distances, from `at` on. */
export function hitsAt(raw: RawIndex, doubles: Float64Array, at: number): [(number | string)[], Float32Array] {
  let from = at;
  const count = doubles[from++]!;
  const own = new Array<number | string>(count);
  const away = new Float32Array(count);
  const named: number[] = [];
  for (let i = 0; i < count; i++, from += 3) {
    const id = doubles[from + 1]!;
    own[i] = id;
    away[i] = doubles[from + 2]!;
    if (id !== id) named.push(i, doubles[from]!);
  }
  for (let i = 0; i < named.length; i += 2) own[named[i]!] = raw.idAt(named[i + 1]!);
  return [own, away];
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
    return Array.from({ length: flat.length / dimensions }, (_, i) => flat.subarray(i * dimensions, (i + 1) * dimensions));
  }
  if (!Array.isArray(queries)) wrong("queries", "a Float32Array or an array of vectors", queries);
  // A hole in the array is to be looked at as well, which `map` does not.
  return Array.from(queries, (query) => vectorOf(query, dimensions));
}

/** All answers, one after the other. */
export function gathered(ids: readonly (number | string)[][], distances: readonly Float32Array[]): ManyHits {
  const offsets = new Uint32Array(ids.length + 1);
  ids.forEach((own, i) => (offsets[i + 1] = offsets[i]! + own.length));
  const all = new Float32Array(offsets[ids.length]!);
  distances.forEach((away, i) => all.set(away, offsets[i]));
  return { offsets, ids: ids.flat(), distances: all };
}
