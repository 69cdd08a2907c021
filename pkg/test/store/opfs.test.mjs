// OPFS when pages die and their pending requests happen later. A folder in memory replaces the browser's, which is
// tested in opfs.page.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { contract } from "./contract.mjs";
import { LateFolder } from "./late.mjs";
import { after, bytes, contents, difference, fails, holds, isBeforeOrAfter, joined, random, randomStep, take } from "./model.mjs";
import { diesOver, open, openOpfs, staysSo } from "./opfs-pages.mjs";

let named = 0;
const places = new Map();
contract("OPFS in memory", {
  place: () => `place ${named++}`,
  open: (name, mode) => openOpfs(name, { mode }, places.get(name)?.page().root ?? places.set(name, new LateFolder()).get(name).page().root),
});

const [a, b, c] = [bytes(1, 100), bytes(2, 200), bytes(3, 300)];

/** Returns a folder with a value and a log, and a page that has it open. */
async function begun() {
  const folder = new LateFolder();
  const page = folder.page();
  const store = await open(page);
  await store.commit({ puts: [["a", a]], deletes: [] });
  await store.append("log", b);
  return { folder, page, store, before: new Map(Object.entries({ a, log: b })) };
}

const changes = { puts: [["a", c], ["new", b]], deletes: ["log"] };

test("an opening that stores nothing leaves nothing, and what a dead page then removes are no values of others", async () => {
  const folder = new LateFolder();
  await (await open(folder.page())).close();
  assert.deepEqual([...folder.files.keys()], []);
  for (const count of [1, 2]) {
    const [folder, values] = [new LateFolder(), new Map([["a", a]])];
    const page = folder.page();
    const idle = await open(page);
    await diesOver(page, /./, () => idle.close(), { kind: "remove", count });
    assert.equal(folder.late.length, 1);
    const store = await open(folder.page());
    await store.commit({ puts: [...values], deletes: [] });
    await staysSo(folder, store, values);
  }
});

test("a late table that takes effect after the next opening is not seen, and removes nothing", async () => {
  const { folder, page, store, before } = await begun();
  await diesOver(page, /^table/, () => store.commit(changes));
  const next = await open(folder.page());
  assert.ok(folder.late.some(({ kind, name }) => kind === "close" && name.startsWith("table")));
  await (await staysSo(folder, next, before)).close();
});

test("a late table that takes effect after the next commit does not replace it", async () => {
  const { folder, page, store, before } = await begun();
  await diesOver(page, /^table/, () => store.commit(changes));
  const next = await open(folder.page());
  const change = { puts: [["b", b]], deletes: ["a"] };
  await next.commit(change);
  await next.append("log", c);
  await staysSo(folder, next, after(after(before, change), { append: "log", bytes: c }));
});

test("a late table that takes effect before the next opening looks is a commit like any other", async () => {
  const { folder, page, store, before } = await begun();
  await diesOver(page, /^table/, () => store.commit(changes));
  folder.land();
  await staysSo(folder, await open(folder.page()), after(before, changes));
});

test("of the late tables of two dead pages, only one that takes effect before the third page looks is seen", async () => {
  const { folder, page, store, before } = await begun();
  await diesOver(page, /^table/, () => store.commit(changes));
  const second = folder.page();
  await diesOver(second, /^table/, () => open(second));
  // Between the second's look and the third's, the first one's commit takes effect after all.
  folder.land(({ name }) => name === folder.late[0].name);
  const third = await open(folder.page());
  assert.equal(folder.late.length, 1, "the table of the second is under way");
  await third.append("new", c);
  await staysSo(folder, third, after(after(before, changes), { append: "new", bytes: c }));
});

test("late values that take effect after the next opening are leftovers, which are removed", async () => {
  const { folder, page, store, before } = await begun();
  await diesOver(page, /^\w+\.\d+$/, () => store.commit(changes), { count: 2 });
  const next = await open(folder.page());
  const change = { puts: [["a", b], ["b", c]], deletes: [] };
  await next.commit(change);
  assert.equal(folder.late.length, 2, "two values are under way");
  await (await staysSo(folder, next, after(before, change))).close();
  assert.equal(folder.files.size, 1 + 3 + 1, `a table, three values and what was appended to one: ${[...folder.files.keys()]}`);
});

test("a late append, to an old piece or a new one, changes no value that the next page has seen", async () => {
  for (const first of [[], [c], [bytes(4, 70_000)]]) {
    const { folder, page, store, before } = await begun();
    for (const piece of first) await store.append("log", piece);
    await diesOver(page, /\.\w+\.\d+$/, () => store.append("log", a));
    const next = await open(folder.page());
    const values = new Map([...before, ["log", joined(b, ...first)]]);
    await holds(next, values);
    folder.land();
    await holds(next, values, "late:");
    await next.append("log", c);
    const grown = new Map([...values, ["log", joined(b, ...first, c)]]);
    const last = await staysSo(folder, next, grown);
    await last.append("log", b);
    await staysSo(folder, last, new Map([...grown, ["log", joined(b, ...first, c, b)]]));
  }
});

test("late removals remove nothing that counts", async () => {
  // The table first, then the values.
  for (const [count, late] of [[1, 1], [3, 2]]) {
    const { folder, page, store, before } = await begun();
    await diesOver(page, /./, () => store.commit(changes), { kind: "remove", count });
    const next = await open(folder.page());
    await next.commit({ puts: [["log", c]], deletes: [] });
    assert.equal(folder.late.length, late);
    await staysSo(folder, next, after(after(before, changes), { puts: [["log", c]], deletes: [] }));
  }
});

test("without a readable table a place is empty if nothing was ever written, and otherwise CORRUPT", async () => {
  const folder = new LateFolder();
  const page = folder.page();
  await diesOver(page, /^table/, () => open(page));
  assert.equal(folder.files.size, 1);
  await holds(await open(folder.page(), "readonly"), new Map());
  const store = await open(folder.page());
  await store.commit({ puts: [["a", a]], deletes: [] });
  const [table, text] = [...folder.files].find(([name]) => name.startsWith("table"));

  for (const damaged of ["", "{", "[]", "null", '"abc"', '{"a":1}', '{"a":[1]}', '{"a":["x",["y"]]}', '{"a":["x",["y",-1]]}', '{"a":["x",["y",1.5]]}']) {
    folder.files.set(table, new TextEncoder().encode(damaged));
    await fails("CORRUPT", () => open(folder.page()));
  }
  folder.files.set("table.99999.x", new Uint8Array());
  folder.files.set("table.99998.x", new TextEncoder().encode("{"));
  folder.files.set(table, text);
  await holds(await open(folder.page()), new Map([["a", a]]));
  folder.files.clear();
  folder.files.set("x.1", a);
  await fails("CORRUPT", () => open(folder.page()));
});

for (let seed = 1; seed <= 12; seed++) {
  test(`pages die at any change, which may take effect late: each change is there or not, and stays so, ${seed}`, async () => {
    const next = random(seed);
    const folder = new LateFolder(seed, 1 + 40 * next());
    let model = new Map();
    let serial = 0;
    let [died, opened] = [0, 0];
    for (let round = 0; round < 60; round++) {
      const page = folder.page();
      let left = Math.floor(next() * 40);
      page.diesAt = () => left-- === 0;
      if (next() < 0.5) page.cut = (_, all) => Math.floor(all * next());
      const store = await Promise.race([open(page), page.died]);
      if (!store) continue;
      opened += 1;
      await holds(store, model, `round ${round}:`);
      while (!page.dead) {
        const step = randomStep(next, serial++);
        const done = await Promise.race([take(store, step).then(() => true), page.died]);
        if (done) model = after(model, step);
        if (!page.dead) {
          if (next() < 0.2) await holds(await open(folder.page(), "readonly"), model, `round ${round}, to a reader:`);
          continue;
        }
        died += 1;
        // The next to open decides which of the two it is.
        const judge = await open(folder.page());
        const found = await contents(judge);
        assert.ok(done ? !difference(found, model) : isBeforeOrAfter(found, model, step), `round ${round}: ${difference(found, model)}`);
        model = found;
        await judge.append("log/1", bytes(serial, 10));
        model = after(model, { append: "log/1", bytes: bytes(serial, 10) });
      }
    }
    folder.land();
    await holds(await open(folder.page()), model, "at the end:");
    assert.ok(died > 10 && opened > 20, `${died} died over a change, ${opened} opened`);
  });
}
