// Places to keep an index in, for the tests of stored ones: those that the platform has, and a store as a user might write one.
const inNode = typeof process === "object" && process.versions?.node !== undefined;

/** The store of Node or those of a browser, by name. */
export const NAMES = inNode ? ["fs"] : ["indexeddb", "opfs"];

let made = 0;

/** A name that no index has yet. In Node it is a directory in the project of these tests, which goes with it. */
export function fresh() {
  made += 1;
  return inNode ? `places/${process.pid}-${made}` : `place ${performance.timeOrigin} ${made} é%`;
}

/** Every kind of place: what it is called, and a function that gives the same place each time: what `open` is called with. */
export const KINDS = [
  ...NAMES.map((store) => ({ label: store, place: () => both({ store }) })),
  { label: "a Store", place: () => own(true) },
  { label: "a Store without append", place: () => own(false) },
];

function both(options) {
  const name = fresh();
  return () => [name, options];
}

/** As a program would that opens its store anew each time. */
function own(appends) {
  const values = new Map();
  return () => ["own", { store: new MapStore(values, appends) }];
}

/** A store in a map, which outlives it. Counts its calls, and does what is planned before one: waits, or fails. */
export class MapStore {
  calls = { read: 0, commit: 0, append: 0, list: 0, close: 0 };
  /** Called before each call, with its name; what it throws or rejects with is the call's failure. */
  before = () => {};
  #under = 0;
  /** Says what a store must never see: two calls at once, unless they read, or one after the last. */
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
