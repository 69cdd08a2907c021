// Searches for one query, and what all calls share that may first need records from the store or trained codes.
import type { ThermoclineError } from "./errors.js";
import { booleanOf, checkAborted, numberOf, optionsOf, signalOf } from "./guard.js";
import type { Handle } from "./handle.js";
import type { Keeper } from "./stored/keeper.js";
import { loaded } from "./module.js";
import { decodePayloads } from "./payload.js";
import type { RawIndex } from "./raw.js";
import { MANY_SLICE_MS, nextTurn } from "./turn.js";
import type { Hit, Id, SearchOptions, Vector } from "./types.js";
import type { UnderWay } from "./under-way.js";
import { vectorOf } from "./vector.js";

/** The script of filters, once loaded: in browsers, importing it again takes a turn of the event loop. */
let filters: typeof import("./filter/filter.js") | undefined;

type Passes = (id: Id) => boolean;

/** Reads and checks the options of a search. A filter that is an object is checked when it is used. */
export function searchOptionsOf(options: SearchOptions | undefined) {
  const { filter, k, ef, rerank, include: included, signal } = optionsOf(options);
  const include = optionsOf(included, "include");
  return {
    filter,
    k: numberOf("k", k),
    ef: numberOf("ef", ef),
    rerank: booleanOf("rerank", rerank),
    withPayload: booleanOf("include.payload", include.payload) ?? true,
    withVector: booleanOf("include.vector", include.vector),
    signal: signalOf(signal),
  };
}

type Options = Partial<ReturnType<typeof searchOptionsOf>>;

export class Searches {
  readonly #handle: Handle;
  readonly #keeper: Keeper | undefined;
  readonly #underWay: UnderWay;
  readonly #dimensions: number;

  constructor(handle: Handle, keeper: Keeper | undefined, underWay: UnderWay, dimensions: number) {
    this.#handle = handle;
    this.#keeper = keeper;
    this.#underWay = underWay;
    this.#dimensions = dimensions;
  }

  /** Finds the nearest records that pass the filter. Synchronous unless something has to be loaded, read or trained. */
  search(query: Vector, options: Options): Hit[] | Promise<Hit[]> {
    const { filter, signal } = options;
    let vector = vectorOf(query, this.#dimensions);
    // A filter may change the caller's array.
    if (filter !== undefined) vector = new Float32Array(vector);
    const find = (passes: Passes | undefined) =>
      this.searching((raw) => this.#hits(raw, vector, options, passes), signal);
    // Anything that is not a function is checked by the script of filters.
    if (filter !== undefined && typeof filter !== "function") {
      return this.#underWay.run(() => this.#filter(filter, signal, find));
    }
    const found = find(filter && this.#handle.guardFilter(filter));
    // The search runs again later, when the caller may have changed its array.
    if (found instanceof Promise && vector === query) vector = new Float32Array(vector);
    return found;
  }

  /**
   * Calls into the core. If the call needs records that are only in the store, they are read and the call is repeated.
   */
  reading<T>(use: (raw: RawIndex) => T, signal?: AbortSignal): T | Promise<T> {
    if (!this.#keeper) return this.#handle.call(use);
    const read = this.#keeper.records.withRecords(use, signal);
    return read instanceof Promise ? this.#underWay.run(() => read) : read;
  }

  /**
   * As `reading`, for searches: if product codes have to be trained first, trains them in slices and repeats the call.
   */
  searching<T>(use: (raw: RawIndex) => T, signal: AbortSignal | undefined): T | Promise<T> {
    try {
      return this.reading(use, signal);
    } catch (error) {
      if (this.#handle.isCallers(error) || (error as ThermoclineError).code !== "UNTRAINED") throw error;
      return this.#underWay.run(() => this.#train(signal).then(() => this.reading(use, signal)));
    }
  }

  /** Searches within a call into the core. */
  #hits(
    raw: RawIndex, vector: Float32Array, { k, ef, rerank, withPayload, withVector }: Options, passes: Passes | undefined,
  ): Hit[] {
    const wantsPayloads = withPayload && this.#handle.mayHavePayloads;
    let from = this.#handle.search(raw, vector, this.#dimensions, k, ef, rerank, passes);
    const { doubles } = this.#handle;
    const count = doubles[from++]!;
    const hits = new Array<Hit>(count);
    const slots = new Array<number>(count);
    let hasStringIds = false;
    for (let i = 0; i < count; i++, from += 3) {
      const id = doubles[from + 1]!;
      slots[i] = doubles[from]!;
      hits[i] = { id, distance: doubles[from + 2]! };
      // The core writes NaN for an id that is a string.
      hasStringIds ||= Number.isNaN(id);
    }
    // Payloads are read first, because one call then reports all records that are only in the store.
    const payloads = wantsPayloads || withVector
      ? decodePayloads(raw.payloadsAt(Uint32Array.from(slots)), count, (i) => raw.idAt(slots[i]!))
      : [];
    for (let i = 0; i < count && (hasStringIds || withVector || payloads.length); i++) {
      const hit = hits[i]!;
      const slot = slots[i]!;
      if (Number.isNaN(hit.id)) hit.id = raw.idAt(slot);
      if (withVector) hit.vector = raw.vectorAt(slot);
      if (wantsPayloads && payloads[i] !== undefined) hit.payload = payloads[i]!;
    }
    return hits;
  }

  /** Searches with a filter object. `find` searches with a predicate. */
  async #filter(
    filter: unknown, signal: AbortSignal | undefined, find: (passes: Passes) => Hit[] | Promise<Hit[]>,
  ): Promise<Hit[]> {
    filters ??= await loaded("the script of filters", () => import("./filter/filter.js"));
    return filters.findMatching(this.#handle, (use) => this.reading(use, signal), filter, signal, find);
  }

  /** Trains product codes, and links the records that wait for that. */
  async #train(signal: AbortSignal | undefined): Promise<void> {
    while (this.#handle.call((raw) => raw.linkSlice(MANY_SLICE_MS))) {
      await nextTurn();
      checkAborted(signal);
    }
  }
}
