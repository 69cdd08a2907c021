// The worker's side: receives orders from the page and carries them out with an index of the ordinary package.
import { ThermoclineError } from "../errors.js";
import type { locateWasm } from "../locate-wasm.js";
import type { CompactionReport, LongOptions } from "../types.js";
import type { VectorIndex } from "../vector-index.js";
import { partsOf } from "./error-parts.js";
import { callsOf, type Calls, type Job } from "./host-calls.js";
import { Broken } from "./host-rows.js";
import { HostStore } from "./host-store.js";
import type { News, Order } from "./messages.js";
import type { Page } from "./platform.js";

/** Longest wait for the other calls of a closed index, in milliseconds. */
const ENDING_MS = 100;

export function serve(page: Page, Index: typeof VectorIndex, locate: typeof locateWasm): void {
  const host = new Host(page, Index, locate);
  page.onOrder((order) => host.take(order));
  page.post({ ready: true });
}

class Host {
  readonly #page: Page;
  readonly #locateWasm: typeof locateWasm;
  readonly #store: HostStore;
  readonly #calls: Calls;
  readonly #jobs = new Map<number, Job & { readonly controller: AbortController }>();
  readonly #running = new Map<number, Promise<void>>();
  /** The function that stops idle compaction, for each order that started it. */
  readonly #hooks = new Map<number, () => void>();

  constructor(page: Page, Index: typeof VectorIndex, locate: typeof locateWasm) {
    this.#page = page;
    this.#locateWasm = locate;
    this.#store = new HostStore((ask, asked, transfer) => page.post({ ask, asked }, transfer));
    this.#calls = callsOf(Index, this.#store);
  }

  take(order: Order): void {
    if ("call" in order) this.#running.set(order.call, this.#run(order));
    else if ("abort" in order) this.#jobs.get(order.abort)?.controller.abort();
    else if ("feed" in order) this.#jobs.get(order.feed)?.fed?.take(order.rows, order.broken === true);
    else if ("answer" in order) this.#store.answered(order.answer, order.value, order.error);
    else if ("stop" in order) this.#stop(order.stop);
    else if ("files" in order) this.#locateWasm((file) => order.files[file]);
    else this.#adjust(order);
  }

  #stop(idle: number): void {
    this.#hooks.get(idle)?.();
    this.#hooks.delete(idle);
  }

  /** Carries out orders without an answer. A failed index reports its failure at the next call. */
  #adjust(order: Extract<Order, { threshold: number } | { idle: number }>): void {
    const index = this.#calls.index;
    try {
      if ("threshold" in order) index!.compactionThreshold = order.threshold;
      else {
        const onReport = (value: CompactionReport) => this.#tell({ report: order.idle, value });
        this.#hooks.set(order.idle, index!.compactWhenIdle({ sliceMs: order.sliceMs, onReport }));
      }
    } catch {}
  }

  async #run({ call, name, args, tells }: Extract<Order, { call: number }>): Promise<void> {
    const controller = new AbortController();
    const onProgress: LongOptions["onProgress"] = tells ? (value) => this.#tell({ progress: call, value }) : undefined;
    const job = { controller, long: { signal: controller.signal, onProgress }, more: () => this.#tell({ more: call }) };
    this.#jobs.set(call, job);
    let news: News;
    let transfer: Transferable[] = [];
    try {
      const value = await this.#calls.run(name, job, args);
      news = { call, value };
      transfer = transferOf(value);
    } catch (error) {
      news = { call, error: partsOf(error), broken: error instanceof Broken };
    }
    this.#jobs.delete(call);
    this.#running.delete(call);
    // Calls that the closed index refused are answered before `close` is.
    if (name === "close") await this.#others();
    try {
      this.#tell(news, transfer);
    } catch (error) {
      // Every value can be sent if there is memory for its copy. Without an answer the caller would wait forever.
      const message = `the answer could not be sent to the page: ${(error as Error)?.message}`;
      this.#tell({ call, error: partsOf(new ThermoclineError("OUT_OF_MEMORY", message)) });
    }
    if (name === "close" || !this.#calls.index) this.#page.leave();
  }

  /** Resolves when all running calls have ended, or after a while. */
  async #others(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([Promise.all(this.#running.values()), new Promise((resolve) => (timer = setTimeout(resolve, ENDING_MS)))]);
    clearTimeout(timer);
  }

  #tell(news: News, transfer?: Transferable[]): void {
    // The page shows the properties as of the last settled call, not as of the middle of a call.
    const isSettled = "call" in news || "report" in news;
    this.#page.post({ ...news, ...this.#state(isSettled) }, transfer);
  }

  #state(isSettled: boolean): Pick<News, "seen" | "failure"> {
    const { index } = this.#calls;
    if (!index) return {};
    try {
      const { size, deletedCount, needsCompaction } = index;
      return isSettled ? { seen: { size, deletedCount, needsCompaction } } : {};
    } catch (error) {
      return { failure: partsOf(error) };
    }
  }
}

/** Returns the buffers of a result to transfer without a copy: those of an export, a record, hits or many hits. */
function transferOf(value: unknown): Transferable[] {
  if (typeof value !== "object" || value === null) return [];
  if (ArrayBuffer.isView(value)) return [value.buffer as ArrayBuffer];
  const records: readonly object[] = Array.isArray(value) ? value : [value];
  const arraysOf = (record: object): unknown[] =>
    ["vector", "offsets", "distances"].map((name) => (record as Record<string, unknown>)[name]);
  const arrays = records.flatMap((record) => (typeof record === "object" ? arraysOf(record) : []));
  return arrays.filter((array): array is Float32Array<ArrayBuffer> => ArrayBuffer.isView(array)).map(({ buffer }) => buffer);
}
