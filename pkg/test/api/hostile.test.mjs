// Arguments whose own code runs while a call reads them. They get a typed error, or are taken as they were read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { fails, filled, whole } from "./helpers.mjs";

const DIMENSIONS = 16;
const one = () => new Float32Array(DIMENSIONS).fill(1);
const giveAway = ({ buffer }) => void structuredClone(buffer, { transfer: [buffer] });

/** A payload whose conversion to JSON gives the buffer of `array` away. */
const taking = (array) => ({ toJSON: () => (array.byteLength && giveAway(array), 1) });

/** Says that it has fewer values than it has. */
class Padded extends Float32Array {
  get length() {
    return DIMENSIONS;
  }
}

/** Refused or taken, but every later call works. In a worker the buffers are copied before. */
async function attempted(index, call) {
  const { size } = index;
  const added = await call().then(() => true, (error) => {
    assert.match(error.code, /DIMENSION_MISMATCH|INVALID_OPTION/);
    return false;
  });
  await whole(index, index.size);
  assert.ok(added || index.size === size, "a refused call changes nothing");
  assert.equal(typeof (await index.insert(one())), "number");
}

test("a payload that gives away the buffer of its vector", async () => {
  const { index } = await filled(50);
  const vector = one();
  await attempted(index, () => index.insert(vector, taking(vector)));
  for (const insert of [
    (vector) => index.insertWithId("a", vector, taking(vector)),
    (vector) => index.upsert("b", vector, taking(vector)),
    (vector) => index.insertMany([{ vector, payload: taking(vector) }]),
    (vector) => index.insertMany({ vectors: vector, payloads: [taking(vector)] }),
    (vector) => index.insertMany((async function* () { yield { vector, payload: taking(vector) }; })()),
    (vector) => index.insertMany(Array.from({ length: 30 }, () => ({ vector, payload: taking(vector) }))),
  ]) await attempted(index, () => insert(one()));
  await index.close();
});

test("a row that gives away the buffers of the row before", async () => {
  const { index } = await filled(50);
  const payload = new Uint8Array(8);
  await attempted(index, () => index.insertMany([{ vector: one(), payload }, { vector: one(), payload: taking(payload) }]));
  const vector = one();
  await attempted(index, () => index.insertMany([{ vector }, { vector: one(), payload: taking(vector) }]));
  await index.close();
});

test("a vector or payload whose class says another length", async () => {
  const { index, vectors } = await filled(50);
  const long = new Padded(2 * DIMENSIONS).fill(7e7);
  for (const call of [
    () => index.search(long), () => index.searchMany([long]), () => index.insert(long), () => index.insertMany([{ vector: long }]),
  ]) await fails("DIMENSION_MISMATCH", call, /32|got/);
  const own = Object.defineProperty(new Float32Array(DIMENSIONS + 1), "length", { value: DIMENSIONS });
  await fails("DIMENSION_MISMATCH", () => index.search(own));
  await whole(index, 50);
  for (let i = 0; i < 50; i++) assert.deepEqual((await index.get(`r${i}`)).vector, vectors[i]);
  class Short extends Uint8Array {
    get length() {
      return 2;
    }
  }
  await index.insertWithId("p", one(), Short.from([1, 2, 3, 4]));
  assert.deepEqual((await index.get("p")).payload, new Uint8Array([1, 2, 3, 4]));
  await whole(index, 51);
  await index.close();
});

/** Arguments of some length, which must be long for what overruns the core's memory to be seen. */
const LONG = 4096;

/** Returns an array that says another length after some reads. */
function changing(Class, length, after) {
  let reads = -Infinity;
  class Changing extends Class {
    get length() {
      return ++reads > after ? 1 : length;
    }
  }
  const array = new Changing(length).fill(1);
  reads = 0;
  return array;
}

test("a vector or payload whose class says another length each time", async () => {
  const right = new Float32Array(LONG).fill(1);
  const bytes = new Uint8Array(LONG).fill(1);
  for (let after = 0; after < 12; after++) {
    const index = await VectorIndex.memory({ dimensions: LONG });
    const vector = () => changing(Float32Array, LONG, after);
    const payload = () => changing(Uint8Array, LONG, after);
    const both = () => changing(Float32Array, 2 * LONG, after);
    await index.insertWithId("a", vector());
    await index.insertWithId("b", right, payload());
    await index.upsert("c", vector(), payload());
    await index.insertMany([{ id: "d", vector: vector(), payload: payload() }, { id: "e", vector: vector() }]);
    await index.insertMany({ vectors: both(), ids: ["f", "g"], payloads: [payload(), undefined] });
    await index.insertMany((function* () { yield { id: "h", vector: vector(), payload: payload() }; })());
    await index.insertMany((async function* () { yield { id: "i", vector: vector(), payload: payload() }; })());
    const hits = [...await index.search(vector(), { k: 9 }), ...await index.search(vector(), { k: 9, filter: { a: { $exists: false } } })];
    assert.equal(hits.length, 18);
    assert.equal((await index.searchMany([vector(), vector()], { k: 9 })).ids.length, 18);
    assert.equal((await index.searchMany(both(), { k: 9 })).ids.length, 18);
    for (const id of "abcdefghi") {
      const found = await index.get(id);
      assert.deepEqual(found.vector, right);
      assert.deepEqual(found.payload, "bcdfhi".includes(id) ? bytes : undefined);
    }
    await whole(index, 9);
    await index.close();
  }
});

test("a payload that makes its vector, or a row that makes the one before, say another length", async () => {
  const index = await VectorIndex.memory({ dimensions: LONG });
  const hide = (array, after) => {
    let reads = 0;
    Object.defineProperty(array, "length", { get: () => (++reads > after ? 1 : LONG), configurable: true });
  };
  const devious = (array, after) => ({ toJSON: () => (hide(array, after), 1) });
  let count = 0;
  for (let after = 0; after < 6; after++) {
    const vector = () => new Float32Array(LONG).fill(1);
    for (const call of [
      (one) => index.insert(one, devious(one, after)),
      (one) => index.insertMany([{ vector: one, payload: devious(one, after) }]),
      (one) => index.insertMany([{ vector: one }, { vector: vector(), payload: devious(one, after) }]),
      (one, bytes) => index.insertMany([{ vector: vector(), payload: bytes }, { vector: one, payload: devious(bytes, after) }]),
    ]) await call(vector(), new Uint8Array(LONG));
    count += 6;
    await whole(index, count);
  }
  for (const { vector } of await index.search(new Float32Array(LONG).fill(1), { k: count, include: { vector: true } })) {
    assert.deepEqual(vector, new Float32Array(LONG).fill(1));
  }
  await index.close();
});

test("a vector or payload of a derived class whose buffer has been given away", async () => {
  const { index } = await filled(50);
  const vector = new (class extends Float32Array {})(DIMENSIONS);
  const payload = new (class extends Uint8Array {})(8);
  for (const array of [vector, payload]) giveAway(array);
  for (const call of [() => index.search(vector), () => index.insert(vector), () => index.insertMany([{ vector }])]) {
    await fails("DIMENSION_MISMATCH", call, /got 0/);
  }
  await fails("INVALID_OPTION", () => index.insert(one(), payload), /given away/);
  await fails("INVALID_OPTION", () => index.insertMany([{ vector: one(), payload }]), /given away/);
  await whole(index, 50);
  await index.close();
});

test("an array of numbers that grows while it is read", async () => {
  const { index } = await filled(50);
  const growing = () => {
    const array = Array.from(one());
    Object.defineProperty(array, 3, { enumerable: true, get: () => (array.length < 20 && array.push(1), 1) });
    return array;
  };
  for (const call of [
    () => index.search(growing()), () => index.searchMany([growing(), growing()]), () => index.insert(growing()),
    () => index.insertMany([{ vector: growing() }, { vector: growing() }]),
  ]) await fails("DIMENSION_MISMATCH", call);
  await whole(index, 50);
  await index.close();
});

test("a filter that gives away the buffer of the query", async () => {
  const { index } = await filled(50);
  const query = one();
  const hits = await index.search(query, { k: 3, filter: () => (query.byteLength && giveAway(query), true) });
  assert.equal(hits.length, 3);
  await whole(index, 50);
  await index.close();
});

test("a filter's error reaches the caller as it is, whatever it looks like", async () => {
  const { index, vectors } = await filled(50);
  const errors = [
    { code: "UNTRAINED" }, { blocks: new Uint32Array([0]) }, { code: "DIMENSION_MISMATCH" }, Object.assign(new Error("own"), { code: "OUT_OF_MEMORY" }),
    undefined, null, 5, "text",
  ];
  for (const error of errors) {
    const filter = () => { throw error; };
    for (const call of [() => index.search(vectors[0], { filter }), () => index.searchMany(vectors.slice(0, 3), { filter })]) {
      let thrown = "nothing";
      await call().catch((caught) => (thrown = caught));
      assert.deepEqual(thrown, error);
    }
  }
  await index.close();
});
