// Every kind of bad input has its code and leaves the index unchanged.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ThermoclineError, VectorIndex } from "thermocline";
import { fails, filled, state, whole } from "./helpers.mjs";

const NOT_IDS = [
  -1, -0.5, 1.5, NaN, Infinity, 2 ** 53, "", "x".repeat(4097), "✓".repeat(1366), "\ud800", null, undefined, true, {}, [], 5n, Symbol("id"), () => 1,
];
const NOT_VECTORS = [
  null, undefined, "vector", 5, {}, new Float64Array(16), new Uint8Array(16), new ArrayBuffer(64), { length: 16 }, () => 1,
  new Proxy(new Float32Array(16).fill(1), {}),
];
const NOT_COUNTS = [0, -1, 1.5, NaN, Infinity, "10", null, {}, 10n, true];

/** Runs each call on one index and checks that it fails with `code` and changes nothing. */
async function eachFails(code, index, calls) {
  const before = await state(index);
  for (const call of calls) await fails(code, call);
  assert.deepEqual(await state(index), before);
}

test("memory: options out of range, of a wrong type, or unknown values", async () => {
  const bad = [
    undefined, null, 5, "options", {}, ...[0, -1, 1.5, 8193, NaN, "8", null].map((dimensions) => ({ dimensions })),
    ...["hamming", "", 5, null, {}].map((metric) => ({ dimensions: 4, metric })),
    ...["pq", "int4", 8, null].map((quantization) => ({ dimensions: 4, quantization })),
    ...[3, 65, 4.5, "16", null, NaN].map((m) => ({ dimensions: 4, m })),
    ...[0, -1, 1.5, "200", null, NaN, Infinity].map((efConstruction) => ({ dimensions: 4, efConstruction })),
    ...NOT_COUNTS.map((ef) => ({ dimensions: 4, ef })),
    ...[-1, 1.5, "1", null, NaN].map((seed) => ({ dimensions: 4, seed })),
    ...[NaN, "0.3", null].map((compactionThreshold) => ({ dimensions: 4, compactionThreshold })),
  ];
  for (const options of bad) await fails("INVALID_OPTION", () => VectorIndex.memory(options));
  assert.equal((await VectorIndex.memory({ dimensions: 8192 })).dimensions, 8192);
});

test("vectors: wrong dimension, not finite, no direction, not vectors", async () => {
  const { index } = await filled(3);
  const uses = (vector) => [
    () => index.insert(vector), () => index.insertWithId("v", vector), () => index.upsert("r0", vector),
    () => index.search(vector), () => index.insertMany([{ vector }]), () => index.insertMany((async function* () { yield { vector }; })()),
  ];
  const longer = Array(17).fill(1);
  for (const vector of [[], [1], longer, Float32Array.from(longer), new Float32Array(0)]) await eachFails("DIMENSION_MISMATCH", index, uses(vector));
  for (const value of [NaN, Infinity, -Infinity, 1e39]) {
    const vector = Array(16).fill(1);
    vector[9] = value;
    await eachFails("INVALID_VECTOR", index, [...uses(vector), ...uses(Float32Array.from(vector))]);
  }
  await eachFails("INVALID_VECTOR", index, uses(new Float32Array(16)));
  for (const vector of [...NOT_VECTORS, Array(16).fill("1"), Array(16), Array(16).fill(1n), Array(16).fill(null)]) {
    await eachFails("INVALID_VECTOR", index, uses(vector));
  }
  await whole(index, 3);
});

test("an all-zero vector is accepted under l2 and dot", async () => {
  for (const metric of ["l2", "dot"]) {
    const index = await VectorIndex.memory({ dimensions: 3, metric });
    await index.insertWithId("zero", [0, 0, 0]);
    assert.equal((await index.search([0, 0, 0]))[0].id, "zero");
  }
});

test("values that are not valid ids", async () => {
  const { index, vectors } = await filled(3);
  for (const id of NOT_IDS) {
    await eachFails("INVALID_ID", index, [
      () => index.insertWithId(id, vectors[0]), () => index.upsert(id, vectors[0]), () => index.get(id), () => index.has(id),
      () => index.delete(id), () => index.deleteMany([id]),
      ...(id === undefined ? [] : [() => index.insertMany([{ id, vector: vectors[0] }])]),
      () => index.insertMany({ vectors: vectors[0], ids: [id] }),
    ]);
  }
  await eachFails("DUPLICATE_ID", index, [() => index.insertWithId("r0", vectors[1]), () => index.insertMany([{ id: "r0", vector: vectors[1] }])]);
  await whole(index, 3);
});

test("search options", async () => {
  const { index, vectors } = await filled(3);
  const search = (options) => () => index.search(vectors[0], options);
  await eachFails("INVALID_OPTION", index, [
    ...NOT_COUNTS.flatMap((count) => [search({ k: count }), search({ ef: count })]),
    ...[null, 5, "k"].map(search),
    ...[1, "yes", null].map((rerank) => search({ rerank })),
    ...[1, "payload", null, { payload: 1 }, { vector: "yes" }, { payload: null }].map((include) => search({ include })),
    ...[1, {}, "signal", null, { aborted: false, addEventListener() {} }].map((signal) => search({ signal })),
  ]);
  await eachFails("INVALID_FILTER", index, [1, "a", null, true, [], new Map(), new Date(0), /a/].map((filter) => search({ filter })));
  await eachFails("ABORTED", index, [search({ signal: AbortSignal.abort() })]);
});

test("the error of an option that is no object or no whole number names it and its range", async () => {
  const { index, vectors } = await filled(3);
  for (const [options, said] of [
    [{ k: -1 }, /^k: expected a whole number from 1 to 10000, received -1$/],
    [{ ef: 2.5 }, /^ef: expected a whole number from 1 to 10000, received 2.5$/],
    [{ include: true }, /^include: expected an object, got true/],
  ]) await fails("INVALID_OPTION", () => index.search(vectors[0], options), said);
  for (const [options, said] of [
    [{ m: 4.5 }, /^m: expected a whole number from 4 to 64, received 4.5$/],
    [{ efConstruction: -8 }, /^efConstruction: expected a whole number from 8 to 4096, received -8$/],
    [{ ef: 0.5 }, /^ef: expected a whole number from 1 to 10000, received 0.5$/],
    [{ dimensions: 1.5 }, /^dimensions: expected a whole number from 1 to 8192, received 1.5$/],
  ]) await fails("INVALID_OPTION", () => VectorIndex.memory({ dimensions: 3, ...options }), said);
});

test("payloads that would not come back as they were given", async () => {
  const { index, vectors } = await filled(3);
  const cycle = { self: undefined };
  cycle.self = cycle;
  const lost = [
    () => 1, Symbol("s"), 5n, cycle, NaN, Infinity, { f: () => 1 }, [Symbol("s")], { deep: [{ n: 1n }] }, [undefined], { x: -Infinity },
    new Map([[1, 2]]), { set: new Set() }, new Float32Array(2), { bytes: new Uint8Array(2) }, new ArrayBuffer(2), /r/, new Error("e"),
    { promise: Promise.resolve() }, new String("s"), [new Number(1)],
    { toJSON() { throw new Error("the caller's own"); } },
  ];
  for (const payload of lost) {
    for (const call of [
      () => index.insert(vectors[0], payload), () => index.insertWithId("p", vectors[0], payload), () => index.upsert("r0", vectors[0], payload),
      () => index.insertMany([{ vector: vectors[1] }, { vector: vectors[0], payload }]),
      () => index.insertMany({ vectors: vectors[0], payloads: [payload] }),
    ]) await fails("INVALID_OPTION", call, /payload/);
  }
  await whole(index, 3);
});

test("options of the other calls", async () => {
  const { index, vectors } = await filled(3);
  const notObjects = [null, 5, "options", []];
  const notFunctions = [1, "f", {}, null];
  const notSlices = [0, -1, NaN, Infinity, "4", null];
  const notSignals = [1, {}, "signal", null];
  await eachFails("INVALID_OPTION", index, [
    ...notObjects.flatMap((options) => [
      () => index.insert(vectors[0], 1, options), () => index.insertMany([], options), () => index.compact(options), () => index.compactWhenIdle(options),
      () => index.close(options), () => index.maintain(options), () => index.search(vectors[0], options),
      () => index.searchMany([vectors[0]], options),
    ]),
    ...notFunctions.flatMap((f) => [
      () => index.insertMany([], { onProgress: f }), () => index.compact({ onProgress: f }),
      () => index.compactWhenIdle({ onReport: f }), () => index.maintain({ timeRemaining: f }),
    ]),
    ...notSlices.flatMap((sliceMs) => [() => index.compact({ sliceMs }), () => index.compactWhenIdle({ sliceMs })]),
    ...notSignals.flatMap((signal) => [() => index.compact({ signal }), () => index.insertMany([], { signal })]),
    ...[1, "yes", null].map((upsert) => () => index.insertMany([], { upsert })),
    ...[1, "yes", null].map((erase) => () => index.compact({ erase })),
    ...[-1, NaN, "5", null].map((timeoutMs) => () => index.close({ timeoutMs })),
    ...[NaN, "0.3", null, {}].map((threshold) => () => { index.compactionThreshold = threshold; }),
    ...[null, undefined, 5, "rows", {}, () => 1, { [Symbol.iterator]: 5 }].map((rows) => () => index.insertMany(rows)),
    ...[null, undefined, 5, "r0", {}, { [Symbol.iterator]: 5 }].map((ids) => () => index.deleteMany(ids)),
    () => index.maintain(),
  ]);
  await whole(index, 3);
});

test("maintain: a deadline that returns no number", async () => {
  const { index } = await filled(40);
  await index.deleteMany(Array.from({ length: 30 }, (_, i) => `r${i}`));
  assert.equal(index.needsCompaction, true);
  for (const left of [NaN, "5", undefined]) await fails("INVALID_OPTION", () => index.maintain({ timeRemaining: () => left }));
});

test("the class cannot be instantiated directly", async () => {
  await fails("INVALID_OPTION", () => new VectorIndex(), /memory/);
  assert.equal(VectorIndex.name, "VectorIndex");
  assert.equal(ThermoclineError.name, "ThermoclineError");
});

test("errors are errors: name, code, message, stack", () => {
  const error = new ThermoclineError("LOCKED", "held elsewhere", { cause: 5 });
  assert.ok(error instanceof Error);
  assert.deepEqual([error.name, error.code, error.message, error.cause], ["ThermoclineError", "LOCKED", "held elsewhere", 5]);
  assert.equal(String(error), "ThermoclineError: held elsewhere");
  // If the engine begins a stack with the error's name.
  if (new Error("words").stack.startsWith("Error: words")) assert.match(error.stack, /^ThermoclineError: held elsewhere/);
  else assert.ok(error.stack.length > 0);
});
