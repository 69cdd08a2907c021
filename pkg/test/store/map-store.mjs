// A store as a user might write it: the map is the place, and each opening creates a store.
export class MapStore {
  constructor(map) {
    this.map = map;
  }

  async read(keys) {
    return keys.map((key) => this.map.get(key)?.slice());
  }

  async commit({ puts, deletes }) {
    for (const key of deletes) this.map.delete(key);
    for (const [key, bytes] of puts) this.map.set(key, bytes.slice());
  }

  async append(key, bytes) {
    const before = this.map.get(key) ?? new Uint8Array();
    const whole = new Uint8Array(before.length + bytes.length);
    whole.set(before);
    whole.set(bytes, before.length);
    this.map.set(key, whole);
  }

  async list(prefix) {
    return [...this.map.keys()].filter((key) => key.startsWith(prefix));
  }

  async close() {}
}
