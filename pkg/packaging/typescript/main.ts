// Compiles only if the declarations say what the contract says; nothing here runs.
import {
  locateWasm, ThermoclineError, VectorIndex, type CheckReport, type CompactionReport, type Filter, type Hit, type Id, type IndexOptions, type ManyHits, type Progress,
  type Row, type SearchOptions, type Stats, type Vector,
} from "thermocline";
import { locateWasm as locateThreadsWasm, VectorIndex as ThreadsIndex } from "thermocline/threads";
import { locateWasm as locateWorkerWasm, ThermoclineError as WorkerError, VectorIndex as WorkerIndex, type SearchOptions as WorkerSearchOptions } from "thermocline/worker";
import { locateWasm as locateWholeWasm, VectorIndex as WholeIndex } from "thermocline/whole";
import type * as Contract from "./contract.js";

/** Each entry has everything in the contract except the constructor: indexes are created by the static methods. */
type Statics = Omit<typeof Contract.VectorIndex, "prototype">;
export const entries: readonly Statics[] = [VectorIndex, WorkerIndex, ThreadsIndex, WholeIndex];
export const codeOf = (code: Contract.ThermoclineError["code"]): ThermoclineError["code"] => code;

async function* rows(): AsyncGenerator<Row> {
  yield { id: "a", vector: [1, 2, 3], payload: { title: "a" } };
}

export async function everything(signal: AbortSignal): Promise<void> {
  const options: IndexOptions = { dimensions: 3, metric: "l2", quantization: "none", m: 8, efConstruction: 100, ef: 32, seed: 7, compactionThreshold: 0.2 };
  await using index: VectorIndex = await VectorIndex.memory(options);
  const vector: Vector = new Float32Array(3);
  const number: number = await index.insert(vector, { any: "thing" });
  const id: Id = await index.insertWithId("doc-1", [1, 2, 3], new Uint8Array(2));
  await index.upsert(id, vector, null);
  const onProgress = ({ done, total, phase }: Progress): void => console.log(done / total, phase);
  const ids: Id[] = await index.insertMany(rows(), { onProgress, signal, upsert: true });
  await index.insertMany({ vectors: new Float32Array(6), ids: [1, "two"], payloads: [1, "two"] });
  await index.insertMany(new Set<Row>([{ vector: [1, 2, 3] }]));
  const search: SearchOptions = { k: 3, ef: 50, filter: (candidate: Id) => candidate !== number, rerank: true, include: { vector: true }, signal };
  const filter: Filter = { lang: "en", year: { $gte: 1990 }, $or: [{ tags: { $in: ["a"] } }, { "author.name": null }] };
  const hits: Hit[] = [...(await index.search(vector, search)), ...(await index.search(vector, { filter }))];
  const first: Float32Array | undefined = hits[0]?.vector;
  const record = await index.get(id);
  const dimension: number | undefined = record?.vector[0];
  const had: boolean = (await index.has(id)) && (await index.delete(id));
  const deleted: number = await index.deleteMany(new Set<Id>(ids));
  index.compactionThreshold = 0.5;
  const report: CompactionReport = await index.compact({ sliceMs: 2, signal, onProgress });
  const stop: () => void = index.compactWhenIdle({ sliceMs: 2, onReport: (r: CompactionReport) => console.log(r.reclaimedBytes.total) });
  const more: boolean = index.maintain({ timeRemaining: () => 3 });
  stop();
  const stats: Stats = await index.stats();
  const check: CheckReport = await index.check();
  const copy = await VectorIndex.import(await index.export(), { ef: 100 });
  await copy.clear();
  await copy.close({ timeoutMs: 10 });
  console.log(first, dimension, had, deleted, report, more, stats.bytes.total, check.problems, index.size, index.deletedCount, index.metric, index.needsCompaction);
}

export function isDuplicate(error: unknown): boolean {
  return error instanceof ThermoclineError && error.code === "DUPLICATE_ID";
}

export async function offThread(vector: Vector): Promise<Hit[]> {
  await using index: WorkerIndex = await WorkerIndex.open("notes", { dimensions: 3 });
  const options: WorkerSearchOptions = { k: 3, filter: { lang: "en" } };
  const stop: () => void = index.compactWhenIdle({ sliceMs: 2 });
  const ids: Id[] = await index.insertMany(rows(), { onProgress: ({ done }) => console.log(done) });
  console.log(ids, index.size, index instanceof WorkerIndex, await WorkerIndex.import(await index.export()));
  stop();
  return index.search(vector, options).catch((error: unknown) => (error instanceof WorkerError && error.code === "ABORTED" ? [] : Promise.reject(error)));
}

/** An address, bytes or a module, for each entry. */
export const located = (bytes: Uint8Array, module: WebAssembly.Module): void => {
  locateWasm((file: string) => `https://example.com/${file}`);
  locateWholeWasm((file) => new URL(file, "https://example.com"));
  locateThreadsWasm(() => bytes);
  locateWorkerWasm((file) => (file === "thermocline.wasm" ? module : undefined));
};
// @ts-expect-error a number is no source
locateWasm(() => 5);
// @ts-expect-error nor is a promise
locateWasm(async () => new Uint8Array(8));
// @ts-expect-error nor are bytes that are no Uint8Array
locateWasm(() => new ArrayBuffer(8));
// @ts-expect-error nor are other numbers
locateWasm(() => new Float32Array(8));

/** The index of the single-script entry has the same type. */
export const whole = (): Promise<VectorIndex> => WholeIndex.open("notes", { dimensions: 3 });

/** Code that accepts an index in a worker accepts any index. */
export const either = (index: VectorIndex): WorkerIndex => index;
export const many = (index: VectorIndex, filter: Filter): Promise<ManyHits>[] => [
  index.searchMany([[1, 2, 3]], { k: 3, filter }), index.searchMany(new Float32Array(6), { filter: (id) => id !== 1 }), either(index).searchMany([], { filter }),
];
// @ts-expect-error a filter that is a function cannot go to a worker
export const offMany = (index: WorkerIndex) => index.searchMany([[1, 2, 3]], { filter: (id: Id) => id !== 1 });
// @ts-expect-error a filter that is a function cannot go to a worker
export const off = (index: WorkerIndex) => index.search([1, 2, 3], { filter: (id: Id) => id !== 1 });
// @ts-expect-error made by VectorIndex.memory()
export const directly = new WorkerIndex();

// @ts-expect-error dimensions is required
export const missing: IndexOptions = {};
// @ts-expect-error an unknown metric
export const metric: IndexOptions = { dimensions: 3, metric: "hamming" };
// @ts-expect-error made by VectorIndex.memory()
export const direct = new VectorIndex();
// @ts-expect-error a code that does not exist
export const code: ThermoclineError["code"] = "NO_SUCH_CODE";
// @ts-expect-error an id is a number or a string
export const id = (index: VectorIndex) => index.delete(5n);
