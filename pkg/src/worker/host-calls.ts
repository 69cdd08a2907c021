// The calls that a page can make to the index in a worker, by name.
import type { Filter, Id, LongOptions, OpenOptions, SearchOptions } from "../types.js";
import type { VectorIndex } from "../vector-index.js";
import { FedRows, rowsOf } from "./host-rows.js";
import type { HostStore } from "./host-store.js";
import type { Made, SentPayload, SentRows } from "./messages.js";
import type { SentOptions } from "./options.js";
import { payloadOf, sentRecord } from "./payloads.js";

/** A running call. */
export interface Job {
  readonly long: LongOptions;
  /** Asks the page for more rows. */
  more(): void;
  /** Receives the rows, if the call pulls any. */
  fed?: FedRows;
}

export interface Calls {
  /** The index, once it exists. */
  readonly index: VectorIndex | undefined;
  run(name: string, job: Job, args: readonly unknown[]): Promise<unknown>;
}

type Vectors = Float32Array;
type SentSearch = Omit<SearchOptions, "filter"> & { readonly filter?: string };

export function callsOf(Index: typeof VectorIndex, store: HostStore): Calls {
  let index: VectorIndex | undefined;
  const made = (open: VectorIndex, isStored: boolean): Made => {
    index = open;
    const { dimensions, metric, compactionThreshold } = open;
    return { dimensions, metric, compactionThreshold, isStored };
  };
  const opening = ({ store: kept, ...options }: SentOptions, { long }: Job): OpenOptions =>
    ({
      ...options,
      store: typeof kept === "object" && kept ? store.ofPage(kept.appends) : kept,
      signal: long.signal,
    }) as OpenOptions;

  const calls = (of: VectorIndex) => ({
    insert: (_: Job, vector: Vectors, payload: SentPayload, options?: object) =>
      of.insert(vector, payloadOf(payload), options),
    insertWithId: (_: Job, id: Id, vector: Vectors, payload: SentPayload, options?: object) =>
      of.insertWithId(id, vector, payloadOf(payload), options),
    upsert: (_: Job, id: Id, vector: Vectors, payload: SentPayload, options?: object) =>
      of.upsert(id, vector, payloadOf(payload), options),
    insertMany: ({ long }: Job, rows: SentRows, options: object) =>
      of.insertMany(rowsOf(rows, of.dimensions), { ...options, ...long }),
    insertStream: (job: Job, options: object) =>
      of.insertMany((job.fed = new FedRows(of.dimensions, job.more)), { ...options, ...job.long }),
    search: async ({ long: { signal } }: Job, query: Vectors, { filter, ...options }: SentSearch) =>
      (await of.search(query, { ...options, signal, filter: filterOf(filter) })).map(sentRecord),
    searchMany: ({ long }: Job, queries: Vectors, { filter, ...options }: SentSearch) =>
      of.searchMany(queries, { ...options, ...long, filter: filterOf(filter) }),
    get: async (_: Job, id: Id) => {
      const record = await of.get(id);
      return record && sentRecord(record);
    },
    has: (_: Job, id: Id) => of.has(id),
    delete: (_: Job, id: Id) => of.delete(id),
    deleteMany: (_: Job, ids: Id[]) => of.deleteMany(ids),
    clear: () => of.clear(),
    compact: ({ long }: Job, options: object) => of.compact({ ...options, ...long }),
    maintain: (_: Job, left: number) => of.maintain({ timeRemaining: () => left }),
    stats: () => of.stats(),
    metrics: () => of.metrics(),
    check: () => of.check(),
    flush: () => of.flush(),
    export: () => of.export(),
    reload: () => of.reload(),
    close: (_: Job, options: object) => of.close(options),
  });
  const making = {
    memory: async (_: Job, options: SentOptions) => made(await Index.memory(options as never), false),
    open: async (job: Job, name: string, options: SentOptions) => made(await Index.open(name, opening(options, job)), true),
    import: async (job: Job, bytes: Uint8Array, options: SentOptions) => {
      const imported = await Index.import(bytes, opening(options, job));
      return made(imported, options.name !== undefined);
    },
    destroy: async (job: Job, name: string, options: SentOptions) => Index.destroy(name, { store: opening(options, job).store }),
  };
  let known: Record<string, unknown> = making;
  return {
    get index() {
      return index;
    },
    async run(name, job, args) {
      if (index && known === making) known = calls(index);
      return (known[name] as (...given: readonly unknown[]) => unknown)(job, ...args);
    },
  };
}

function filterOf(text: string | undefined): Filter | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as Filter);
}
