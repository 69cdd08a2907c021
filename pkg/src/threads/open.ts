// As ../open.ts, for indexes in memory whose threads are started when the index is created.
import { fail, optionsOf } from "../guard.js";
import * as plain from "../open.js";
import { overwrite } from "../turn.js";
import type { IndexOptions, OpenOptions } from "../types.js";
import type { ThreadsOptions } from "./api.js";
import type { Handle } from "./handle.js";
import { freshInstance, type RawIndex } from "./raw.js";
import { countOf, Threads } from "./threads.js";

export { linkInSlices } from "../open.js";
export type { Moved, Opened } from "../open.js";

export async function createInMemory(options: IndexOptions & ThreadsOptions): Promise<plain.Opened> {
  const count = countOf(optionsOf(options).threads);
  return startThreads(await plain.createInMemory(options), count);
}

export async function importIndex(
  bytes: Uint8Array, options?: OpenOptions & ThreadsOptions & { name?: string },
): Promise<plain.Opened> {
  const count = countOf(optionsOf(options).threads);
  if (options?.name !== undefined) unavailable("VectorIndex.import with a name");
  return startThreads(await plain.importIndex(bytes, options), count);
}

export async function openStored(): Promise<never> {
  unavailable("VectorIndex.open");
}

export async function destroyStored(): Promise<never> {
  unavailable("VectorIndex.destroy");
}

/**
 * Moves the index into a fresh instance with the same number of threads. The new threads are started first: if that
 * fails, the index stays in its old instance with its old threads.
 */
export async function moveIndex(handle: Handle): Promise<plain.Moved> {
  const instance = await freshInstance();
  const { threads: before } = handle;
  const threads = new Threads(before.count);
  try {
    await threads.start(instance.RawIndex, instance.memory);
    const { memory } = handle;
    // Throws CLOSED if the index has been closed meanwhile.
    const { returnedBytes } = await plain.moveInMemory(handle, instance);
    handle.threads = threads;
    before.end();
    const overwritten = overwrite(memory!);
    overwritten.catch(() => {});
    return { report: { returnedBytes }, overwritten };
  } catch (error) {
    threads.end();
    throw error;
  }
}

/** Starts the threads of a new index. If that fails, closes the index. */
async function startThreads(opened: plain.Opened, count: number): Promise<plain.Opened> {
  const handle = opened.handle as Handle;
  const threads = (handle.threads = new Threads(count));
  try {
    await threads.start(handle.call((raw) => (raw as RawIndex).constructor), handle.memory!);
    return opened;
  } catch (error) {
    handle.close();
    handle.free();
    throw error;
  }
}

function unavailable(name: string): never {
  const why = 'whose indexes are in memory only: import "thermocline" instead';
  fail("INVALID_OPTION", `${name} of "thermocline/threads" is not available, ${why}`);
}
