// Making indexes: in memory, and from bytes. What only those in a place need is in a script of its own, which is loaded here.
import { checkAborted, optionsOf, signalOf, wrong } from "./guard.js";
import { codedError, Handle, trapped } from "./handle.js";
import type { Keeper, Left } from "./keeper.js";
import { loaded } from "./module.js";
import { freshInstance, type RawIndex, type RawIndexClass, type RawInstance } from "./raw.js";
import type { Given, Lent } from "./stored.js";
import { overwrite } from "./turn.js";
import type { IndexOptions, OpenOptions } from "./types.js";

/** What the core reads of a caller's options; it judges their values. */
const CORE_OPTIONS = ["dimensions", "metric", "quantization", "m", "efConstruction", "ef", "seed", "compactionThreshold", "maxBytes"] as const;

/** What an index is made of. */
export interface Opened {
  readonly handle: Handle;
  /** None for an index in memory. */
  readonly keeper: Keeper | undefined;
}

/** An empty index in memory. */
export async function inMemory(options: IndexOptions): Promise<Opened> {
  const core = coreOptions(options);
  notStored(options, "name", "store", "durability", "mode", "maxBytes");
  const made = await make((Raw) => Raw.create(core), () => {});
  made.handle.mayHavePayloads = false;
  return made;
}

/** The index in a place, made there if need be. */
export async function opened(name: string, options: OpenOptions | undefined): Promise<Opened> {
  const given = checked(options);
  const lent = started();
  return (await stored()).opened(lent, name, given);
}

/** An index from bytes, in memory, or in a place that is empty so far if there is a name. */
export async function imported(bytes: Uint8Array, options: (OpenOptions & { name?: string }) | undefined): Promise<Opened> {
  const given = checked(options);
  const name = options?.name;
  // The core knows the arrays of its own realm.
  const own = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  if (name !== undefined) {
    const lent = started();
    return (await stored()).imported(lent, own, name, given);
  }
  notStored(given.options, "store", "durability", "mode", "maxBytes");
  return make((Raw) => Raw.import(own, given.core), () => checkAborted(given.signal));
}

/** Removes what is kept in a place. */
export async function destroyed(name: string, options: Pick<OpenOptions, "store"> | undefined): Promise<void> {
  const { store } = optionsOf(options);
  return (await stored()).destroyed({ Handle, instance: () => freshInstance(true) }, name, store);
}

/** How an index has moved into a fresh instance. */
export interface Moved {
  /** What whoever asked for it is told: by how many bytes its memory is smaller there. */
  readonly told: { returnedBytes: number };
  /** Settles when the old memory has been filled with zeros: it goes with the garbage, at some time, and nothing of the index with it. */
  readonly overwritten: Promise<void>;
}

/** Moves an open index into a fresh instance. */
export async function moved(handle: Handle, keeper: Keeper | undefined): Promise<Moved> {
  const instance = await freshInstance(keeper !== undefined);
  const { memory } = handle;
  const { returnedBytes, left } = keeper ? await keeper.move(instance) : copied(handle, instance);
  const overwritten = left.then(() => overwrite(memory!));
  // Closing may not wait for it, and not everybody else does.
  overwritten.catch(() => {});
  return { told: { returnedBytes }, overwritten };
}

/** Of an index in memory. */
export function copied(handle: Handle, { RawIndex, memory }: RawInstance): Left {
  const bytes = handle.call((raw) => raw.export());
  const { old, returnedBytes } = handle.replace(telling(() => RawIndex.import(bytes, {})), memory);
  old.free();
  return { returnedBytes, left: Promise.resolve() };
}

/** The script of indexes in a store. A failure is not remembered. */
function stored(): Promise<typeof import("./stored.js")> {
  return loaded("the script of indexes in a store", () => import("./stored.js"));
}

/** An instance that is under way while the script is. */
function started(): Lent {
  const instance = freshInstance(true);
  // Whoever asks for it is told; when the options are wrong or there is no script, nobody asks.
  instance.catch(() => {});
  return { Handle, instance: () => instance };
}

/** All of them are read here, since the caller may change them while the script is loaded. */
function checked(options: OpenOptions | undefined): Given {
  const given = optionsOf(options);
  const { store, durability, mode, maxBytes, signal } = given;
  return { options: { store, durability, mode, maxBytes }, core: coreOptions(given), signal: signalOf(signal) };
}

/** In memory. `ready` is called when there is an instance. */
async function make(build: (Raw: RawIndexClass) => RawIndex, ready: () => void): Promise<Opened> {
  const { RawIndex, memory } = await freshInstance(false);
  ready();
  return { handle: new Handle(telling(() => build(RawIndex)), memory), keeper: undefined };
}

/** What `use` does with an instance that is nobody's yet, its errors as a caller should see them. */
function telling<T>(use: () => T): T {
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

/** Options of a place mean nothing where there is none. */
function notStored(options: object, ...names: string[]): void {
  for (const name of names) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined) wrong(name, "nothing for an index in memory", value);
  }
}
