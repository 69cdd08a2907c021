// Readers of OPFS beside a writer that commits, appends, joins, and dies, whose requests take effect late. Each request
// of a page waits for a random time. What a reader finds must have been there at some moment during its call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LateFolder } from "./late.mjs";
import { bytes, equal, joined, random } from "./model.mjs";
import { openOpfs } from "./opfs-pages.mjs";

const KEYS = ["a", "b", "log"];
const SEEDS = 60;
const turn = () => new Promise((resolve) => setImmediate(resolve));
const same = (one, other) => (one === undefined || other === undefined ? one === other : equal(one, other));

/** Returns a function that makes an asynchronous one wait, before and after, for up to `most` turns. */
function slowed(next, most) {
  const wait = async () => { for (let left = Math.floor(next() ** 2 * most); left > 0; left--) await turn(); };
  return (run) => async (...given) => {
    await wait();
    const result = await run(...given);
    await wait();
    return result;
  };
}

/** The root of a page whose requests are slow. */
function slowRoot(page, slow) {
  const file = (real) => ({
    getFile: slow(() => real.getFile()),
    createWritable: slow(async () => {
      const writable = await real.createWritable();
      return { write: (what) => writable.write(what), close: slow(() => writable.close()), abort: () => writable.abort() };
    }),
  });
  return async () => {
    const root = await page.root();
    const getDirectoryHandle = async () => {
      const real = await root.getDirectoryHandle();
      return {
        getFileHandle: slow(async (...given) => file(await real.getFileHandle(...given))),
        removeEntry: slow((name) => real.removeEntry(name)),
        async *entries() {
          await slow(() => {})();
          for await (const [name, handle] of real.entries()) yield [name, file(handle)];
          await slow(() => {})();
        },
      };
    };
    return { getDirectoryHandle, removeEntry: slow((...given) => root.removeEntry(...given)) };
  };
}

/** What each key has had: a value, when the call that stored it began, and when it ended. */
class History {
  now = 0;
  #of = Object.fromEntries(KEYS.map((key) => [key, [{ value: undefined, begun: 0, ended: 0 }]]));

  /** Notes that a call begins to store these values. Returns a function that notes its end. */
  begin(changes, begun = ++this.now) {
    const versions = changes.map(([key, value]) => ({ key, value, begun, ended: Infinity }));
    for (const version of versions) this.#of[version.key].push(version);
    return () => { for (const version of versions) version.ended = ++this.now; };
  }

  /** Whether the key may have had this value between two moments. */
  may(key, value, from, to) {
    const all = this.#of[key];
    return all.some((one, at) => same(one.value, value) && one.begun <= to && all.slice(at + 1).every(({ ended }) => ended > from));
  }
}

function randomCall(next, serial, values) {
  if (next() < 0.75) {
    const key = next() < 0.8 ? "log" : "a";
    const more = bytes(serial, 1 + Math.floor(next() * 40));
    return { run: (store) => store.append(key, more), created: values.get(key) ? [] : [[key, new Uint8Array()]], changes: [[key, joined(values.get(key) ?? new Uint8Array(), more)]] };
  }
  const batch = { puts: [], deletes: [] };
  for (const key of KEYS) {
    const choice = next();
    if (choice < 0.3) batch.puts.push([key, bytes(serial, 1 + Math.floor(next() * 60))]);
    else if (choice < 0.45) batch.deletes.push(key);
  }
  return { run: (store) => store.commit(batch), created: [], changes: [...batch.puts, ...batch.deletes.map((key) => [key, undefined])] };
}

/** Three writers, one after the other, of which two may die. */
async function write(folder, history, next, slow, named) {
  for (let opening = 0; opening < 3; opening++) {
    const page = folder.page();
    let left = opening < 2 && next() < 0.6 ? Math.floor(next() * 250) : Infinity;
    page.diesAt = () => left-- === 0;
    const begun = ++history.now;
    const unlessDead = (call) => Promise.race([call, page.died]);
    const store = await unlessDead(openOpfs(named("writer"), {}, slowRoot(page, slow)));
    const found = store && (await unlessDead(store.read(KEYS)));
    if (!found) continue;
    const values = new Map(KEYS.map((key, i) => [key, found[i]]));
    history.begin([...values], begun)();
    for (let call = 0; call < 60 && !page.dead; call++) {
      const { run, created, changes } = randomCall(next, call, values);
      history.begin(created);
      const ended = history.begin(changes);
      if (!(await unlessDead(run(store).then(() => true)))) break;
      ended();
      for (const [key, value] of changes) values.set(key, value);
    }
    if (!page.dead) await store.close();
  }
}

test(`what a reader finds beside writers was there at some moment of its call, ${SEEDS} times`, async (t) => {
  let reads = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const next = random(seed);
    const folder = new LateFolder(seed, 3);
    const history = new History();
    const most = 1 + Math.floor(next() * 12);
    const named = (who) => `${who} ${seed} ${history.now++}`;
    let isOver = false;
    const readOnce = async (reader) => {
      const keys = KEYS.filter(() => next() < 0.7);
      const from = ++history.now;
      const found = await reader.read(keys);
      reads += 1;
      for (const [i, key] of keys.entries()) {
        assert.ok(history.may(key, found[i], from, history.now), `seed ${seed}: ${key} has ${found[i]?.length} bytes`);
      }
    };
    const reading = [1, 2].map(async () => {
      const reader = await openOpfs(named("reader"), { mode: "readonly" }, slowRoot(folder.page(), slowed(next, most)));
      while (!isOver) {
        await Promise.all(Array.from({ length: 1 + Math.floor(next() * 3) }, () => readOnce(reader)));
        await turn();
      }
    });
    const writing = write(folder, history, next, slowed(next, most >> 1), named).finally(() => (isOver = true));
    await Promise.all([writing, ...reading]);
  }
  t.diagnostic(`${reads} reads`);
  assert.ok(reads > 20 * SEEDS, `${reads} reads`);
});
