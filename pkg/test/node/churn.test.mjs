// Records that come and go: memory is reused, so the WebAssembly memory stays near what is needed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { flat, random, rowsOf, whole } from "./helpers.mjs";

const DIMENSIONS = 64;
const LIVE = 5000;
const CYCLES = 100;
const MOVED = LIVE / 20;
/** Large, so that the few megabytes that an index takes besides its records hardly count. */
const PAYLOAD = [3000, 6000];

test(`${CYCLES} cycles of deleting, compacting and inserting need at most a quarter more memory than the live records`, async () => {
  const vectors = rowsOf(flat(LIVE, DIMENSIONS), DIMENSIONS);
  const index = await VectorIndex.memory({ dimensions: DIMENSIONS, m: 8, efConstruction: 16 });
  const pick = random(3);
  const length = () => PAYLOAD[0] + Math.floor(pick() * (PAYLOAD[1] - PAYLOAD[0]));
  const row = (i) => ({ vector: vectors[i % LIVE], payload: new Uint8Array(length()).fill(i) });
  const live = await index.insertMany(vectors.map((_, i) => row(i)));
  const needed = async () => (await index.stats()).bytes.total;
  let most = await needed();
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const leaving = Array.from({ length: MOVED }, () => live.splice(Math.floor(pick() * live.length), 1)[0]);
    await index.deleteMany(leaving);
    await index.compact({ sliceMs: 50 });
    live.push(...(await index.insertMany(leaving.map((_, i) => row(cycle * MOVED + i)))));
    most = Math.max(most, await needed());
  }
  const { wasmMemoryBytes } = await index.stats();
  assert.ok(wasmMemoryBytes <= 1.25 * most, `${wasmMemoryBytes} bytes for ${most}`);
  await whole(index, LIVE);
  await index.close();
});
