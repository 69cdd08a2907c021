// The stores of browsers: IndexedDB, which the core uses by itself, and the origin private file system.
import { codedError, trapped } from "../core-error.js";
import { fail } from "../guard.js";
import { StorePlace, type Place, type Places } from "./place.js";
import type { StoreOptions } from "../store.js";
import type { RawIndex } from "../raw.js";
import { takeWebLock } from "../stores/web-lock.js";

/** Loads the separate script of OPFS; see build.mjs. */
const opfs = () => import("../stores/opfs.js");
const lockOf = (name: string) => `thermocline:${name}`;

export const places: Places = {
  names: ["indexeddb", "opfs"],

  async acquire(store, name, options) {
    if (store === "indexeddb") return indexedDbPlace(name, options);
    if (options.durability === "strict") {
      const why = 'which has no way to wait for the medium; "indexeddb" has';
      fail("INVALID_OPTION", `durability: expected "relaxed" with store "opfs", ${why}`);
    }
    return new StorePlace(await (await opfs()).openOpfs(name, options), options.mode);
  },

  async destroy(store, name, instance) {
    if (store === "opfs") return (await opfs()).destroyOpfs(name);
    const release = await takeWebLock(lockOf(name));
    try {
      const { RawIndex } = await instance();
      await RawIndex.destroyIndexedDb(name, false);
    } catch (error) {
      throw codedError(error) ?? trapped(error);
    } finally {
      await release();
    }
  },
};

async function indexedDbPlace(name: string, { durability, mode }: Required<StoreOptions>): Promise<Place> {
  const [strict, readOnly] = [durability === "strict", mode === "readonly"];
  const release = readOnly ? async () => {} : await takeWebLock(lockOf(name));
  /** The core's indexes that use the database: two during a move. Weak, because each keeps its whole memory. */
  const users: WeakRef<RawIndex>[] = [];
  const use = (raw: RawIndex): RawIndex => {
    users.push(new WeakRef(raw));
    return raw;
  };
  return {
    async open(raw, options) {
      try {
        return use(await raw.openIndexedDb(name, options, strict, readOnly));
      } catch (error) {
        // Opening may have created the database. With Web Locks, no other writer can use it meanwhile.
        if (!readOnly && globalThis.navigator?.locks) await raw.destroyIndexedDb(name, true).catch(() => {});
        throw error;
      }
    },
    attach: (raw) => use(raw).attachIndexedDb(name, strict),
    opened() {},
    // A transaction under way ends, and the core can begin no other.
    cut() {
      for (const user of users) void closeStore(user.deref());
    },
    release,
  };
}

/** Ignores failures: an index that has been moved may be freed. */
async function closeStore(raw: RawIndex | undefined): Promise<void> {
  try {
    await raw?.closeStore();
  } catch {}
}
