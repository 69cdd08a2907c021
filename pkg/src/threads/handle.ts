// As ../handle.ts, for an index with threads: the threads end with the index, its memory grows differently, and many
// queries are answered at once.
import { Handle as Plain } from "../handle.js";
import { checkLength } from "../vector.js";
import type { RawIndex as PlainRaw } from "../raw.js";
import type { ManyHitsBuilder } from "../search-many.js";
import type { SearchManyOptions } from "../types.js";
import type { RawIndex } from "./raw.js";
import { Threads } from "./threads.js";

/** Most queries in one call into the core: enough to occupy all threads, few enough for a slice. */
const MAX_TOGETHER = 64;
/** Fewest queries in one call, regardless of the number of hits: with fewer, one thread would answer them all. */
const MIN_TOGETHER = 8;
/** Most hits in one call. The core keeps the memory for the hits of a call. */
const MAX_HITS = 1 << 16;
/** Ends the threads of an index that was garbage collected without `close`. By then the threads sleep. */
const forgotten = new FinalizationRegistry<Threads>((threads) => threads.end());

export class Handle extends Plain {
  #floats = new Float32Array(0);
  #doubles = new Float64Array(0);
  #threads = new Threads(1);

  /** The threads of the index's memory. */
  get threads(): Threads {
    return this.#threads;
  }

  /** Sets the threads of the index's memory. They end with the index. */
  set threads(threads: Threads) {
    this.#threads = threads;
    forgotten.unregister(this);
    forgotten.register(this, threads, this);
  }

  /** When a shared memory grows, its views stay valid but are too short, so a new one is created. */
  override get floats(): Float32Array {
    const { buffer } = this.memory!;
    return this.#floats.buffer === buffer ? this.#floats : (this.#floats = new Float32Array(buffer));
  }

  override get doubles(): Float64Array {
    const { buffer } = this.memory!;
    return this.#doubles.buffer === buffer ? this.#doubles : (this.#doubles = new Float64Array(buffer));
  }

  /** Answers many queries at once, on all threads. */
  override searchSome(
    plain: PlainRaw, queries: readonly Float32Array[], from: number, dimensions: number,
    { k, ef, rerank }: SearchManyOptions, builder: ManyHitsBuilder,
  ): number {
    const raw = plain as RawIndex;
    // Not always a whole number: `slice` rounds it down.
    const together = Math.max(MIN_TOGETHER, Math.min(MAX_TOGETHER, MAX_HITS / (k ?? 1)));
    const some = queries.slice(from, from + together);
    const to = raw.queriesAt(some.length) / Float32Array.BYTES_PER_ELEMENT;
    const { floats } = this;
    for (let i = 0; i < some.length; i++) floats.set(checkLength(some[i]!, dimensions), to + i * dimensions);
    let at = raw.searchMany(k, ef, rerank) / Float64Array.BYTES_PER_ELEMENT;
    const { doubles } = this;
    for (let i = 0; i < some.length; i++) at = builder.add(raw, doubles, at);
    return some.length;
  }

  override free(): void {
    super.free();
    // After `free`: a thread that is terminated while it holds the allocator's lock would never release it.
    this.#threads.end();
    forgotten.unregister(this);
    this.#floats = new Float32Array(0);
    this.#doubles = new Float64Array(0);
  }
}
