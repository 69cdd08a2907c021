// The directory store, stopped after each of its steps on the files, or failing at one.
import assert from "node:assert/strict";
import { after as atEnd, test } from "node:test";
import { nodeStores } from "./bundle.mjs";
import { after, bytes, contents, difference, fails, holds, isBeforeOrAfter } from "./model.mjs";
import { Faulty, materialize, snapshot } from "./stopping.mjs";

const { openDirectory, folder, tidy } = await nodeStores();
atEnd(tidy);

const [a, b, c] = [bytes(1, 1000), bytes(2, 2000), bytes(3, 3000)];
const BEFORE = new Map(Object.entries({ a, "b/1": b, "b/2": c, log: c }));
const CHANGES = {
  "several puts and deletes": { puts: [["a", b], ["b/2", a], ["d/x", c]], deletes: ["b/1", "log", "none"] },
  "one put": { puts: [["b/1", a]], deletes: [] },
  "one delete": { puts: [], deletes: ["a"] },
  "the log in a file": { puts: [["log", a], ["b/3", b]], deletes: ["b/2"] },
  "an append": { append: "log", bytes: b },
  "an append to nothing": { append: "log/2", bytes: b },
};

/** The files of a store that holds BEFORE. */
const base = await (async () => {
  const path = folder();
  const store = await openDirectory(path);
  await store.commit({ puts: [...BEFORE].filter(([key]) => key !== "log"), deletes: [] });
  await store.append("log", c);
  await store.close();
  return snapshot(path);
})();

/** Opens BEFORE in a new place, makes the change with this plan, and returns the remaining files. */
async function stopped(change, left, options) {
  const path = folder();
  await materialize(path, base);
  const fs = new Faulty();
  const store = await openDirectory(path, { durability: "strict" }, fs);
  fs.plan(left, options);
  const acknowledged = await (change.append ? store.append(change.append, change.bytes) : store.commit(change)).then(() => true, () => false);
  await fs.abandon();
  return { acknowledged, files: await snapshot(path) };
}

/**
 * Returns the content of a store of these files: for a reader, which must not change them, and then for a writer, which
 * must see the same.
 */
async function reopened(files) {
  const path = folder();
  await materialize(path, files);
  const reader = await openDirectory(path, { mode: "readonly" });
  const seen = await contents(reader);
  assert.equal(difference(await snapshot(path), files), undefined, "a reader changes nothing");
  const writer = await openDirectory(path);
  await holds(writer, seen, "to a writer:");
  await holds(reader, seen, "to the same reader afterwards:");
  assert.deepEqual([...(await snapshot(path)).keys()].filter((name) => /~$|^commit$/.test(name)), []);
  await writer.commit({ puts: [["e", a], ["log", c]], deletes: ["a"] });
  await holds(writer, after(seen, { puts: [["e", a], ["log", c]], deletes: ["a"] }), "and it goes on:");
  await writer.close();
  return seen;
}

for (const [what, change] of Object.entries(CHANGES)) {
  test(`stopped after any step: ${what}`, async () => {
    const outcomes = { nothing: 0, everything: 0 };
    for (const torn of [false, true]) {
      for (let left = 0, acknowledged = false; !acknowledged; left++) {
        const { files, ...rest } = await stopped(change, left, { torn });
        acknowledged = rest.acknowledged;
        const seen = await reopened(files);
        assert.ok(isBeforeOrAfter(seen, BEFORE, change), `${left} steps: ${difference(seen, BEFORE)}; ${difference(seen, after(BEFORE, change))}`);
        const everything = !difference(seen, after(BEFORE, change));
        assert.ok(everything || !acknowledged, "what was acknowledged is there");
        outcomes[everything ? "everything" : "nothing"] += 1;
      }
    }
    assert.ok(outcomes.nothing >= 2 && outcomes.everything >= 2, JSON.stringify(outcomes));
  });
}

test("stopped again after any step of the opening that finishes the commit", async () => {
  const change = CHANGES["several puts and deletes"];
  const wanted = after(BEFORE, change);
  let combinations = 0;
  for (let left = 0, acknowledged = false; !acknowledged; left++) {
    const { files, ...rest } = await stopped(change, left);
    acknowledged = rest.acknowledged;
    const first = folder();
    await materialize(first, files);
    const expected = await contents(await openDirectory(first, { mode: "readonly" }));
    assert.ok(!difference(expected, BEFORE) || !difference(expected, wanted));
    for (let again = 0, opened = false; !opened; again++) {
      const path = folder();
      await materialize(path, files);
      const fs = new Faulty();
      fs.plan(again);
      opened = await openDirectory(path, {}, fs).then(() => true, () => false);
      await fs.abandon();
      assert.equal(difference(await reopened(await snapshot(path)), expected), undefined, `${left}, then ${again} steps`);
      combinations += 1;
    }
  }
  assert.ok(combinations > 60, `${combinations} combinations`);
});

test("a step that fails once: the error says so, and the store has everything or nothing of the commit", async () => {
  let cutOff = 0;
  for (const [code, expected] of [["ENOSPC", "QUOTA_EXCEEDED"], ["EDQUOT", "QUOTA_EXCEEDED"], ["EIO", "STORE_FAILED"]]) {
    for (const change of [CHANGES["several puts and deletes"], CHANGES["one put"], CHANGES["the log in a file"]]) {
      for (let left = 0; ; left++) {
        const path = folder();
        await materialize(path, base);
        const fs = new Faulty();
        const store = await openDirectory(path, {}, fs);
        await store.append("log", new Uint8Array());
        const cause = Object.assign(new Error(`${code}: no luck`), { code });
        fs.plan(left, { once: cause, torn: true });
        const error = await store.commit(change).then(() => undefined, (error) => error);
        if (!error) {
          fs.plan(Infinity);
          await store.close();
          break;
        }
        assert.equal(error.code, expected);
        assert.equal(error.cause, cause);
        assert.ok(error.message.includes(path) && error.message.includes(code), error.message);
        const seen = await contents(store);
        assert.ok(isBeforeOrAfter(seen, BEFORE, change), `${left} steps: ${difference(seen, BEFORE)}`);
        const files = await snapshot(path);
        // After a failed sync of the directory nobody knows what is on the medium, and another sync proves nothing.
        if (fs.stoppedBefore === "syncdir") {
          cutOff += 1;
          for (const call of [() => store.commit(change), () => store.append("log", a)]) {
            assert.match((await fails("STORE_FAILED", call)).message, /open the index again/);
          }
          await store.close();
          assert.equal(difference(await reopened(files), seen), undefined);
          continue;
        }
        assert.deepEqual([...files.keys()].filter((name) => /~$|^commit$/.test(name)), [], "nothing is left of it");
        assert.equal(difference(await reopened(files), seen), undefined);
        await store.commit(change);
        await holds(store, after(BEFORE, change));
        await store.close();
      }
    }
  }
  assert.ok(cutOff > 20, `${cutOff} failed syncs`);
});

test("nothing is changed any more after the directory could not be synced for a new log either", async () => {
  const path = folder();
  await materialize(path, base);
  const fs = new Faulty();
  const store = await openDirectory(path, { durability: "strict" }, fs);
  fs.plan(1, { once: Object.assign(new Error("EIO"), { code: "EIO" }) });
  await fails("STORE_FAILED", () => store.append("log/2", a));
  assert.equal(fs.stoppedBefore, "syncdir");
  for (const call of [() => store.append("log/2", a), () => store.append("log", a), () => store.commit({ puts: [["a", a]], deletes: [] })]) {
    assert.match((await fails("STORE_FAILED", call)).message, /open the index again/);
  }
  assert.ok((await store.read(["a"]))[0]);
  await store.close();
});

test("a store whose commit failed and could not be undone is only read", async () => {
  const path = folder();
  await materialize(path, base);
  const fs = new Faulty();
  const store = await openDirectory(path, {}, fs);
  fs.plan(7);
  await fails("STORE_FAILED", () => store.commit(CHANGES["several puts and deletes"]));
  fs.plan(Infinity);
  for (const call of [() => store.commit({ puts: [], deletes: ["a"] }), () => store.append("log", a)]) {
    assert.match((await fails("STORE_FAILED", call)).message, /open the index again/);
  }
  await holds(store, BEFORE);
  await store.close();
  for (const call of [() => store.read(["a"]), () => store.list("")]) await fails("CLOSED", call);
  const again = await openDirectory(path);
  await holds(again, BEFORE);
  await again.close();
});
