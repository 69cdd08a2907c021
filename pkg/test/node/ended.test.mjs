// Calls with many changes that end midway because of a fault of the platform, which takes a test that can replace the
// clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { flat, until, whole } from "./helpers.mjs";
import { MapStore } from "./places.mjs";

/** Runs `call` up to its first pause, with a clock that stands still and fails after being read this many times. */
function withClock(looks, call) {
  const { now } = performance;
  let left = looks;
  performance.now = () => {
    if (left-- === 0) throw new RangeError("the clock has stopped");
    return 0;
  };
  try {
    return call();
  } finally {
    performance.now = now;
  }
}

test("what deleteMany has deleted before it fails is stored without a further change", async () => {
  const store = new MapStore();
  const index = await VectorIndex.open("own", { store, dimensions: 16 });
  const ids = await index.insertMany({ vectors: flat(1000, 16) });
  const { append } = store.calls;
  // All ids are checked first.
  const deleting = withClock(ids.length + 300, () => index.deleteMany(ids));
  await assert.rejects(deleting, RangeError);
  const { size } = index;
  assert.ok(size > 600 && size < 800, `${size} are left`);
  await until(() => store.calls.append > append, "a commit");
  const copy = await VectorIndex.open("own", { store: new MapStore(new Map(store.values)) });
  await whole(copy, size);
  await copy.close();
  await index.close();
});
