// The threads of an index: workers, each with an instance of the module on the index's memory.
import { fail, numberOf, wrong } from "../guard.js";
import type { ErrorCode } from "../errors.js";
import { compiledModule } from "../module.js";
import type { RawIndexClass } from "./raw.js";

/** The code that only this entry has (see `ErrorCode` of api.ts). */
const NO_THREADS = "NO_THREADS" as string as ErrorCode;
/** Most threads that a caller may ask for. */
const MAX_THREADS = 64;
/** Most threads by default: each has a stack, and other programs need cores too. */
const MAX_DEFAULT_THREADS = 8;

/**
 * The script of a worker: a function of the data that the worker needs and a callback that reports that it is ready.
 * The platforms wrap it, since they pass messages differently. It is text, because a file would have to be found by
 * every bundler.
 *
 * A thread only computes. JavaScript functions that the module imports are called only while the thread starts, if at
 * all.
 */
export const SCRIPT = `({ module, memory }, ready) => {
  let running = false;
  const imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = kind === "memory" ? memory : () => { if (running) throw new Error("a thread has called " + name); };
  }
  const { exports } = new WebAssembly.Instance(module, imports);
  try {
    exports.__wbindgen_start(${512 * 1024});
  } catch {
    throw new Error("no memory for its stack");
  }
  ready();
  running = true;
  try {
    exports.rawindex_runThread();
  } catch (fault) {
    exports.rawindex_threadFailed();
    throw fault;
  }
}`;

/** What a worker needs to start. */
export interface Needed {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

/** A worker. Once it is ready, it does not keep a process alive. */
export interface Thread {
  /** Rejects if the worker could not be started. */
  readonly ready: Promise<void>;
  end(): void;
}

/** The part of threads that differs between platforms. */
export interface Platform {
  /** Number of cores. */
  cores(): number;
  start(needed: Needed): Thread;
}

let platform: Platform;

/** Sets the platform. Called by the entry file of each platform. */
export function threadsOf(given: Platform): void {
  platform = given;
}

/** Returns the number of threads that an index will have. NO_THREADS where threads are not possible. */
export function countOf(threads: number | undefined): number {
  const count = numberOf("threads", threads) ?? Math.max(1, Math.min(platform.cores(), MAX_DEFAULT_THREADS));
  if (!Number.isInteger(count) || count < 1 || count > MAX_THREADS) {
    wrong("threads", `a whole number from 1 to ${MAX_THREADS}`, count);
  }
  if (typeof SharedArrayBuffer !== "function") {
    const headers = "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";
    const message = `there is no shared memory here: serve the page with the headers ${headers}, or import "thermocline" instead`;
    fail(NO_THREADS, message);
  }
  try {
    // Returns at once, since the value is 0 and not 1. A thread that must not wait throws before the values are
    // compared.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1);
  } catch (error) {
    const advice = 'use "thermocline/threads" in a worker, or import "thermocline" instead';
    fail(NO_THREADS, `this thread may not wait for others: ${advice}`, error);
  }
  return count;
}

/** The threads of one memory: the caller's thread, and workers. */
export class Threads {
  readonly #workers: Thread[] = [];

  constructor(readonly count: number) {}

  /** Starts the workers. NO_THREADS if one could not be started; then call `end` once the memory is no longer used. */
  async start(Raw: RawIndexClass, memory: WebAssembly.Memory): Promise<void> {
    if (this.count === 1) return;
    const module = await compiledModule("thermocline-threads.wasm");
    try {
      Raw.startThreads(this.count);
      for (let i = 1; i < this.count; i++) {
        const worker = platform.start({ module, memory });
        // Nobody waits for it if the next one cannot even be created.
        worker.ready.catch(() => {});
        this.#workers.push(worker);
      }
      await Promise.all(this.#workers.map(({ ready }) => ready));
    } catch (error) {
      fail(NO_THREADS, `a thread could not be started: ${(error as Error)?.message ?? error}`, error);
    }
  }

  /** Ends the workers. */
  end(): void {
    for (const worker of this.#workers.splice(0)) worker.end();
  }
}
