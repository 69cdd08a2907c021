// The messages between page and worker. Each call gets one answer; before it there may be other messages about the
// call, in both directions.
import type { Batch } from "../store.js";
import type { CompactionReport, Id, Metric, Progress } from "../types.js";
import type { ErrorParts } from "./error-parts.js";

/** A payload as it is sent: JSON text, or bytes. */
export type SentPayload = string | Uint8Array | undefined;

/** Rows as they are sent, with consecutive vectors. Lists without any values are left out. */
export interface SentRows {
  readonly count: number;
  readonly vectors: Float32Array;
  readonly ids?: readonly (Id | undefined)[];
  readonly payloads?: readonly SentPayload[];
  readonly ttls?: readonly (number | undefined)[];
}

/** The properties of an index at the time of the message. */
export interface Seen {
  readonly size: number;
  readonly deletedCount: number;
  readonly needsCompaction: boolean;
}

/** The properties of a newly created index. */
export interface Made {
  readonly dimensions: number;
  readonly metric: Metric;
  readonly compactionThreshold: number;
  readonly isStored: boolean;
}

/** A call of a caller's store that the worker asks the page to make. */
export type Asked =
  | { readonly method: "read"; readonly keys: readonly string[] }
  | { readonly method: "commit"; readonly batch: Batch }
  | { readonly method: "append"; readonly key: string; readonly bytes: Uint8Array }
  | { readonly method: "list"; readonly prefix: string }
  | { readonly method: "close" };

/** The answers of the caller's function for each wasm file: its address, its bytes or its module. */
export type Files = Readonly<Record<string, string | Uint8Array | WebAssembly.Module | undefined>>;

/** A message to the worker. The first member names its kind; its number identifies the call or order. */
export type Order =
  /** Runs a method. `tells`: the page wants progress reports. */
  | { readonly call: number; readonly name: string; readonly args: readonly unknown[]; readonly tells: boolean }
  | { readonly abort: number }
  /** Rows of a call that pulls them. Without `rows`, their end; `broken` if they ended early. */
  | { readonly feed: number; readonly rows?: SentRows; readonly broken?: boolean }
  /** Where the wasm files are. Sent before any call. */
  | { readonly files: Files }
  | { readonly threshold: number }
  | { readonly idle: number; readonly sliceMs: number | undefined }
  | { readonly stop: number }
  | { readonly answer: number; readonly value?: unknown; readonly error?: ErrorParts };

/** A message to the page. The member besides `seen` and `failure` names its kind. */
export type News = { readonly seen?: Seen; readonly failure?: ErrorParts } & (
  | { readonly ready: true }
  /** The answer to a call. `broken`: it failed because its rows ended early. */
  | { readonly call: number; readonly value?: unknown; readonly error?: ErrorParts; readonly broken?: boolean }
  | { readonly progress: number; readonly value: Progress }
  /** The call wants more rows. */
  | { readonly more: number }
  | { readonly report: number; readonly value: CompactionReport }
  | { readonly ask: number; readonly asked: Asked }
);
