import assert from "node:assert/strict";
import { test } from "node:test";
import { Truth } from "../lib/truth.mjs";

const truth = new Truth(Int32Array.of(5, 3, 9, 1, 0, 2, 4, 6), 2);

test("recall is the share of true neighbours found, each counted once", () => {
  assert.equal(truth.recall([5, 3, 2, 0], 2), 1);
  assert.equal(truth.recall([5, 5, 0, -1], 2), 0.5);
  assert.equal(truth.recall([9, 1, 4, 6], 2), 0);
});

test("after deletes, the next neighbours that live count", () => {
  const alive = new Uint8Array(10).fill(1);
  alive[5] = alive[2] = 0;
  assert.deepEqual(truth.nearest(0, 2, alive), [3, 9]);
  assert.equal(truth.recall([3, 9, 0, 4], 2, alive), 1);
  assert.throws(() => truth.nearest(0, 4, alive), /too little/);
});
