// Where an index is kept: from what a caller names to a place that is held for one index. What there is to choose from is the
// platform's, in places.browser.ts and places.node.ts; a caller's own Store is the same everywhere.
import { checkStore, claim } from "./claim.js";
import { fail, wrong } from "./guard.js";
import type { RawIndex, RawIndexClass, RawInstance } from "./raw.js";
import type { Durability, Mode, Store, StoreOptions } from "./store.js";
import { step } from "./stores/failure.js";
import type { OpenOptions } from "./types.js";

/** A place that is held for one index. */
export interface Place {
  /** Also once more, while an index is open there: whoever does so sees that only one of them writes. */
  open(raw: RawIndexClass, options: object): Promise<RawIndex>;
  attach(raw: RawIndex): Promise<void>;
  /** No call that is not under way reaches the store any more, but its closing. */
  cut(): void;
  /** Gives back what is held. The core has closed the store before, or never came to use it. */
  release(): Promise<void>;
}

/** What a platform has. */
export interface Places {
  /** Names of stores; the first is the one that is taken when none is named. */
  readonly names: readonly string[];
  hold(store: string, name: string, options: Required<StoreOptions>): Promise<Place>;
  /** `instance` makes one whose index can be stored, if one is needed. */
  destroy(store: string, name: string, instance: () => Promise<RawInstance>): Promise<void>;
}

let places: Places;

/** Called by the entry file of each platform's script. */
export function keepIn(platform: Places): void {
  places = platform;
}

/** What a caller has asked for, checked; nothing is held yet. */
export interface Wanted {
  readonly name: string;
  readonly store: string | Store;
  readonly options: Required<StoreOptions>;
}

export function wantedPlace(name: unknown, { store, durability, mode }: Partial<OpenOptions>): Wanted {
  // A lone surrogate would be another name once it is written down.
  if (typeof name !== "string" || name === "" || /\p{Surrogate}/u.test(name)) wrong("name", "a string that is not empty", name);
  const options = {
    durability: oneOf("durability", durability, "relaxed", "strict") as Durability,
    mode: oneOf("mode", mode, "readwrite", "readonly") as Mode,
  };
  if (typeof store !== "object" || store === null) {
    if (store !== undefined && !places.names.includes(store)) wrong("store", `${places.names.map((known) => `"${known}"`).join(" or ")} on this platform, or a Store`, store);
    return { name, store: store ?? places.names[0]!, options };
  }
  checkStore(store);
  return { name, store, options };
}

function oneOf(option: string, value: unknown, usual: string, other: string): string {
  if (value === undefined) return usual;
  if (value !== usual && value !== other) wrong(option, `"${usual}" or "${other}"`, value);
  return value;
}

/** Takes hold of the place. LOCKED while another writer has it. */
export async function hold({ name, store, options }: Wanted): Promise<Place> {
  return typeof store === "string" ? step(`opening ${name}`, () => places.hold(store, name, options)) : new StorePlace(store, options.mode, claim(store, options.mode));
}

/** Removes what is kept there. LOCKED while a writer has it. */
export async function destroy({ name, store, options }: Wanted, instance: () => Promise<RawInstance>): Promise<void> {
  if (typeof store === "string") return step(`removing ${name}`, () => places.destroy(store, name, instance));
  const close = claim(store, options.mode);
  await step(`removing ${name}`, async () => {
    try {
      await store.commit({ puts: [], deletes: await store.list("") });
    } finally {
      await close();
    }
  });
}

/** A store of the package's own that reads values into memory of the core's, when it is lent some: then it gives a part of that. */
export interface Reads extends Store {
  read(keys: readonly string[], memory?: Uint8Array): Promise<(Uint8Array | undefined)[]>;
  readonly takesRoom?: boolean;
}

/** A store that is open, for one index: can be cut off, and is closed once. */
export class StorePlace implements Place {
  readonly #store: Reads;
  readonly #takesRoom: boolean;
  readonly #mode: Mode;
  readonly #close: () => Promise<void>;
  #cut = false;
  #closed: Promise<void> | undefined;
  /** Indexes of the core's that use it: two while one moves, and the last of them closes it. */
  #users = 0;

  /** `close` closes a caller's store, to which no memory of the core's is lent. */
  constructor(store: Reads, mode: Mode, close?: () => Promise<void>) {
    this.#store = store;
    this.#takesRoom = !close && store.takesRoom === true;
    this.#mode = mode;
    this.#close = close ?? (() => store.close());
  }

  open(raw: RawIndexClass, options: object): Promise<RawIndex> {
    return raw.openStore(this.#forCore(), options, this.#mode === "readonly");
  }

  attach(raw: RawIndex): Promise<void> {
    return raw.attachStore(this.#forCore());
  }

  cut(): void {
    this.#cut = true;
  }

  release(): Promise<void> {
    return (this.#closed ??= step("closing the store", this.#close));
  }

  #forCore(): Reads {
    const store = this.#store;
    this.#users += 1;
    return {
      takesRoom: this.#takesRoom,
      read: (...given) => this.#call(() => store.read(...given)),
      commit: (batch) => this.#call(() => store.commit(batch)),
      append: store.append && ((key, bytes) => this.#call(() => store.append!(key, bytes))),
      list: (prefix) => this.#call(() => store.list(prefix)),
      close: async () => (--this.#users ? undefined : this.release()),
    };
  }

  async #call<T>(run: () => Promise<T>): Promise<T> {
    if (this.#cut) fail("CLOSED", "the index is closed");
    return run();
  }
}
