// The threads of an index: workers that have an instance of its module each, on its memory.
import { fail, numberOf, wrong } from "../guard.js";
import { compiledModule } from "../module.js";
import type { RawIndexClass } from "./raw.js";

/** More than these cannot be asked for. */
const MOST = 64;
/** No more than these unless they are asked for: each has a stack, and other programs want cores too. */
const USUAL = 8;

/**
 * The script of a worker, but for how it is told what it needs and how it says that it is ready. It is text, because a
 * file of its own would have to be found by every bundler. What it runs computes only, so what the module imports of
 * JavaScript is called before that, if at all.
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

/** What a worker needs. */
export interface Needed {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

/** A worker. `ready` rejects when it could not be started. Once it is ready it keeps no process alive. */
export interface Thread {
  readonly ready: Promise<void>;
  end(): void;
}

/** What a platform knows of threads. */
export interface Platform {
  cores(): number;
  start(needed: Needed): Thread;
}

let platform: Platform;

/** Called by the entry file of each platform. */
export function threadsOf(given: Platform): void {
  platform = given;
}

/** How many threads an index is to have. NO_THREADS where there can be none. */
export function countOf(threads: number | undefined): number {
  const count = numberOf("threads", threads) ?? Math.max(1, Math.min(platform.cores(), USUAL));
  if (!Number.isInteger(count) || count < 1 || count > MOST) wrong("threads", `a whole number from 1 to ${MOST}`, count);
  if (typeof SharedArrayBuffer !== "function") {
    fail("NO_THREADS", 'there is no shared memory here: serve the page with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or import "thermocline" instead');
  }
  try {
    // Refused before it looks at the value, where a thread may not wait; and else over at once.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1);
  } catch (error) {
    fail("NO_THREADS", 'this thread may not wait for others: use "thermocline/threads" in a worker, or import "thermocline" instead', error);
  }
  return count;
}

/** The threads of one memory: its caller's, and workers. */
export class Threads {
  readonly #workers: Thread[] = [];

  constructor(readonly count: number) {}

  /** Starts them. NO_THREADS when one could not be started: then all are to be ended, once the memory is done with. */
  async start(Raw: RawIndexClass, memory: WebAssembly.Memory): Promise<void> {
    if (this.count === 1) return;
    const module = await compiledModule("thermocline-threads.wasm");
    try {
      Raw.startThreads(this.count);
      for (let i = 1; i < this.count; i++) this.#workers.push(platform.start({ module, memory }));
      await Promise.all(this.#workers.map(({ ready }) => ready));
    } catch (error) {
      fail("NO_THREADS", `a thread could not be started: ${(error as Error)?.message ?? error}`, error);
    }
  }

  end(): void {
    for (const worker of this.#workers.splice(0)) worker.end();
  }
}
