// The directory store at a power failure: unsynced changes may be lost. Every step is recorded once. Then the possible
// states of the medium after each step are built: any subset of the renames and similar changes since the last sync of
// the directory may have reached it, even later ones without earlier ones, whether or not their files are synced; and
// of an unsynced write none, half or all is there.
import assert from "node:assert/strict";
import { after as atEnd, test } from "node:test";
import { nodeStores } from "./bundle.mjs";
import { after, bytes, contents, difference, isBeforeOrAfter, random, randomStep, take } from "./model.mjs";
import { Faulty, materialize } from "./stopping.mjs";

const { openDirectory, folder, tidy } = await nodeStores();
atEnd(tidy);

/** A directory in its current state and as it is on the medium. */
class Medium {
  #live = new Map();
  #kept = new Map();
  /** Changes of names that may not have reached the medium. */
  #late = [];

  apply(kind, name, value) {
    if (kind === "open") {
      if (value === "w" && this.#live.has(name)) this.#live.get(name).written = Buffer.alloc(0);
      else if (!this.#live.has(name)) this.#change({ make: name, file: { written: Buffer.alloc(0), synced: Buffer.alloc(0) } });
    } else if (kind === "write") {
      const file = this.#live.get(name);
      file.written = Buffer.concat([file.written, value]);
    } else if (kind === "sync") {
      this.#live.get(name).synced = this.#live.get(name).written;
    } else if (kind === "syncdir") {
      for (const change of this.#late) done(this.#kept, change);
      this.#late = [];
    } else if (kind === "rename") {
      this.#change({ rename: name, to: value, file: this.#live.get(name) });
    } else if (kind === "unlink") {
      this.#change({ unlink: name });
    }
  }

  #change(change) {
    done(this.#live, change);
    this.#late.push(change);
  }

  /**
   * Yields all possible remains. With too many late changes for every combination, yields those in which few or all but
   * few have arrived.
   */
  *remains() {
    const count = this.#late.length;
    for (let chosen = 0; chosen < 2 ** count; chosen++) {
      const arrived = this.#late.filter((_, i) => (chosen >> i) & 1);
      if (count > 5 && arrived.length > 1 && arrived.length < count - 1) continue;
      const names = new Map(this.#kept);
      for (const change of arrived) done(names, change);
      for (const share of [0, 0.5, 1]) {
        yield new Map([...names].map(([name, { written, synced }]) => {
          const unsynced = written.length - synced.length;
          return [name, unsynced > 0 ? written.subarray(0, synced.length + Math.floor(unsynced * share)) : share === 1 ? written : synced];
        }));
      }
    }
  }
}

function done(names, { make, rename, to, unlink, file }) {
  if (make) names.set(make, file);
  if (rename && names.delete(rename)) names.set(to, file);
  if (unlink) names.delete(unlink);
}

async function prove(steps, durability) {
  const medium = new Medium();
  const fs = new Faulty();
  const record = [];
  fs.onStep = (...step) => {
    if (!String(step[1]).startsWith("lock.")) record.push({ step, acknowledged });
  };
  let acknowledged = 0;
  const store = await openDirectory(folder(), { durability }, fs);
  const models = [new Map()];
  for (const step of steps) {
    await take(store, step);
    models.push(after(models.at(-1), step));
    acknowledged += 1;
  }
  await store.close();
  record.push({ step: ["end"], acknowledged });

  const tried = new Set();
  for (const { step, acknowledged } of record) {
    medium.apply(...step);
    for (const files of medium.remains()) {
      const name = JSON.stringify([acknowledged, [...files].map(([name, bytes]) => [name, bytes.toString("latin1")])]);
      if (tried.has(name)) continue;
      tried.add(name);
      const path = folder();
      await materialize(path, files);
      const seen = await contents(await openDirectory(path, { mode: "readonly" }));
      const writer = await openDirectory(path);
      assert.equal(difference(await contents(writer), seen), undefined, "a writer sees what a reader sees");
      await writer.close();
      const next = steps[acknowledged] ?? { puts: [], deletes: [] };
      const held = isBeforeOrAfter(seen, models[acknowledged], next);
      assert.ok(held, `after ${acknowledged} calls and ${step[0]} ${step[1]}: ${difference(seen, models[acknowledged])}`);
    }
  }
  return tried.size;
}

test("with strict durability every call that has succeeded is there, and the next one whole, in part if an append, or not at all", async () => {
  const [a, b, c] = [bytes(1, 60), bytes(2, 40), bytes(3, 20)];
  const made = await prove(
    [
      { puts: [["a", a], ["b/1", b]], deletes: [] },
      { append: "log", bytes: a },
      { append: "log", bytes: b },
      { puts: [["a", c]], deletes: [] },
      { puts: [["a", b], ["c", c]], deletes: ["b/1", "log"] },
      { append: "log", bytes: c },
      { puts: [], deletes: ["a"] },
      { puts: [["log", a]], deletes: [] },
      { append: "log", bytes: c },
    ],
    "strict",
  );
  assert.ok(made > 60, `${made} media`);
});

test("the same with random calls", async () => {
  const next = random(7);
  const steps = Array.from({ length: 25 }, (_, i) => randomStep(next, i + 1, 200));
  assert.ok((await prove(steps, "strict")) > 150);
});

test("with relaxed durability the same for commits", async () => {
  const next = random(8);
  const steps = Array.from({ length: 40 }, (_, i) => randomStep(next, i + 1, 200)).filter((step) => !step.append);
  assert.ok((await prove(steps, "relaxed")) > 100);
});
