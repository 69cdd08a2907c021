// Converts a caller's options into a form that can be sent to the worker. Each member is read once and must have a type
// that can be sent. The index in the worker checks the values. Functions and signals stay on the page.
import { checkStore } from "../stored/claim.js";
import { checkFilter } from "../filter/check.js";
import { booleanOf, fail, functionOf, msOf, numberOf, optionsOf, signalOf, wrong } from "../guard.js";
import { checkedOptions } from "../search-many.js";
import { nameNow } from "../names.js";
import type { Store } from "../store.js";
import type {
  CompactOptions, IndexOptions, InsertManyOptions, InsertOptions, LongOptions, OpenOptions, SearchManyOptions,
  SearchOptions,
} from "../types.js";

const NAMES = [
  "name", "dimensions", "metric", "quantization", "m", "efConstruction", "ef", "seed", "compactionThreshold", "maxBytes",
  "durability", "mode",
] as const;

/** Stands for a caller's own store, which stays on the page. */
export interface SentStore {
  readonly appends: boolean;
}

/** Options of `memory`, `open`, `import` and `destroy` as they are sent. The index checks their values. */
export interface SentOptions {
  readonly [name: string]: unknown;
  readonly store?: SentStore | string | null;
}

export interface MakingOptions {
  readonly sent: SentOptions;
  readonly store: Store | undefined;
  readonly signal: AbortSignal | undefined;
}

export function makingOptions(options: (Partial<IndexOptions> & OpenOptions & { name?: string }) | undefined): MakingOptions {
  const given = optionsOf(options);
  const sent: { -readonly [name in keyof SentOptions]: SentOptions[name] } = {};
  for (const name of NAMES) {
    const value: unknown = given[name];
    if (typeof value === "function" || typeof value === "symbol" || (typeof value === "object" && value !== null)) {
      wrong(name, "a number or a string", value);
    }
    sent[name] = value;
  }
  const { store, signal } = given;
  const isOwn = typeof store === "object" && store !== null;
  if (isOwn) checkStore(store);
  else if (typeof store === "function" || typeof store === "symbol") wrong("store", "the name of one, or a Store", store);
  sent.name = nameNow(sent.name, store);
  sent.store = isOwn ? ({ appends: store.append !== undefined } satisfies SentStore) : store;
  return { sent, store: isOwn ? store : undefined, signal: signalOf(signal) };
}

export function insertOptions(options: InsertOptions | undefined): InsertOptions | undefined {
  if (options === undefined) return undefined;
  return { ttlMs: msOf("ttlMs", optionsOf(options).ttlMs) };
}

/** The options of every long call, which stay on the page. */
export function longOptions(given: LongOptions): LongOptions {
  return { onProgress: functionOf("onProgress", given.onProgress), signal: signalOf(given.signal) };
}

export function insertManyOptions(options: InsertManyOptions | undefined) {
  const given = optionsOf(options);
  const sent = { upsert: booleanOf("upsert", given.upsert) };
  return { sent, ...longOptions(given) };
}

export function compactOptions(options: CompactOptions | undefined) {
  const given = optionsOf(options);
  const sent = {
    sliceMs: msOf("sliceMs", given.sliceMs),
    erase: booleanOf("erase", given.erase),
    pack: booleanOf("pack", given.pack),
  };
  return { sent, ...longOptions(given) };
}

export function searchOptions(options: SearchOptions | undefined) {
  const given = optionsOf(options);
  const include = optionsOf(given.include, "include");
  const sent = {
    k: numberOf("k", given.k),
    ef: numberOf("ef", given.ef),
    rerank: booleanOf("rerank", given.rerank),
    include: {
      payload: booleanOf("include.payload", include.payload),
      vector: booleanOf("include.vector", include.vector),
    },
    filter: sentFilter(given.filter),
  };
  return { sent, signal: given.signal === undefined ? undefined : signalOf(given.signal) };
}

export function searchManyOptions(options: SearchManyOptions | undefined) {
  const { filter, onProgress, signal, ...sent } = checkedOptions(options);
  return { sent: { ...sent, filter: sentFilter(filter) }, onProgress, signal };
}

/**
 * Returns a filter as JSON. It is checked completely here: the copy may be a valid filter although the caller's object
 * is not.
 */
function sentFilter(filter: unknown): string | undefined {
  if (filter === undefined) return undefined;
  if (typeof filter === "function") {
    const why = 'which cannot go to the worker of the index; an index of "thermocline" takes one';
    fail("INVALID_FILTER", `filter: expected an object, got a function, ${why}`);
  }
  return checkFilter(filter).text;
}
