// A caller's own store, in a map that outlives it. Counts reads.
export class CountingStore {
  #values = new Map();
  reads = { calls: 0, keys: 0 };

  /** Resets the counts. */
  forget() {
    this.reads = { calls: 0, keys: 0 };
  }

  async read(keys) {
    this.reads.calls += 1;
    this.reads.keys += keys.length;
    return keys.map((key) => this.#values.get(key)?.slice());
  }

  async commit({ puts, deletes }) {
    for (const key of deletes) this.#values.delete(key);
    for (const [key, bytes] of puts) this.#values.set(key, bytes.slice());
  }

  async list(prefix) {
    return [...this.#values.keys()].filter((key) => key.startsWith(prefix));
  }

  async close() {}
}
