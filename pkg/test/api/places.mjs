// Places to store an index in, for tests: those of the platform, and a store as a user might write it.
const inNode = typeof process === "object" && process.versions?.node !== undefined;

/** The store of Node or those of a browser, by name. */
export const NAMES = inNode ? ["fs"] : ["indexeddb", "opfs"];

let made = 0;

/** Returns an unused name. In Node it is a directory in the project of these tests, and is removed with it. */
export function fresh() {
  made += 1;
  return inNode ? `places/${process.pid}-${made}` : `place ${performance.timeOrigin} ${made} é%`;
}

/** Returns whether the platform has anything of this name. */
export async function exists(store, name) {
  if (store === "fs") return (await import("node:fs")).existsSync(name);
  // WebKit lists a database that was never made, as version 0, until the browser ends.
  if (store === "indexeddb") return (await indexedDB.databases()).some((database) => database.name === `thermocline:${name}` && database.version > 0);
  const folders = await Array.fromAsync((await navigator.storage.getDirectory()).keys());
  return folders.includes(`thermocline-${encodeURIComponent(name).toLowerCase()}`);
}

/**
 * Every kind of place: its label, and a function that makes a place. A place is a function that returns the arguments
 * for `open`.
 */
export const KINDS = [
  ...NAMES.map((store) => ({ label: store, place: () => both({ store }) })),
  { label: "a Store", place: () => own(true) },
  { label: "a Store without append", place: () => own(false) },
];

function both(options) {
  const name = fresh();
  return () => [name, options];
}

/** Like a program that creates a new store object each time. */
function own(appends) {
  const values = new Map();
  return () => ["own", { store: new MapStore(values, appends) }];
}

/**
 * A store in a map, which outlives the store. Counts its calls, and runs `before` before each, which may wait or fail.
 */
export class MapStore {
  calls = { read: 0, commit: 0, append: 0, list: 0, close: 0 };
  /** Called before each call, with the call's name. An error or rejection makes the call fail. */
  before = () => {};
  #under = 0;
  /** Set when the store sees a violation: two calls at once other than reads, or a call after `close`. */
  broken = undefined;

  constructor(values = new Map(), appends = true) {
    this.values = values;
    if (!appends) this.append = undefined;
  }

  async #call(name, run) {
    const writes = name !== "read";
    if (this.#under && writes) this.broken ??= `${name} while another call is under way`;
    if (this.calls.close) this.broken ??= `${name} after close`;
    if (writes) this.#under += 1;
    this.calls[name] += 1;
    try {
      await null;
      await this.before(name);
      return run();
    } finally {
      if (writes) this.#under -= 1;
    }
  }

  read(keys) {
    return this.#call("read", () => keys.map((key) => this.values.get(key)?.slice()));
  }

  commit({ puts, deletes }) {
    return this.#call("commit", () => {
      for (const key of deletes) this.values.delete(key);
      for (const [key, bytes] of puts) this.values.set(key, bytes.slice());
    });
  }

  append(key, bytes) {
    return this.#call("append", () => {
      const before = this.values.get(key) ?? new Uint8Array();
      const whole = new Uint8Array(before.length + bytes.length);
      whole.set(before);
      whole.set(bytes, before.length);
      this.values.set(key, whole);
    });
  }

  list(prefix) {
    return this.#call("list", () => [...this.values.keys()].filter((key) => key.startsWith(prefix)));
  }

  close() {
    return this.#call("close", () => {});
  }
}
