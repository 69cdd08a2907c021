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
