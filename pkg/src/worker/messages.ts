// What page and worker tell each other. A call is answered once; between the two there may be news of it, in both directions.
import type { Batch } from "../store.js";
import type { CompactionReport, Id, Metric, Progress } from "../types.js";
import type { ErrorParts } from "./error-parts.js";

/** A payload on its way: JSON text, or bytes. */
export type SentPayload = string | Uint8Array | undefined;

/** Rows, with their vectors one after the other. A list that is left out has nothing for any of them. */
export interface SentRows {
  readonly count: number;
  readonly vectors: Float32Array;
  readonly ids?: readonly (Id | undefined)[];
  readonly payloads?: readonly SentPayload[];
  readonly ttls?: readonly (number | undefined)[];
}

/** What the page shows of an index, as of the message that carries it. */
export interface Seen {
  readonly size: number;
  readonly deletedCount: number;
  readonly needsCompaction: boolean;
}

/** What an index is when it has been made. */
export interface Made {
  readonly dimensions: number;
  readonly metric: Metric;
  readonly compactionThreshold: number;
}

/** A method of a caller's store, asked for by the worker. */
export type Asked =
  | { readonly method: "read"; readonly keys: readonly string[] }
  | { readonly method: "commit"; readonly batch: Batch }
  | { readonly method: "append"; readonly key: string; readonly bytes: Uint8Array }
  | { readonly method: "list"; readonly prefix: string }
  | { readonly method: "close" };

/** To the worker. */
export type Order =
  | { readonly call: number; readonly name: string; readonly args: readonly unknown[]; readonly tells: boolean }
  | { readonly abort: number }
  /** Rows of a call that pulls them; none at the end; `broken` when the page has not got there. */
  | { readonly feed: number; readonly rows?: SentRows; readonly broken?: boolean }
  | { readonly threshold: number }
  | { readonly idle: number; readonly sliceMs: number | undefined }
  | { readonly stop: number }
  | { readonly answer: number; readonly value?: unknown; readonly error?: ErrorParts };

/** To the page. */
export type News = { readonly seen?: Seen; readonly failure?: ErrorParts } & (
  | { readonly ready: true }
  /** `broken`: with what a feed that was broken ends. */
  | { readonly call: number; readonly value?: unknown; readonly error?: ErrorParts; readonly broken?: boolean }
  | { readonly progress: number; readonly value: Progress }
  /** Wants the next rows. */
  | { readonly more: number }
  | { readonly report: number; readonly value: CompactionReport }
  | { readonly ask: number; readonly asked: Asked }
);
