// The one place where generated code enters. Everything else sees these interfaces.
import instantiate from "thermocline-glue";
import { fail } from "./guard.js";
import { compiledModule } from "./module.js";
import type { CheckReport, CompactionReport, Id, Metric, Progress, Stats } from "./types.js";

/**
 * The core's own class. All of it is synchronous; failures are errors with a `code`. A slot is valid only until the next
 * call that changes the index. Payloads are bytes with a kind, see payload.ts.
 */
export interface RawIndex {
  readonly dimensions: number;
  readonly metric: Metric;
  readonly size: number;
  readonly deletedCount: number;
  readonly needsCompaction: boolean;
  readonly compacting: boolean;
  readonly nextId: number;
  compactionThreshold: number;
  checkVector(vector: Float32Array): void;
  checkNewId(id: unknown): void;
  checkId(id: unknown): void;
  insert(vector: Float32Array, kind: number, bytes: Uint8Array | undefined): number;
  insertWithId(id: unknown, vector: Float32Array, kind: number, bytes: Uint8Array | undefined): void;
  upsert(id: unknown, vector: Float32Array, kind: number, bytes: Uint8Array | undefined): void;
  reserve(count: number): void;
  /** Triples: slot, id (NaN when it is a string), distance. */
  search(query: Float32Array, k: number | undefined, ef: number | undefined, rerank: boolean | undefined, filter: ((id: Id) => boolean) | undefined): Float64Array;
  idAt(slot: number): Id;
  vectorAt(slot: number): Float32Array;
  payloadsAt(slots: Uint32Array): Uint8Array;
  locate(id: unknown): number;
  delete(id: unknown): boolean;
  clear(): void;
  compactStart(): void;
  compactStep(budgetMs: number): boolean;
  /** Of the job under way. */
  compactProgress(): Progress | undefined;
  /** Of the job that ended last. */
  compactReport(): CompactionReport | undefined;
  compactAbort(): void;
  stats(): Omit<Stats, "wasmMemoryBytes">;
  check(): CheckReport;
  export(): Uint8Array;
  free(): void;
}

/** One WebAssembly instance: an index of its own, whose memory goes when the index goes. */
export interface RawInstance {
  readonly RawIndex: {
    create(options: object): RawIndex;
    import(bytes: Uint8Array, options: object): RawIndex;
  };
  readonly memory: WebAssembly.Memory;
}

/** A fresh instance of the module, which is compiled once. OUT_OF_MEMORY when the platform has no room for its memory. */
export async function freshInstance(): Promise<RawInstance> {
  const module = await compiledModule();
  try {
    return await instantiate(module);
  } catch (error) {
    fail("OUT_OF_MEMORY", `no room for another WebAssembly instance: ${(error as Error).message}`, error);
  }
}
