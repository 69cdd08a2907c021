// As ../handle.ts, of an index that has threads: they end with it, and its memory grows differently.
import { Handle as Plain } from "../handle.js";
import { checkLength } from "../vector.js";
import type { RawIndex } from "./raw.js";
import { started } from "./threads.js";

export { CallerFault, codedError, isCold, trapped } from "../handle.js";

export class Handle extends Plain {
  #floats = new Float32Array(0);
  #doubles = new Float64Array(0);
  #threads = 1;
  #end = (): void => {};

  /** Starts the index's threads: so many, or as many as it had in the instance before. NO_THREADS, and then there are none. */
  async begin(threads = this.#threads): Promise<void> {
    this.#threads = threads;
    const { memory } = this;
    if (threads === 1 || !memory) return;
    this.call((raw) => (raw as RawIndex).startThreads(threads));
    const end = await started(threads - 1, memory);
    // The index may have been closed meanwhile.
    if (this.memory === memory) this.#end = end;
    else end();
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

  override replace(...instance: Parameters<Plain["replace"]>): ReturnType<Plain["replace"]> {
    const replaced = super.replace(...instance);
    this.#leave();
    return replaced;
  }

  override free(): void {
    super.free();
    this.#leave();
  }

  /** Ends the threads of a memory that is left. */
  #leave(): void {
    this.#end();
    this.#end = () => {};
    this.#floats = new Float32Array(0);
    this.#doubles = new Float64Array(0);
  }
}
