// insertMany: which rows it accepts, in which forms, and how far it gets when something stops it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, flat, pause, rowsOf, state, whole } from "./helpers.mjs";

const DIMENSIONS = 16;
const VECTORS = rowsOf(flat(3000, DIMENSIONS, 5), DIMENSIONS);
const empty = () => VectorIndex.memory({ dimensions: DIMENSIONS });

test("an iterable may reuse one vector for every row", async () => {
  for (const one of [new Float32Array(3), [0, 0, 0]]) {
    const index = await VectorIndex.memory({ dimensions: 3, metric: "l2" });
    const rows = function* () {
      for (let i = 0; i < 60; i++) {
        one[0] = i;
        // Getters of a class, which are not the row's own properties.
        yield new (class {
          get id() { return `r${i}`; }
          get vector() { return one; }
          get payload() { return i; }
        })();
      }
    };
    assert.equal((await index.insertMany(rows())).length, 60);
    for (const i of [0, 30, 59]) {
      const { vector, payload } = await index.get(`r${i}`);
      assert.deepEqual([[...vector], payload], [[i, 0, 0], i]);
    }
    await fails("INVALID_OPTION", () => index.insertMany(new Set([7])), /row 0/);
    await fails("DIMENSION_MISMATCH", () => index.insertMany(new Set([{ vector: [1] }])), /row 0/);
    await index.close();
  }
});

// If only vectors were copied from row to row, all records would have the payload of the last row.
test("an iterable may reuse one payload for every row, an object or bytes", async () => {
  const index = await empty();
  const [object, bytes] = [{ n: 0, deep: [0] }, new Uint8Array(1)];
  const rows = function* (payload, change) {
    for (let i = 0; i < 60; i++) {
      change(i);
      yield { vector: VECTORS[i], payload };
    }
  };
  await index.insertMany(rows(object, (i) => (object.n = object.deep[0] = i)));
  await index.insertMany(rows(bytes, (i) => (bytes[0] = i)));
  for (const i of [0, 1, 59]) {
    assert.deepEqual((await index.get(i)).payload, { n: i, deep: [i] });
    assert.deepEqual((await index.get(60 + i)).payload, Uint8Array.of(i));
  }
  await fails("INVALID_OPTION", () => index.insertMany(new Set([{ vector: VECTORS[0] }, { vector: VECTORS[0], payload: NaN }])), /row 1: payload/);
  await whole(index, 120);
});

test("rows from an array, another iterable, an async iterable, and flat: the same index", async () => {
  const rows = VECTORS.slice(0, 50).map((vector, i) => ({ id: i % 2 ? `r${i}` : 1000 + i, vector, payload: i % 3 ? { i } : undefined }));
  const vectors = new Float32Array(50 * DIMENSIONS);
  rows.forEach(({ vector }, i) => vectors.set(vector, i * DIMENSIONS));
  const forms = [
    rows,
    new Set(rows),
    (function* () { yield* rows; })(),
    (async function* () { for (const row of rows) { await pause(); yield row; } })(),
    { vectors, ids: rows.map((row) => row.id), payloads: rows.map((row) => row.payload) },
    rows.map((row) => ({ ...row, vector: [...row.vector] })),
  ];
  const exports = [];
  for (const form of forms) {
    const index = await empty();
    assert.deepEqual(await index.insertMany(form), rows.map((row) => row.id));
    assert.deepEqual((await index.get("r1")).payload, { i: 1 });
    exports.push([...(await index.export())].join());
    await whole(index, 50);
  }
  assert.equal(new Set(exports).size, 1);
});

test("rows without an id get the next numbers, flat rows too", async () => {
  const index = await empty();
  assert.deepEqual(await index.insertMany([{ vector: VECTORS[0] }, { id: 7, vector: VECTORS[1] }, { vector: VECTORS[2] }]), [0, 7, 8]);
  assert.deepEqual(await index.insertMany({ vectors: flat(3, DIMENSIONS) }), [9, 10, 11]);
  assert.deepEqual(await index.insertMany([]), []);
  assert.deepEqual(await index.insertMany({ vectors: new Float32Array(0) }), []);
});

test("one bad row of an array or iterable: the error names it and nothing is inserted", async () => {
  const { index } = await filled(10);
  const good = VECTORS.slice(0, 5).map((vector) => ({ vector }));
  const cases = [
    ["DIMENSION_MISMATCH", { vector: [1, 2] }], ["INVALID_VECTOR", { vector: new Float32Array(DIMENSIONS).fill(NaN) }],
    ["INVALID_VECTOR", {}], ["INVALID_ID", { id: -1, vector: VECTORS[0] }], ["DUPLICATE_ID", { id: "r3", vector: VECTORS[0] }],
    ["INVALID_OPTION", null], ["INVALID_OPTION", 5], ["INVALID_OPTION", "row"], ["INVALID_OPTION", { vector: VECTORS[0], payload: 1n }],
  ];
  const before = await state(index);
  for (const [code, row] of cases) {
    await fails(code, () => index.insertMany([...good, row, ...good]), /row 5\b/);
    await fails(code, () => index.insertMany(new Set([...good, row])), /row 5\b/);
  }
  assert.deepEqual(await state(index), before);
  await whole(index, 10);
});

test("a vector in place of a row: the error says what a row is", async () => {
  const { index } = await filled(3);
  const said = /^row 0: row: expected an object like \{ vector \}, got \[object (Array|Float32Array)\]$/;
  for (const vector of [Array(16).fill(1), new Float32Array(16).fill(1)]) {
    for (const rows of [[vector], new Set([vector]), (async function* () { yield vector; })()]) {
      await fails("INVALID_OPTION", () => index.insertMany(rows), said);
    }
  }
  await whole(index, 3);
});

test("an id twice in one batch, also a number that an earlier row without an id gets", async () => {
  const index = await empty();
  const [a, b] = VECTORS;
  await fails("DUPLICATE_ID", () => index.insertMany([{ id: "x", vector: a }, { id: "x", vector: b }]), /row 1\b/);
  await fails("DUPLICATE_ID", () => index.insertMany({ vectors: flat(2, DIMENSIONS), ids: [3, 3] }), /row 1\b/);
  await fails("DUPLICATE_ID", () => index.insertMany([{ vector: a }, { id: 0, vector: b }]), /row 1\b/);
  // Rows without ids get 0, 6, 7 and 11, and each of these is taken.
  const some = [undefined, 5, undefined, undefined, 10, undefined].map((id) => ({ id, vector: a }));
  for (const id of [0, 5, 6, 7, 10, 11]) {
    await fails("DUPLICATE_ID", () => index.insertMany([...some, { id, vector: b }]), /row 6\b/);
  }
  await whole(index, 0);
  const free = [...some, { id: 3, vector: a }, { id: "6", vector: b }, { id: 12, vector: a }];
  assert.deepEqual(await index.insertMany(free), [0, 5, 6, 7, 10, 11, 3, "6", 12]);
  assert.deepEqual(await index.insertMany([{ id: 1, vector: a }, { id: "1", vector: b }]), [1, "1"]);
});

test("upsert: live ids and ids twice are replaced, bad ones are still errors", async () => {
  const { index } = await filled(5);
  const rows = [
    { id: "r1", vector: VECTORS[0], payload: "a" }, { id: "n", vector: VECTORS[1] },
    { id: "r1", vector: VECTORS[2], payload: "b" }, { vector: VECTORS[3] },
  ];
  const ids = await index.insertMany(rows, { upsert: true });
  assert.deepEqual(ids, ["r1", "n", "r1", 0]);
  assert.equal((await index.get("r1")).payload, "b");
  await fails("INVALID_ID", () => index.insertMany([{ id: "ok", vector: VECTORS[0] }, { id: "", vector: VECTORS[1] }], { upsert: true }), /row 1\b/);
  await whole(index, 7);
});

// The check before the first insert must count such rows too, or some would be inserted before the numbers run out.
test("upsert: rows that would use up all numbers are refused before the first is inserted", async () => {
  const index = await empty();
  const last = { id: Number.MAX_SAFE_INTEGER, vector: VECTORS[0] };
  for (const upsert of [true, false]) {
    await fails("INVALID_ID", () => index.insertMany([last, { vector: VECTORS[1] }], { upsert }), /row 1\b/);
    assert.equal(index.size, 0);
  }
  assert.deepEqual(await index.insertMany([{ vector: VECTORS[1] }, last, last], { upsert: true }), [0, last.id, last.id]);
  await fails("INVALID_ID", () => index.insertMany([{ id: 5, vector: VECTORS[2] }, { vector: VECTORS[1] }], { upsert: true }), /row 1\b/);
  await whole(index, 2);
});

// The platform's own TypeError for such an array names neither the row nor what is wrong with it.
test("payloads and vectors whose buffer was transferred are refused, and the index stays as it was", async () => {
  const index = await VectorIndex.memory({ dimensions: 2 });
  const gone = (array) => {
    structuredClone(array, { transfer: [array.buffer] });
    return array;
  };
  const good = { vector: [1, 2], payload: new Uint8Array() };
  const payload = gone(new Uint8Array(10));
  const vector = gone(new Float32Array(2));
  const generated = function* (row) {
    yield* [good, row];
  };
  await fails("INVALID_OPTION", () => index.insert([1, 2], payload), /given away/);
  await fails("INVALID_OPTION", () => index.upsert("a", [1, 2], payload), /given away/);
  await fails("DIMENSION_MISMATCH", () => index.insert(vector));
  for (const rowsOf of [(row) => [good, row], generated]) {
    await fails("INVALID_OPTION", () => index.insertMany(rowsOf({ vector: [1, 2], payload })), /row 1: payload.*given away/);
    await fails("DIMENSION_MISMATCH", () => index.insertMany(rowsOf({ vector })), /row 1/);
  }
  assert.equal(index.size, 0);
  const [id] = await index.insertMany([good]);
  assert.deepEqual((await index.get(id)).payload, new Uint8Array());
  await index.close();
});

test("flat rows whose buffer is given away meanwhile are a mistake that names the row", async () => {
  const index = await empty();
  const vectors = flat(3000, DIMENSIONS);
  const giveAway = () => vectors.length && structuredClone(vectors, { transfer: [vectors.buffer] });
  await fails("DIMENSION_MISMATCH", () => index.insertMany({ vectors }, { onProgress: giveAway }), /row \d+\b/);
  await whole(index, index.size);
});

test("flat rows whose parts do not fit together", async () => {
  const index = await empty();
  const vectors = flat(2, DIMENSIONS);
  await fails("DIMENSION_MISMATCH", () => index.insertMany({ vectors: new Float32Array(DIMENSIONS + 1) }));
  for (const parts of [{ ids: [1] }, { ids: [1, 2, 3] }, { ids: "ab" }, { payloads: [1] }, { payloads: {} }]) {
    await fails("INVALID_OPTION", () => index.insertMany({ vectors, ...parts }), /ids|payloads/);
  }
  await fails("INVALID_OPTION", () => index.insertMany({ vectors: [1, 2] }), /vectors/);
  // Its buffer has been transferred, so it is empty.
  structuredClone(vectors, { transfer: [vectors.buffer] });
  assert.deepEqual(await index.insertMany({ vectors }), []);
  await whole(index, 0);
});

test("an async source: a bad row is named, and the rows before it stay", async () => {
  const index = await empty();
  let ended = false;
  async function* source() {
    try {
      for (const vector of VECTORS.slice(0, 7)) yield { vector };
      yield { vector: [1] };
      yield { vector: VECTORS[8] };
    } finally {
      ended = true;
    }
  }
  await fails("DIMENSION_MISMATCH", () => index.insertMany(source()), /row 7\b/);
  await whole(index, 7);
  await pause();
  assert.equal(ended, true, "the source was told to end");
});

test("an exception of the source is the caller's own", async () => {
  const index = await empty();
  const own = new Error("the caller's own");
  const broken = (function* () { yield { vector: VECTORS[0] }; throw own; });
  await assert.rejects(index.insertMany(broken()), (error) => error === own);
  await whole(index, 0);
  await assert.rejects(index.insertMany((async function* () { yield* broken(); })()), (error) => error === own);
  await whole(index, 1);
});

test("an async source is called as `for await` would call it", async () => {
  const index = await empty();
  const asked = (next) => {
    const source = { returned: 0, next, return: () => void (source.returned += 1) };
    return source;
  };
  const rows = (source) => ({ [Symbol.asyncIterator]: () => source });
  // Its answers need not be promises.
  let given = 0;
  const plain = asked(() => (given < 3 ? { done: false, value: { vector: VECTORS[given++] } } : { done: 1 }));
  assert.equal((await index.insertMany(rows(plain))).length, 3);
  // A source that failed or ended is not told that no more rows are wanted.
  const own = new RangeError("the caller's own");
  const failing = asked(() => { throw own; });
  await assert.rejects(index.insertMany(rows(failing)), (error) => error === own);
  const rejecting = asked(async () => { throw own; });
  await assert.rejects(index.insertMany(rows(rejecting)), (error) => error === own);
  assert.deepEqual([plain.returned, failing.returned, rejecting.returned], [0, 0, 0]);
  // An error of its `return` does not hide the error of the row.
  const stubborn = asked(() => ({ done: false, value: { vector: [1] } }));
  stubborn.return = () => { throw own; };
  await fails("DIMENSION_MISMATCH", () => index.insertMany(rows(stubborn)), /row 0/);
  await index.close();
});

test("progress is reported at least once, and ends at the total", async () => {
  const index = await empty();
  const seen = [];
  await index.insertMany(VECTORS.map((vector) => ({ vector })), { onProgress: (progress) => seen.push(progress) });
  assert.ok(seen.length > 1, "3000 rows take more than one slice");
  assert.deepEqual(seen.at(-1), { done: 3000, total: 3000, phase: "insert" });
  for (let i = 1; i < seen.length; i++) assert.ok(seen[i].done > seen[i - 1].done || i === seen.length - 1);
  const none = [];
  await index.insertMany([], { onProgress: (progress) => none.push(progress) });
  assert.deepEqual(none, [{ done: 0, total: 0, phase: "insert" }]);
});

test("an exception of onProgress is the caller's own, and the index is whole", async () => {
  const index = await empty();
  const own = new Error("the caller's own");
  await assert.rejects(index.insertMany(VECTORS.map((vector) => ({ vector })), { onProgress: () => { throw own; } }), (error) => error === own);
  await whole(index, index.size);
  assert.ok(index.size > 0 && index.size < 3000);
});

test("abort: what was inserted stays in a whole index", async () => {
  const index = await empty();
  const controller = new AbortController();
  const rows = VECTORS.map((vector) => ({ vector }));
  const running = index.insertMany(rows, { signal: controller.signal, onProgress: ({ done }) => done > 0 && controller.abort("enough") });
  const error = await fails("ABORTED", () => running);
  assert.equal(error.cause, "enough");
  assert.ok(index.size > 0 && index.size < 3000, `${index.size}`);
  await whole(index, index.size);
  const size = index.size;
  await fails("ABORTED", () => index.insertMany(rows, { signal: AbortSignal.abort() }));
  assert.equal(index.size, size);
});

test("abort and close end the wait for a source that never answers", async () => {
  const index = await empty();
  const silent = () => (async function* () { yield { vector: VECTORS[0] }; await new Promise(() => {}); })();
  const controller = new AbortController();
  const first = index.insertMany(silent(), { signal: controller.signal });
  await pause(5);
  controller.abort();
  await fails("ABORTED", () => first);
  assert.equal(index.size, 1);
  const later = new AbortController();
  const aborting = { get vector() { later.abort(); return VECTORS[1]; } };
  await fails("ABORTED", () => index.insertMany((async function* () { yield aborting; await new Promise(() => {}); })(), { signal: later.signal }));
  assert.equal(index.size, 2);
  const second = index.insertMany(silent());
  await pause(5);
  await index.close();
  await fails("CLOSED", () => second);
});

test("the thread is free between slices: other calls are answered meanwhile", async () => {
  const index = await empty();
  const running = index.insertMany(VECTORS.map((vector, i) => ({ id: `m${i}`, vector })));
  let finished = false;
  void running.then(() => (finished = true));
  let turns = 0;
  while (!finished) {
    await pause();
    if (finished) break;
    turns += 1;
    await index.insertWithId(`between${turns}`, VECTORS[turns]);
    assert.ok((await index.search(VECTORS[0], { k: 3 })).length > 0);
    if (turns === 3) await index.deleteMany(["between1", "between2"]);
  }
  assert.ok(turns >= 3, `${turns} turns`);
  await running;
  await whole(index, 3000 + turns - 2);
});

test("an exception of a row's own getter is the caller's, whatever it looks like, and harms nothing", async () => {
  const { index } = await filled(3);
  const own = Object.assign(new Error("the caller's own"), { code: "ENOENT" });
  const hostile = (name) => Object.defineProperty({ id: "x", vector: VECTORS[0] }, name, { get: () => { throw own; } });
  for (const name of ["id", "vector", "payload"]) {
    const rows = [{ vector: VECTORS[1] }, hostile(name)];
    await assert.rejects(index.insertMany(rows), (error) => error === own);
    assert.equal(index.size, 3);
    await assert.rejects(index.insertMany((async function* () { yield hostile(name); })()), (error) => error === own);
  }
  await whole(index, 3);
});
