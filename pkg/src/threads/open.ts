// As ../open.ts: indexes in memory, whose threads are started as soon as they are made.
import { fail, optionsOf } from "../guard.js";
import type { Keeper } from "../keeper.js";
import * as plain from "../open.js";
import type { IndexOptions, OpenOptions } from "../types.js";
import type { ThreadsOptions } from "./api.js";
import type { Handle } from "./handle.js";
import { countOf } from "./threads.js";

export type { Moved, Opened } from "../open.js";

export async function inMemory(options: IndexOptions & ThreadsOptions): Promise<plain.Opened> {
  const count = countOf(optionsOf(options).threads);
  return begun(await plain.inMemory(options), count);
}

export async function imported(bytes: Uint8Array, options?: OpenOptions & ThreadsOptions & { name?: string }): Promise<plain.Opened> {
  const count = countOf(optionsOf(options).threads);
  if (options?.name !== undefined) unavailable("VectorIndex.import with a name");
  return begun(await plain.imported(bytes, options), count);
}

export async function opened(): Promise<never> {
  unavailable("VectorIndex.open");
}

export async function destroyed(): Promise<never> {
  unavailable("VectorIndex.destroy");
}

export async function moved(handle: Handle, keeper: Keeper | undefined): Promise<plain.Moved> {
  const moved = await plain.moved(handle, keeper);
  await handle.begin();
  return moved;
}

/** With its threads, or not at all. */
async function begun(opened: plain.Opened, count: number): Promise<plain.Opened> {
  const handle = opened.handle as Handle;
  try {
    await handle.begin(count);
    return opened;
  } catch (error) {
    handle.close();
    handle.free();
    throw error;
  }
}

function unavailable(name: string): never {
  fail("INVALID_OPTION", `${name} of "thermocline/threads" is not available, whose indexes are in memory only: import "thermocline" instead`);
}
