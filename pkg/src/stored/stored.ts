// Opens, imports and removes indexes in a store. With the keeper and the places, this is a separate script that only
// programs with a stored index load (see build.mjs). A call that fails or is aborted midway releases everything it had
// locked.
import { unlessAborted } from "../abort.js";
import { codedError, trapped } from "../core-error.js";
import { checkAborted, fail, wrong } from "../guard.js";
import type { Handle } from "../handle.js";
import { Keeper } from "./keeper.js";
import type { Opened } from "../open.js";
import { acquire, destroy, wantedPlace, type Place } from "./place.js";
import type { RawIndex, RawIndexClass, RawInstance } from "../raw.js";
import type { OpenOptions } from "../types.js";

/** Parts of the script that loads this one, passed in so that they are not in both. */
export interface Lent {
  readonly Handle: new (raw: RawIndex, memory: WebAssembly.Memory) => Handle;
  /** Creates an instance whose index can be stored. */
  instance(): Promise<RawInstance>;
  /** Gives an index that has just been opened what a bulk build needs, if one was interrupted. */
  resumeBulk(handle: Handle): Promise<void>;
}

/** A caller's options. The signal has been checked; the core checks `core`. */
export interface Given {
  readonly options: Pick<OpenOptions, "store" | "durability" | "mode" | "maxBytes">;
  readonly core: object;
  readonly signal: AbortSignal | undefined;
}

/**
 * Longest time, in milliseconds, that an aborted call waits for the store to be released. A store that has not answered
 * by then is released once it does.
 */
const RELEASE_MS = 250;

/** Opens the index in a place, or creates it there. */
export async function openStored(lent: Lent, name: unknown, { options, core, signal }: Given): Promise<Opened> {
  // The place is locked while WebAssembly is compiled. `make` handles a failure.
  const acquiring = acquire(wantedPlace(name, options));
  acquiring.catch(() => {});
  const open: Build = async (Raw, take) => {
    const place = await take(() => acquiring);
    try {
      return await place.open(Raw, core);
    } catch (error) {
      if (codedError(error)?.code !== "NOT_FOUND") throw error;
      fail("NOT_FOUND", `there is no index ${name}${options.mode === "readonly" ? "" : "; pass dimensions to create it"}`);
    }
  };
  return unlessAborted(signal, make(lent, core, signal, open, acquiring), RELEASE_MS);
}

/** Creates an index from bytes in a place that has none. */
export async function importStored(lent: Lent, bytes: Uint8Array, name: unknown, { options, core, signal }: Given): Promise<Opened> {
  const wanted = wantedPlace(name, options);
  if (wanted.options.mode === "readonly") wrong("mode", '"readwrite", since an import is written', "readonly");
  const importAndAttach: Build = async (Raw, take) => {
    const raw = Raw.import(bytes, core);
    try {
      await (await take(() => acquire(wanted))).attach(raw);
    } catch (error) {
      free(raw);
      throw error;
    }
    return raw;
  };
  return unlessAborted(signal, make(lent, core, signal, importAndAttach), RELEASE_MS);
}

/** Removes the index in a place. */
export async function destroyStored(instance: Lent["instance"], name: unknown, store: OpenOptions["store"]): Promise<void> {
  return destroy(wantedPlace(name, { store }), instance);
}

/**
 * Builds the core's index. It acquires its place through `take`, so that `make` can release the place after a failure.
 */
type Build = (Raw: RawIndexClass, take: (acquire: () => Promise<Place>) => Promise<Place>) => Promise<RawIndex>;

/** Creates an index with a keeper. After a failure it releases the place, even one that is still being acquired. */
async function make(
  { Handle, instance, resumeBulk }: Lent,
  core: object,
  signal: AbortSignal | undefined,
  build: Build,
  acquiring?: Promise<Place>,
): Promise<Opened> {
  let place: Place | undefined;
  let raw: RawIndex | undefined;
  try {
    const { RawIndex, memory } = await instance();
    checkAborted(signal);
    raw = await build(RawIndex, async (acquire) => {
      place = await acquire();
      checkAborted(signal);
      return place;
    });
    checkAborted(signal);
    const handle = new Handle(raw, memory);
    place!.opened();
    return { handle, keeper: new Keeper(handle, place!, core, () => resumeBulk(handle)) };
  } catch (error) {
    const shown = codedError(error) ?? trapped(error);
    // Further failures are not reported: the first one is the cause.
    place ??= await acquiring?.catch(() => undefined);
    await Promise.resolve(place && raw?.closeStore()).catch(() => {});
    await place?.release().catch(() => {});
    if (raw) free(raw);
    throw shown;
  }
}

/** Frees the core's index. After a trap this may trap again; without it the instance is still garbage collected. */
function free(raw: RawIndex): void {
  try {
    raw.free();
  } catch {}
}
