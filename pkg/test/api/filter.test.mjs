// Searching with filter objects finds the same as an equivalent function, whatever else happens meanwhile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, pause, random, rowsOf, whole } from "./helpers.mjs";

test("the hits are those of a function that says the same, however many match", async () => {
  const { index, vectors } = await filled(3000, { dimensions: 16 });
  await index.deleteMany(Array.from({ length: 300 }, (_, i) => `r${i * 7}`));
  const number = (id) => Number(id.slice(1));
  const cases = [
    [{ n: { $lt: 3000 } }, () => true],
    [{ n: { $gte: 1500 } }, (id) => number(id) >= 1500],
    [{ n: { $lt: 301 } }, (id) => number(id) < 301],
    [{ n: { $in: [5, 6, 800, 2999] } }, (id) => [5, 6, 800, 2999].includes(number(id))],
    [{ n: 4000 }, () => false],
  ];
  for (const options of [{}, { k: 40 }, { k: 5, ef: 200, rerank: false }, { k: 3, include: { payload: false, vector: true } }]) {
    for (let at = 1; at < 3000; at += 611) {
      for (const [filter, says] of cases) {
        assert.deepEqual(await index.search(vectors[at], { ...options, filter }), await index.search(vectors[at], { ...options, filter: says }), JSON.stringify([filter, options, at]));
      }
    }
  }
});

test("a filter's cached answer about a record does not outlive the record", async () => {
  const next = random(7);
  const below = (n) => Math.floor(next() * n);
  const dimensions = 8;
  const index = await VectorIndex.memory({ dimensions, compactionThreshold: 0.2 });
  const vectors = rowsOf(flat(200, dimensions), dimensions);
  let model = new Map();
  const filters = [[{ kind: 1 }, (kind) => kind === 1], [{ kind: { $in: [0, 2] } }, (kind) => kind !== 1]];
  const put = (id) => {
    const payload = { kind: below(3) };
    return { row: { id, vector: vectors[below(200)], payload }, kept: () => model.set(id, payload.kind) };
  };
  const steps = [
    async (id) => {
      const { row, kept } = put(id);
      await index.upsert(id, row.vector, row.payload);
      kept();
    },
    async (id) => assert.equal(await index.delete(id), model.delete(id)),
    async (id) => {
      const { row, kept } = put(id);
      if (model.has(id)) return;
      await index.insertWithId(id, row.vector, row.payload);
      kept();
    },
    async () => {
      const all = Array.from({ length: 10 }, (_, i) => put(`r${(below(6) * 10 + i) % 60}`));
      const rows = [...new Map(all.map((one) => [one.row.id, one])).values()];
      await index.insertMany(rows.map(({ row }) => row), { upsert: true });
      for (const { kept } of rows) kept();
    },
    async () => {
      const ids = Array.from({ length: 5 }, () => `r${below(60)}`);
      await index.deleteMany(ids);
      for (const id of ids) model.delete(id);
    },
    async (id) => {
      const { row } = put(id);
      await index.upsert(id, row.vector, row.payload, { ttlMs: 1 });
      await pause(3);
      model.delete(id);
    },
    async () => void (await index.compact()),
    async () => void (await index.reload()),
    async () => {
      if (below(8)) return;
      await index.clear();
      model = new Map();
    },
  ];
  for (let round = 0; round < 600; round++) {
    await steps[below(steps.length)](`r${below(60)}`);
    const [filter, says] = filters[round % 2];
    const found = await index.search(vectors[below(200)], { k: 100, filter });
    const expected = [...model].filter(([, kind]) => says(kind)).map(([id]) => id);
    assert.deepEqual(found.map(({ id }) => id).sort(), expected.sort(), `round ${round}`);
  }
  await whole(index, model.size);
});

test("an id that is used again after its record has expired is checked again", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  const found = async () => (await index.search([1, 0], { filter: { kind: 1 } })).map(({ id }) => id);
  for (const put of [(row) => index.insertWithId("a", row.vector, row.payload), (row) => index.insertMany([{ id: "a", ...row }])]) {
    await index.upsert("a", [1, 0], { kind: 1 }, { ttlMs: 30 });
    assert.deepEqual(await found(), ["a"]);
    do await pause(10);
    while (await index.has("a"));
    await put({ vector: [1, 0], payload: { kind: 2 } });
    assert.deepEqual(await found(), []);
  }
});

test("a search ends although a loop constantly changes the nearest records", async () => {
  const { index, vectors } = await filled(20);
  const filter = { n: { $gte: 0 } };
  await index.search(vectors[0], { filter });
  const MOST = 3000;
  let changes = MOST;
  // A search that needs more than a slice, because the machine is busy, has to wait for its turn.
  for (let attempt = 0; attempt < 5 && changes === MOST; attempt++) {
    let ended = false;
    const changing = (async () => {
      for (changes = 0; changes < MOST && !ended; changes++) await index.upsert(`r${changes % 5}`, vectors[changes % 5], { n: changes });
    })();
    const hits = await index.search(vectors[0], { k: 5, filter });
    ended = true;
    await changing;
    assert.equal(hits.length, 5);
  }
  assert.ok(changes < MOST, "it has waited for the end of the loop each time");
});

test("a filter that fails on a record fails only that search", async () => {
  const { index, vectors } = await filled(20);
  await index.insertWithId("long", vectors[0], { text: "ab".repeat(5_000_000) });
  const filter = { text: { $regex: "^(?:a|b)*c" } };
  const outcome = await index.search(vectors[0], { filter }).then((hits) => hits.length, (error) => error);
  // An engine with enough stack may succeed.
  if (outcome !== 0) assert.deepEqual([outcome.name, outcome.code], ["ThermoclineError", "INVALID_FILTER"]);
  assert.equal((await index.search(vectors[0])).length, 10);
  await whole(index, 21);
});

test("many filters at once, more than are cached", async () => {
  const { index, vectors } = await filled(500);
  const ask = (n) => index.search(vectors[n], { k: 500, filter: { n: { $gte: n } } });
  const all = await Promise.all(Array.from({ length: 40 }, (_, n) => ask(n * 10)));
  all.forEach((hits, n) => assert.equal(hits.length, 500 - n * 10));
});

test("the query may change once the call is made", async () => {
  const { index, vectors } = await filled(400);
  const expected = await index.search(vectors[9], { filter: (id) => Number(id.slice(1)) < 200 });
  const query = vectors[9].slice();
  const searching = index.search(query, { filter: { n: { $lt: 200 } } });
  query.fill(0);
  assert.deepEqual(await searching, expected);
});

test("a search that checks many payloads gives up the thread in between, and can be aborted and closed", async () => {
  const { index, vectors } = await filled(30_000, { dimensions: 4, m: 4, efConstruction: 8 });
  const narrow = () => ({ n: { $lt: 3 }, [`other${Math.random()}`]: null });
  let turns = 0;
  const turning = setInterval(() => (turns += 1), 0);
  assert.equal((await index.search(vectors[0], { filter: narrow() })).length, 3);
  clearInterval(turning);
  assert.ok(turns > 1, `${turns} turns`);
  const controller = new AbortController();
  const aborted = index.search(vectors[0], { filter: narrow(), signal: controller.signal });
  setTimeout(() => controller.abort(), 1);
  await fails("ABORTED", () => aborted);
  const searching = index.search(vectors[0], { filter: narrow() });
  // The index may change while the search checks payloads.
  await index.delete("r1");
  assert.deepEqual((await searching).map(({ id }) => id).sort(), ["r0", "r2"]);
  const closed = index.search(vectors[0], { filter: narrow() });
  setTimeout(() => void index.close({ timeoutMs: 0 }), 1);
  await fails("CLOSED", () => closed);
});

test("an invalid filter is INVALID_FILTER, and the message says where it is wrong", async () => {
  const { index, vectors } = await filled(30);
  const self = {};
  self.$or = [self];
  const deep = { $or: [{}] };
  for (let at = deep.$or, depth = 0; depth < 50_000; depth++) at = (at[0] = { $or: [{}] }).$or;
  const bad = [
    [{ n: undefined }, /filter\.n: .*undefined/],
    [{ n: NaN }, /filter\.n/], [{ n: 1n }, /filter\.n/], [{ n: () => 1 }, /a function/], [{ n: Symbol("s") }, /filter\.n/],
    [{ n: new Date(0) }, /Date/], [{ n: /a/ }, /RegExp/], [{ n: new Map() }, /Map/], [{ n: new Uint8Array(2) }, /Uint8Array/],
    [{ n: [1, undefined] }, /filter\.n\[1\]/], [{ n: { a: { b: NaN } } }, /filter\.n\.a\.b/], [{ n: [1, , 3] }, /filter\.n\[1\]/],
    [{ $where: "true" }, /filter\.\$where/], [{ $gt: 5 }, /filter\.\$gt/], [{ n: { $where: "1" } }, /filter\.n\.\$where/], [{ n: { $gt: 5, a: 1 } }, /filter\.n\.a/],
    [{ n: { a: { $gt: 5 } } }, /filter\.n\.a\.\$gt/], [{ n: { $or: [{ a: 1 }] } }, /filter\.n\.\$or/], [{ n: { $elemMatch: { $gt: 1, a: 2 } } }, /\$elemMatch\.a/],
    [{ $or: [] }, /filter\.\$or/], [{ $or: {} }, /filter\.\$or/], [{ $and: [{ n: 1 }, 5] }, /filter\.\$and\[1\]/], [{ $nor: [null] }, /\$nor\[0\]/], [{ $or: [{ n: { $x: 1 } }] }, /filter\.\$or\[0\]\.n\.\$x/],
    [{ n: { $in: 5 } }, /filter\.n\.\$in/], [{ n: { $nin: "ab" } }, /\$nin/], [{ n: { $in: [{ $gt: 1 }] } }, /\$in\[0\]\.\$gt/], [{ n: { $all: [] } }, /\$all/],
    [{ n: { $gt: null } }, /\$gt/], [{ n: { $lt: [1] } }, /\$lt/], [{ n: { $lte: true } }, /\$lte/], [{ n: { $gte: Infinity } }, /\$gte/],
    [{ n: { $exists: 1 } }, /\$exists/], [{ n: { $size: -1 } }, /\$size/], [{ n: { $size: 1.5 } }, /\$size/], [{ n: { $not: 5 } }, /\$not/], [{ n: { $not: { a: 1 } } }, /\$not/], [{ n: { $elemMatch: 5 } }, /\$elemMatch/],
    [{ n: { $regex: "(" } }, /\$regex/], [{ n: { $regex: /a/ } }, /\$regex/], [{ n: { $regex: "a", $options: "g" } }, /\$options/], [{ n: { $options: "i" } }, /\$options/],
    [{ "": 1 }, /empty/], [{ "a..b": 1 }, /empty/], [{ get n() { return this.asked ? 1n : ((this.asked = true), 1); }, asked: false }, /BigInt/],
    [self, /too deep|itself/], [deep, /too deep|itself/],
    [Object.create({ toJSON: () => ({ n: 1 }) }), /an object/],
  ];
  for (const [filter, mention] of bad) await fails("INVALID_FILTER", () => index.search(vectors[0], { filter }), mention);
  await fails("INVALID_FILTER", () => index.search(vectors[0], { filter: [] }), /a function or an object/);
  // In a payload a Date is text.
  const date = new Date(0);
  for (const when of [date, { $gt: date }, { $in: [date] }, { $not: { $eq: date } }]) {
    await fails("INVALID_FILTER", () => index.search(vectors[0], { filter: { when } }), /^filter\.when.*: expected its toISOString\(\), got/);
  }
  // Other options are checked as usual.
  await fails("DIMENSION_MISMATCH", () => index.search([1], { filter: { n: 1 } }));
  await fails("INVALID_OPTION", () => index.search(vectors[0], { k: 0, filter: { n: 1 } }));
  await fails("ABORTED", () => index.search(vectors[0], { filter: { n: 1 }, signal: AbortSignal.abort() }));
  assert.deepEqual((await index.search(vectors[0], { filter: Object.assign(Object.create(null), { n: 7 }) })).map(({ id }) => id), ["r7"]);
  await whole(index, 30);
});

test("product codes are trained for a search with a filter object as for any other", async () => {
  const { index, vectors } = await filled(1100, { quantization: "product", dimensions: 16 });
  const hits = await index.search(vectors[3], { k: 1100, ef: 1100, filter: { n: { $lt: 10 } } });
  assert.equal(hits.length, 10);
});
