// Making indexes: in memory, from bytes, and in a place. Whatever fails or is aborted midway gives back all that it held.
import { checkAborted, optionsOf, refuse, signalOf, wrong } from "./guard.js";
import { codedError, Handle, trapped } from "./handle.js";
import { Keeper } from "./keeper.js";
import { destroy, hold, wantedPlace, type Place } from "./place.js";
import { freshInstance, type RawIndex, type RawIndexClass } from "./raw.js";
import type { IndexOptions, OpenOptions } from "./types.js";

/** What the core reads of a caller's options; it judges their values. */
const CORE_OPTIONS = ["dimensions", "metric", "quantization", "m", "efConstruction", "ef", "seed", "compactionThreshold"] as const;

/** What an index is made of. */
export interface Opened {
  readonly handle: Handle;
  /** None for an index in memory. */
  readonly keeper: Keeper | undefined;
}

/** An empty index in memory. */
export async function inMemory(options: IndexOptions): Promise<Opened> {
  const core = coreOptions(options);
  notStored(options, "name", "store", "durability", "mode");
  const made = await make(undefined, false, (Raw) => Raw.create(core));
  made.handle.mayHavePayloads = false;
  return made;
}

/** The index in a place, made there if need be. */
export async function opened(name: string, options: OpenOptions | undefined): Promise<Opened> {
  const given = optionsOf(options);
  const core = coreOptions(given);
  const signal = signalOf(given.signal);
  const wanted = wantedPlace(name, given);
  return make(signal, true, async (Raw, held) => (await held(() => hold(wanted))).open(Raw, core));
}

/** An index from bytes, in memory, or in a place that is empty so far if there is a name. */
export async function imported(bytes: Uint8Array, options: (OpenOptions & { name?: string }) | undefined): Promise<Opened> {
  const given = optionsOf(options);
  const core = coreOptions(given);
  const signal = signalOf(given.signal);
  // The core knows the arrays of its own realm.
  const own = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  if (given.name === undefined) {
    notStored(given, "store", "durability", "mode");
    return make(signal, false, (Raw) => Raw.import(own, core));
  }
  const wanted = wantedPlace(given.name, given);
  if (wanted.options.mode === "readonly") wrong("mode", '"readwrite", since an import is written', "readonly");
  return make(signal, true, async (Raw, held) => {
    const raw = Raw.import(own, core);
    try {
      await (await held(() => hold(wanted))).attach(raw);
    } catch (error) {
      freed(raw);
      throw error;
    }
    return raw;
  });
}

/** Removes what is kept in a place. */
export async function destroyed(name: string, options: Pick<OpenOptions, "store"> | undefined): Promise<void> {
  return destroy(wantedPlace(name, { store: optionsOf(options).store }));
}

/** Takes hold of a place for the index that is being made. */
type Held = (take: () => Promise<Place>) => Promise<Place>;

async function make(signal: AbortSignal | undefined, stored: boolean, build: (Raw: RawIndexClass, held: Held) => RawIndex | Promise<RawIndex>): Promise<Opened> {
  const { RawIndex, memory } = await freshInstance(stored);
  checkAborted(signal);
  let place: Place | undefined;
  let raw: RawIndex | undefined;
  try {
    raw = await build(RawIndex, async (take) => {
      place = await take();
      checkAborted(signal);
      return place;
    });
    checkAborted(signal);
    const handle = new Handle(raw, memory);
    return { handle, keeper: place && new Keeper(handle, place) };
  } catch (error) {
    const shown = (place ? place.blamed(error) : codedError(error)) ?? trapped(error);
    // Of what fails on top of it, nobody need know.
    await Promise.resolve(place && raw?.closeStore()).catch(() => {});
    await place?.release().catch(() => {});
    if (raw) freed(raw);
    throw shown;
  }
}

/** After a trap even this may trap, and the instance goes with its last reference anyway. */
function freed(raw: RawIndex): void {
  try {
    raw.free();
  } catch {}
}

function coreOptions(options: Partial<IndexOptions>): object {
  if (options === undefined) wrong("options", "an object with dimensions", options);
  const given = optionsOf(options);
  refuse(given, "maxBytes");
  return Object.fromEntries(CORE_OPTIONS.map((name) => [name, given[name]]));
}

/** Options of a place mean nothing where there is none. */
function notStored(options: object, ...names: string[]): void {
  for (const name of names) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined) wrong(name, "nothing, since this index is in memory: VectorIndex.open, and import with a name, keep one in a store", value);
  }
}
