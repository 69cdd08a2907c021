// Turns a caller's name and store into a place: where one index is stored, locked for it. The stores of each platform
// are in places.browser.ts and places.node.ts. A caller's own Store works the same on all platforms.
import { checkStore, claim, type Release } from "./claim.js";
import { fail, wrong } from "../guard.js";
import { ownErrorIn } from "../own-error.js";
import type { RawIndex, RawIndexClass, RawInstance } from "../raw.js";
import type { Durability, Mode, Store, StoreOptions } from "../store.js";
import { step } from "../stores/failure.js";
import type { OpenOptions } from "../types.js";

/** Where one index is stored. */
export interface Place {
  /**
   * Opens the index. May be called again while an index is open there; the caller then makes sure that only one of the
   * two writes.
   */
  open(raw: RawIndexClass, options: object): Promise<RawIndex>;
  /** Stores a newly imported index here from now on. */
  attach(raw: RawIndex): Promise<void>;
  /** Call once an index is open here: it closes the store. A caller's own Store is not closed without an index. */
  opened(): void;
  /** From then on no new call reaches the store, except the one that closes it. */
  cut(): void;
  /** Releases the lock. Call it only after the core has closed the store, or if the core never used it. */
  release(): Promise<void>;
}

/** The stores of a platform. */
export interface Places {
  /** Names of the stores. The first one is the default. */
  readonly names: readonly string[];
  /** Locks the place of this name for one index. LOCKED while another writer has it. */
  acquire(store: string, name: string, options: Required<StoreOptions>): Promise<Place>;
  /**
   * Removes the place of this name. `instance` creates an instance with a store, for a platform that needs one for
   * this.
   */
  destroy(store: string, name: string, instance: () => Promise<RawInstance>): Promise<void>;
}

let places: Places;

/** Called by the entry file of each platform's script. */
export function keepIn(platform: Places): void {
  places = platform;
}

/** The place that a caller asked for, checked but not locked yet. */
export interface Wanted {
  readonly name: string;
  readonly store: string | Store;
  readonly options: Required<StoreOptions>;
}

/** Checks a name and the options of a place. */
export function wantedPlace(name: unknown, { store, durability, mode }: Partial<OpenOptions>): Wanted {
  // A name with a lone surrogate would become another name when stored.
  if (typeof name !== "string" || name === "" || /\p{Surrogate}/u.test(name)) {
    wrong("name", "a string that is not empty and has no unpaired surrogates", name);
  }
  const options = {
    durability: oneOf("durability", durability, "relaxed", "strict") as Durability,
    mode: oneOf("mode", mode, "readwrite", "readonly") as Mode,
  };
  if (typeof store !== "object" || store === null) {
    if (store !== undefined && !places.names.includes(store)) {
      wrong("store", `${places.names.map((known) => `"${known}"`).join(" or ")} on this platform, or a Store`, store);
    }
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

/** Locks the place for one index. LOCKED while another writer has it. */
export async function acquire({ name, store, options }: Wanted): Promise<Place> {
  if (typeof store !== "string") return new StorePlace(store, options.mode, claim(store, options.mode));
  return step(`opening ${name}`, () => places.acquire(store, name, options));
}

/** What the keys of an index begin with (docs/FORMAT.md). */
const PREFIXES = ["m/", "log/", "s/", "b/"];

/** Removes the index in the place. LOCKED while a writer has it. Other keys in a caller's own Store stay. */
export async function destroy({ name, store, options }: Wanted, instance: () => Promise<RawInstance>): Promise<void> {
  if (typeof store === "string") return step(`removing ${name}`, () => places.destroy(store, name, instance));
  const release = claim(store, options.mode);
  await step(`removing ${name}`, async () => {
    try {
      const deletes: string[] = [];
      for (const prefix of PREFIXES) for (const key of await store.list(prefix)) deletes.push(key);
      await store.commit({ puts: [], deletes });
    } finally {
      await release(false);
    }
  });
}

/** A store of this package. Unlike a caller's store, it can read values into memory of the core. */
export interface Reads extends Store {
  /** Reads values, into `memory` as far as they fit. */
  read(keys: readonly string[], memory?: Uint8Array): Promise<(Uint8Array | undefined)[]>;
  /** True when `read` uses `memory`, and no call that has succeeded still uses the bytes that it was given. */
  readonly takesRoom?: boolean;
}

/** A place backed by a Store. It can be cut off, and it is closed only once. */
export class StorePlace implements Place {
  readonly #store: Reads;
  readonly #takesRoom: boolean;
  readonly #mode: Mode;
  readonly #release: Release;
  #hasIndex = false;
  #cut = false;
  #closed: Promise<void> | undefined;
  /** Number of the core's indexes that use the store: two during a move. The last one closes it. */
  #users = 0;

  /** `release` is given for a caller's store, which never gets memory of the core. */
  constructor(store: Reads, mode: Mode, release?: Release) {
    this.#store = store;
    this.#takesRoom = !release && store.takesRoom === true;
    this.#mode = mode;
    this.#release = release ?? (() => store.close());
  }

  open(raw: RawIndexClass, options: object): Promise<RawIndex> {
    return raw.openStore(this.#forCore(), options, this.#mode === "readonly");
  }

  attach(raw: RawIndex): Promise<void> {
    return raw.attachStore(this.#forCore());
  }

  opened(): void {
    this.#hasIndex = true;
  }

  cut(): void {
    this.#cut = true;
  }

  release(): Promise<void> {
    return (this.#closed ??= step("closing the store", () => this.#release(this.#hasIndex)));
  }

  /** Returns the store for one of the core's indexes. */
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
    try {
      return await run();
    } catch (error) {
      // From the core this code says that there is no index.
      if (ownErrorIn(error)?.code === "NOT_FOUND") fail("STORE_FAILED", String((error as Error).message), error);
      throw error;
    }
  }
}
