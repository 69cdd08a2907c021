// Indexes that are kept in a place: opening, importing, removing. With the keeper and the places it makes a script of its own,
// which only those load who store something (see build.mjs). Whatever fails or is aborted midway gives back all that it held.
import { unlessAborted } from "./abort.js";
import { checkAborted, wrong } from "./guard.js";
import { codedError, trapped, type Handle } from "./handle.js";
import { Keeper } from "./keeper.js";
import type { Opened } from "./open.js";
import { destroy, hold, wantedPlace, type Place } from "./place.js";
import type { RawIndex, RawIndexClass, RawInstance } from "./raw.js";
import type { OpenOptions } from "./types.js";

/** What the script that loads this one has anyway. */
export interface Lent {
  readonly Handle: new (raw: RawIndex, memory: WebAssembly.Memory) => Handle;
  /** One whose index can be stored. */
  instance(): Promise<RawInstance>;
}

/** A caller's options. What the core reads, and the signal, have been looked at already. */
export interface Given {
  readonly options: Pick<OpenOptions, "store" | "durability" | "mode" | "maxBytes">;
  readonly core: object;
  readonly signal: AbortSignal | undefined;
}

/** So long a call that was aborted waits for the store to let go of what it holds. One that hangs lets go when it answers. */
const LETTING_GO_MS = 250;

/** The index in a place, made there if need be. */
export async function opened(lent: Lent, name: unknown, { options, core, signal }: Given): Promise<Opened> {
  // While WebAssembly is compiled. Whether that fails is asked below.
  const holding = hold(wantedPlace(name, options));
  holding.catch(() => {});
  return unlessAborted(signal, make(lent, core, signal, async (Raw, held) => (await held(() => holding)).open(Raw, core), holding), LETTING_GO_MS);
}

/** An index from bytes, in a place that is empty so far. */
export async function imported(lent: Lent, bytes: Uint8Array, name: unknown, { options, core, signal }: Given): Promise<Opened> {
  const wanted = wantedPlace(name, options);
  if (wanted.options.mode === "readonly") wrong("mode", '"readwrite", since an import is written', "readonly");
  const making = make(lent, core, signal, async (Raw, held) => {
    const raw = Raw.import(bytes, core);
    try {
      await (await held(() => hold(wanted))).attach(raw);
    } catch (error) {
      freed(raw);
      throw error;
    }
    return raw;
  });
  return unlessAborted(signal, making, LETTING_GO_MS);
}

/** Removes what is kept in a place. */
export async function destroyed({ instance }: Lent, name: unknown, store: OpenOptions["store"]): Promise<void> {
  return destroy(wantedPlace(name, { store }), instance);
}

/** Takes hold of the place for the index that is being made. */
type Held = (take: () => Promise<Place>) => Promise<Place>;

async function make(
  { Handle, instance }: Lent,
  core: object,
  signal: AbortSignal | undefined,
  build: (Raw: RawIndexClass, held: Held) => Promise<RawIndex>,
  holding?: Promise<Place>,
): Promise<Opened> {
  let place: Place | undefined;
  let raw: RawIndex | undefined;
  try {
    const { RawIndex, memory } = await instance();
    checkAborted(signal);
    raw = await build(RawIndex, async (take) => {
      place = await take();
      checkAborted(signal);
      return place;
    });
    checkAborted(signal);
    const handle = new Handle(raw, memory);
    return { handle, keeper: new Keeper(handle, place!, core) };
  } catch (error) {
    const shown = codedError(error) ?? trapped(error);
    // Of what fails on top of it, nobody need know.
    place ??= await holding?.catch(() => undefined);
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
