// What filter objects match by MongoDB's rules: examples, and random filters and payloads.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { flat, random, rowsOf } from "./helpers.mjs";
import { matches } from "./mongo-rules.mjs";

/**
 * Creates an index with a record for each payload, whose id is its position. Returns it and a function for the ids that
 * match a filter.
 */
async function of(payloads) {
  const index = await VectorIndex.memory({ dimensions: 4 });
  const vectors = rowsOf(flat(payloads.length, 4), 4);
  await index.insertMany(vectors.map((vector, id) => ({ id, vector, payload: payloads[id] })));
  const matching = async (filter) => (await index.search(vectors[0], { k: 100, filter })).map(({ id }) => id).sort((a, b) => a - b);
  return { index, vectors, matching };
}

test("the operators mean what they mean in MongoDB", async () => {
  const { matching } = await of([
    /* 0 */ { lang: "en", year: 1999, tags: ["a", "b"], at: { city: "Oslo", zip: null }, parts: [{ n: 1, ok: true }, { n: 5, ok: false }] },
    /* 1 */ { lang: "de", year: 1985, tags: ["b"], at: { city: "Bonn" }, parts: [] },
    /* 2 */ { lang: ["en", "fr"], year: "1999", tags: [], at: null, parts: [{ n: 3, ok: false }] },
    /* 3 */ { lang: "EN", year: [1980, 2005], tags: [["a", "b"]], gone: null },
    /* 4 */ { year: 0, flag: false, "at.city": "Oslo" },
  ]);
  const all = [0, 1, 2, 3, 4];
  const without = (...ids) => all.filter((id) => !ids.includes(id));
  const cases = [
    [{}, all],
    [{ lang: "en" }, [0, 2]],
    [{ lang: "en", year: 1999 }, [0]],
    [{ lang: { $eq: "en" } }, [0, 2]],
    [{ lang: { $ne: "en" } }, [1, 3, 4]],
    [{ lang: null }, [4]],
    [{ gone: null }, all],
    [{ gone: { $exists: true } }, [3]],
    [{ gone: { $exists: false } }, without(3)],
    [{ flag: false }, [4]],
    [{ year: 0 }, [4]],
    [{ year: { $gte: 1990 } }, [0, 3]],
    [{ year: { $gt: 1999 } }, [3]],
    [{ year: { $lt: 1985 } }, [3, 4]],
    [{ year: { $lte: 1985 } }, [1, 3, 4]],
    [{ year: { $gte: "1" } }, [2]],
    // Different elements may satisfy different conditions, except with $elemMatch.
    [{ year: { $gt: 1990, $lt: 2000 } }, [0, 3]],
    [{ year: { $elemMatch: { $gt: 1990, $lt: 2000 } } }, []],
    [{ lang: { $in: ["de", "fr"] } }, [1, 2]],
    [{ lang: { $nin: ["de", "fr"] } }, [0, 3, 4]],
    [{ lang: { $in: [null] } }, [4]],
    [{ lang: { $in: [] } }, []],
    [{ tags: ["a", "b"] }, [0, 3]],
    [{ tags: { $all: ["a", "b"] } }, [0]],
    [{ tags: { $all: [["a", "b"]] } }, [0, 3]],
    [{ parts: { $all: [{ n: 3, ok: false }] } }, [2]],
    [{ parts: { $all: [{ ok: false }] } }, []],
    [{ tags: "a" }, [0]],
    [{ tags: { $size: 1 } }, [1, 3]],
    [{ tags: { $size: 2 } }, [0]],
    [{ tags: [] }, [2]],
    // Inherited members do not count, nor do those of strings and arrays.
    [{ "lang.0": "e" }, []],
    [{ "lang.length": { $exists: true } }, []],
    [{ "tags.length": 2 }, []],
    [{ "parts.at.name": { $exists: true } }, []],
    [{ constructor: null }, all],
    [{ "at.toString": { $exists: true } }, []],
    [{ "lang.link": null }, [0, 1, 3, 4]],
    // Unlike in MongoDB, the order of members does not matter.
    [{ at: { zip: null, city: "Oslo" } }, [0]],
    [{ at: { city: "Bonn", zip: null } }, []],
    [{ tags: { $size: 0 } }, [2]],
    [{ "tags.1": "b" }, [0]],
    [{ "at.city": "Oslo" }, [0]],
    [{ "at.city": { $exists: true } }, [0, 1]],
    [{ "at.zip": null }, all],
    [{ at: { city: "Bonn" } }, [1]],
    [{ at: { city: "Oslo" } }, []],
    [{ "parts.n": 3 }, [2]],
    [{ "parts.n": { $gt: 3 } }, [0]],
    [{ parts: { $elemMatch: { n: { $lt: 4 }, ok: false } } }, [2]],
    [{ parts: { $elemMatch: { ok: false, $or: [{ n: 5 }, { n: 6 }] } } }, [0]],
    [{ tags: { $elemMatch: { x: null } } }, [3]],
    [{ tags: { $elemMatch: { $in: ["a", "c"] } } }, [0]],
    [{ "parts.n": null }, [3, 4]],
    [{ year: { $not: { $gte: 1990 } } }, [1, 2, 4]],
    [{ lang: { $regex: "^e" } }, [0, 2]],
    [{ lang: { $options: "i", $regex: "^e" } }, [0, 2, 3]],
    [{ lang: { $not: { $regex: "^e", $options: "i" } } }, [1, 4]],
    [{ $or: [{ lang: "de" }, { year: 0 }] }, [1, 4]],
    [{ $and: [{ lang: "en" }, { tags: { $size: 0 } }] }, [2]],
    [{ $nor: [{ lang: "en" }, { year: 0 }] }, [1, 3]],
    [{ lang: "en", $or: [{ year: 1999 }, { year: "1999" }] }, [0, 2]],
    [{ $or: [{ $and: [{ lang: "en" }, { year: 1999 }] }, { $nor: [{ lang: { $exists: true } }] }] }, [0, 4]],
  ];
  for (const [filter, expected] of cases) assert.deepEqual(await matching(filter), expected, JSON.stringify(filter));
});

test("paths through arrays lead where they do in MongoDB", async () => {
  const { matching } = await of([
    /* 0 */ { a: [] },
    /* 1 */ { a: [null] },
    /* 2 */ { a: [1, 2] },
    /* 3 */ { a: [{}] },
    /* 4 */ { a: [{ b: null }] },
    /* 5 */ { a: { b: [1, 5] } },
    /* 6 */ { a: [{ b: 1 }, { b: [{ c: 3 }] }] },
    /* 7 */ { a: 1 },
    /* 8 */ { a: [[{ b: 1 }]] },
    /* 9 */ { a: [{ 1: "x" }, "y"] },
  ]);
  const cases = [
    [{ "a.b": null }, [3, 4, 7, 9]],
    [{ "a.b": { $in: [null] } }, [3, 4, 7, 9]],
    [{ "a.b": { $exists: false } }, [0, 1, 2, 3, 7, 8, 9]],
    [{ "a.b": { $ne: 1 } }, [0, 1, 2, 3, 4, 7, 8, 9]],
    [{ "a.b": { $nin: [1, null] } }, [0, 1, 2, 8]],
    [{ "a.b": 1 }, [5, 6]],
    [{ "a.b.c": 3 }, [6]],
    [{ "a.0": 1 }, [2]],
    [{ "a.0.b": 1 }, [6, 8]],
    [{ "a.b.1": 5 }, [5]],
    [{ "a.1": "x" }, [9]],
    [{ "a.1": "y" }, [9]],
    [{ "a.7": null }, [3, 4, 5, 6, 7, 9]],
    [{ a: null }, [1]],
    [{ a: { $elemMatch: { b: { $ne: 2 } } } }, [3, 4, 6, 8, 9]],
  ];
  for (const [filter, expected] of cases) assert.deepEqual(await matching(filter), expected, JSON.stringify(filter));
});

test("a payload that is not an object has no fields, and neither has a record without a payload", async () => {
  const { matching } = await of([undefined, null, "text", 5, true, [{ a: 1 }], new Uint8Array([1, 2, 3]), { length: 4, a: 1 }]);
  const others = [0, 1, 2, 3, 4, 5, 6];
  assert.deepEqual(await matching({}), [...others, 7]);
  assert.deepEqual(await matching({ length: { $exists: true } }), [7]);
  assert.deepEqual(await matching({ length: 4 }), [7]);
  assert.deepEqual(await matching({ a: { $ne: 1 } }), others);
  assert.deepEqual(await matching({ "0": null }), [...others, 7]);
});

const SEED = 11;
const next = random(SEED);
const below = (n) => Math.floor(next() * n);
const one = (list) => list[below(list.length)];
const some = (make, most) => Array.from({ length: below(most + 1) }, make);

const scalar = () => one([0, 1, 2, -1, "a", "b", "ab", "", null, true, false]);
const object = (depth) => Object.fromEntries(["a", "b"].filter(() => below(2)).map((name) => [name, value(depth - 1)]));
const value = (depth) => (depth <= 0 ? scalar() : one([scalar, scalar, () => some(() => value(depth - 1), 2), () => object(depth)])());

const OPERANDS = {
  $eq: () => value(1), $ne: () => value(1),
  $gt: () => one([0, 1, "a", "ab"]), $gte: () => one([0, 1, "a", "ab"]), $lt: () => one([0, 1, "a", "ab"]), $lte: () => one([0, 1, "a", "ab"]),
  $in: () => some(() => value(1), 2), $nin: () => some(() => value(1), 2), $all: () => [value(1), ...some(() => value(1), 1)],
  $exists: () => below(2) === 1, $size: () => below(3), $regex: () => one(["a", "^b", "b$"]),
  $elemMatch: (depth) => (below(2) ? conditions(depth - 1) : { [one(["a", "b"])]: below(2) ? value(1) : conditions(depth - 1), ...(below(4) ? {} : { $or: [filter(0)] }) }),
  $not: (depth) => conditions(depth - 1),
};
const conditions = (depth) => {
  const names = Object.keys(OPERANDS).filter((name) => depth > 0 || !["$elemMatch", "$not"].includes(name));
  return Object.fromEntries(Array.from({ length: 1 + below(2) }, () => one(names)).map((name) => [name, OPERANDS[name](depth)]));
};
const filter = (depth) => {
  if (depth > 0 && below(5) === 0) return { [one(["$and", "$or", "$nor"])]: [filter(depth - 1), ...some(() => filter(depth - 1), 1)] };
  return { [one(["a", "b", "a.b", "b.a", "a.b.a", "a.0", "a.0.b", "a.b.1"])]: below(4) ? conditions(2) : value(2) };
};

test("any filter matches what MongoDB's rules say", async () => {
  const payloads = Array.from({ length: 150 }, () => object(3));
  const index = await VectorIndex.memory({ dimensions: 2 });
  await index.insertMany(payloads.map((payload, id) => ({ id, vector: [1, id / 100], payload })));
  let matched = 0;
  for (let round = 0; round < 1500; round++) {
    const asked = filter(1);
    const found = (await index.search([1, 0], { k: payloads.length, filter: asked, include: { payload: false } })).map(({ id }) => id).sort((a, b) => a - b);
    const expected = payloads.flatMap((payload, id) => (matches(asked, payload) ? [id] : []));
    assert.deepEqual(found, expected, `seed ${SEED}, round ${round}: ${JSON.stringify(asked)}`);
    matched += found.length;
  }
  assert.ok(matched > 20_000 && matched < 205_000, `${matched} of 225,000 pairs match`);
});
