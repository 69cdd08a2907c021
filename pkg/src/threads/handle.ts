// As ../handle.ts, of an index that has threads: they end with it, and its memory grows differently.
import { Handle as Plain } from "../handle.js";
import { checkLength } from "../vector.js";
import type { RawIndex } from "./raw.js";
import { Threads } from "./threads.js";

export { CallerFault, codedError, isCold, trapped } from "../handle.js";

/** Ends the threads of an index that nobody has any more, and nobody has closed. By then they sleep. */
const forgotten = new FinalizationRegistry<Threads>((threads) => threads.end());

export class Handle extends Plain {
  #floats = new Float32Array(0);
  #doubles = new Float64Array(0);
  #threads = new Threads(1);

  get threads(): Threads {
    return this.#threads;
  }

  /** Those of its memory, from now on. They end with it. */
  set threads(threads: Threads) {
    this.#threads = threads;
    forgotten.unregister(this);
    forgotten.register(this, threads, this);
  }

  /** A shared memory that has grown leaves the views of it as they were, and too short. */
  override get floats(): Float32Array {
    const { buffer } = this.memory!;
    return this.#floats.buffer === buffer ? this.#floats : (this.#floats = new Float32Array(buffer));
  }

  override get doubles(): Float64Array {
    const { buffer } = this.memory!;
    return this.#doubles.buffer === buffer ? this.#doubles : (this.#doubles = new Float64Array(buffer));
  }

  /** As `search`, of many queries, whose hits lie one after the other. */
  searchMany(raw: RawIndex, queries: readonly Float32Array[], dimensions: number, ...options: Parameters<RawIndex["searchMany"]>): number {
    const at = raw.queriesAt(queries.length) / Float32Array.BYTES_PER_ELEMENT;
    const { floats } = this;
    queries.forEach((query, i) => floats.set(checkLength(query, dimensions), at + i * dimensions));
    return raw.searchMany(...options) / Float64Array.BYTES_PER_ELEMENT;
  }

  override free(): void {
    super.free();
    // Not before: one that is ended while it holds the allocator's lock would never let go of it.
    this.#threads.end();
    forgotten.unregister(this);
    this.#floats = new Float32Array(0);
    this.#doubles = new Float64Array(0);
  }
}
