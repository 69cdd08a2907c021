// As ../search-many.ts, with many queries at once by all threads.
import { checkAborted } from "../guard.js";
import { Answers, checkedOptions, vectorsOf, type Reading } from "../search-many.js";
import { Slice, SLICE_MS } from "../turn.js";
import type { ManyHits, SearchManyOptions, Vector } from "../types.js";
import type { Handle } from "./handle.js";
import type { RawIndex } from "./raw.js";

/** So many queries go into one call: enough for all threads to have some, and few enough for a slice. */
const TOGETHER = 64;
/** No fewer, or one thread answers them. */
const LEAST = 8;
/** Room for the hits of a call is kept, so they should be no more than these. */
const MOST_HITS = 1 << 16;

export async function searchMany(
  handle: Handle, _keeper: undefined, reading: Reading, dimensions: number, queries: Float32Array | readonly Vector[], options?: SearchManyOptions,
): Promise<ManyHits> {
  handle.checkOpen();
  const { k, ef, rerank, onProgress, signal } = checkedOptions(options);
  const vectors = vectorsOf(queries, dimensions);
  const total = vectors.length;
  const answers = new Answers();
  let done = 0;
  const slice = new Slice(SLICE_MS);
  const together = Math.max(LEAST, Math.min(TOGETHER, Math.floor(MOST_HITS / (k ?? 1))));

  const answerSome = (raw: RawIndex): void => {
    do {
      const some = vectors.slice(done, done + together);
      let at = handle.searchMany(raw, some, dimensions, k, ef, rerank);
      const { doubles } = handle;
      for (let i = 0; i < some.length; i++) at = answers.add(raw, doubles, at);
      done += some.length;
    } while (done < total && !slice.over);
  };

  while (done < total) {
    await reading((raw) => answerSome(raw as RawIndex));
    onProgress?.({ done, total, phase: "search" });
    if (done < total) {
      await slice.next();
      handle.checkOpen();
      checkAborted(signal);
    }
  }
  return answers.hits();
}
