// Creates indexes in memory and from bytes. For indexes in a store it loads a separate script (stored/).
import { loadCarrying, resumeBulk } from "./bulk.js";
import { codedError, trapped } from "./core-error.js";
import { checkAborted, optionsOf, signalOf, wrong } from "./guard.js";
import { Handle } from "./handle.js";
import type { Keeper, Relocation } from "./stored/keeper.js";
import { loaded } from "./module.js";
import { nameNow } from "./names.js";
import { freshInstance, type RawIndex, type RawIndexClass, type RawInstance } from "./raw.js";
import type { Given, Lent } from "./stored/stored.js";
import { MANY_SLICE_MS, nextTurn, overwrite, Slice } from "./turn.js";
import type { IndexOptions, OpenOptions } from "./types.js";

/** An index of at most so many bytes is copied into another instance at once: that takes some milliseconds. */
const MAX_AT_ONCE_BYTES = 1 << 22;
/** Number of slots that are carried over as one (`SEGMENT_SLOTS` in src/segments.rs). */
const SEGMENT_SLOTS = 1024;
/** The options that the core reads and checks. */
const CORE_OPTIONS = [
  "dimensions", "metric", "quantization", "m", "efConstruction", "ef", "seed", "compactionThreshold", "maxBytes",
] as const;

/** The parts of an open index. */
export interface Opened {
  readonly handle: Handle;
  /** Undefined for an index in memory. */
  readonly keeper: Keeper | undefined;
}

/** Creates an empty index in memory. */
export async function createInMemory(options: IndexOptions): Promise<Opened> {
  const core = coreOptions(options);
  notStored(options, "name", "store", "durability", "mode", "maxBytes");
  const made = await make((Raw) => Raw.create(core), () => {});
  made.handle.mayHavePayloads = false;
  return made;
}

/** Opens the index of this name in a store, or creates it there. */
export async function openStored(name: string, options: OpenOptions | undefined): Promise<Opened> {
  const given = readOptions(options);
  const lasting = nameNow(name, given.options.store);
  const lent = startInstance();
  return (await loadStored()).openStored(lent, lasting, given);
}

/** Creates an index from bytes: in memory, or in a store if there is a name. */
export async function importIndex(bytes: Uint8Array, options: (OpenOptions & { name?: string }) | undefined): Promise<Opened> {
  const given = readOptions(options);
  const name = options?.name;
  // The core accepts only arrays of its own realm.
  const own = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  if (name !== undefined) {
    const lasting = nameNow(name, given.options.store);
    const lent = startInstance();
    return (await loadStored()).importStored(lent, own, lasting, given);
  }
  notStored(given.options, "store", "durability", "mode", "maxBytes");
  return make((Raw) => Raw.import(own, given.core), () => checkAborted(given.signal));
}

/** Removes the index of this name from a store. */
export async function destroyStored(name: string, options: Pick<OpenOptions, "store"> | undefined): Promise<void> {
  const { store } = optionsOf(options);
  const lasting = nameNow(name, store);
  return (await loadStored()).destroyStored(() => freshInstance(true), lasting, store);
}

/** The result of moving an index into a fresh instance. */
export interface Moved {
  /** The result of `reload`: the number of bytes by which the new memory is smaller. */
  readonly report: { returnedBytes: number };
  /**
   * Settles when the old memory is filled with zeros. It is collected at some later time, but holds nothing of the
   * index.
   */
  readonly overwritten: Promise<void>;
}

/** Moves an open index into a fresh instance. */
export async function moveIndex(handle: Handle, keeper: Keeper | undefined): Promise<Moved> {
  const instance = await freshInstance(keeper !== undefined);
  const { memory } = handle;
  const { returnedBytes, released } = await (keeper ? keeper.move(instance) : moveInMemory(handle, instance));
  const overwritten = released.then(() => overwrite(memory!));
  // Prevents an unhandled rejection: only some callers wait for this promise.
  overwritten.catch(() => {});
  return { report: { returnedBytes }, overwritten };
}

/**
 * Moves an index in memory into another instance. Meanwhile changes wait. A small one is exported and imported at once,
 * a larger one carried over in slices, unless the code for that cannot be loaded or memory is short.
 */
export async function moveInMemory(handle: Handle, { RawIndex, memory }: RawInstance): Promise<Relocation> {
  const isSmall = handle.call((raw) => raw.stats()).bytes.total <= MAX_AT_ONCE_BYTES;
  const canCarry = !isSmall && (await loadCarrying(handle, RawIndex));
  await linkInSlices(handle);
  handle.pause();
  try {
    // What has come to wait since, and all of it if an `insertMany` has held it back.
    while (handle.call((raw) => raw.linkSlice(MANY_SLICE_MS))) await nextTurn();
    // A compaction starts over in any case. From here on nothing changes but what expires.
    handle.call((raw) => raw.compactAbort());
    const carried = canCarry ? await carry(handle, RawIndex) : undefined;
    const moved = carried ?? withCodedErrors(() => RawIndex.import(handle.call((raw) => raw.export()), {}));
    moved.compactionThreshold = handle.call((raw) => raw.compactionThreshold);
    const { old, returnedBytes } = handle.replace(moved, memory);
    old.free();
    return { returnedBytes, released: Promise.resolve() };
  } finally {
    handle.resume();
  }
}

/** Links the records that wait now, in slices, unless an `insertMany` holds them back. More may come meanwhile. */
export async function linkInSlices(handle: Handle): Promise<void> {
  const pending = () => handle.call((raw) => raw.stats()).pending;
  for (let left = pending(); left > 0 && !handle.linkingIsHeld; await nextTurn()) {
    const before = pending();
    if (!handle.call((raw) => raw.linkSlice(MANY_SLICE_MS))) return;
    // They are linked in the order in which they came.
    left -= before - pending();
  }
}

/**
 * Carries an index of which nothing changes into another instance, in slices. Resolves to undefined if that fails.
 *
 * A record may expire between two slices. It is then a tombstone in the parts that follow, and expires once more in
 * those that have been carried. So the parts of one segment must be of one moment.
 */
async function carry(handle: Handle, Other: RawIndexClass): Promise<RawIndex | undefined> {
  const slice = new Slice(MANY_SLICE_MS);
  let moved: RawIndex | undefined;
  try {
    for (let next: number | undefined = 0; ; await slice.next()) {
      // Deletes what has expired. Not again before the next slice: the parts are taken from `raw` itself.
      const raw = handle.call((raw) => raw);
      do {
        const part = raw.carry(next);
        moved ??= Other.carried(part);
        next = moved.take(part);
        if (next === undefined) return moved;
      } while (!slice.over || (handle.mayExpire && next % SEGMENT_SLOTS));
    }
  } catch {
    // CLOSED is found again by the caller, and nothing else should happen but OUT_OF_MEMORY.
    try {
      moved?.free();
    } catch {}
    return undefined;
  }
}

/** Loads the script of indexes in a store. After a failure the next call tries again. */
function loadStored(): Promise<typeof import("./stored/stored.js")> {
  return loaded("the script of indexes in a store", () => import("./stored/stored.js"));
}

/** Starts creating an instance while the script is loaded. */
function startInstance(): Lent {
  const instance = freshInstance(true);
  // The caller of `instance` gets the error. `instance` is never called if the options are wrong or the script cannot
  // be loaded.
  instance.catch(() => {});
  return { Handle, instance: () => instance, resumeBulk };
}

/** Reads all options at once, since the caller may change them while the script is loaded. */
function readOptions(options: OpenOptions | undefined): Given {
  const given = optionsOf(options);
  const { store, durability, mode, maxBytes, signal } = given;
  return { options: { store, durability, mode, maxBytes }, core: coreOptions(given), signal: signalOf(signal) };
}

/** Creates an index in memory. Calls `ready` once there is an instance. */
async function make(build: (Raw: RawIndexClass) => RawIndex, ready: () => void): Promise<Opened> {
  const { RawIndex, memory } = await freshInstance(false);
  ready();
  return { handle: new Handle(withCodedErrors(() => build(RawIndex)), memory), keeper: undefined };
}

/** Calls into an instance that has no handle yet, and converts its errors into those that callers get. */
function withCodedErrors<T>(use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw codedError(error) ?? trapped(error);
  }
}

function coreOptions(options: Partial<IndexOptions>): object {
  if (options === undefined) wrong("options", "an object with dimensions", options);
  const given = optionsOf(options);
  return Object.fromEntries(CORE_OPTIONS.map((name) => [name, given[name]]));
}

/** Throws INVALID_OPTION if an option of a store is given for an index in memory. */
function notStored(options: object, ...names: string[]): void {
  for (const name of names) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined) wrong(name, "nothing for an index in memory", value);
  }
}
