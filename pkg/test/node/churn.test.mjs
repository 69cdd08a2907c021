// Records that come and go: memory is reused, so the WebAssembly memory stays near what is needed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { flat, random, rowsOf, whole } from "./helpers.mjs";

const DIMENSIONS = 64;
/**
 * 50 MB of records. The WebAssembly memory is 5 to 6 MB larger than the live records, whatever their number: 1.10 times
 * as large with these, 1.15 with 7,500 of them and 1.23 with 5,000.
 */
const LIVE = 10_000;
const PAYLOAD = [3000, 6000];
const CYCLES = 100;
const MOVED = LIVE / 20;

test(`${CYCLES} cycles of deleting, compacting and inserting need at most a quarter more memory than the live records`, async (t) => {
  const vectors = rowsOf(flat(LIVE, DIMENSIONS), DIMENSIONS);
  const index = await VectorIndex.memory({ dimensions: DIMENSIONS, m: 8, efConstruction: 16 });
  const pick = random(3);
  const length = () => PAYLOAD[0] + Math.floor(pick() * (PAYLOAD[1] - PAYLOAD[0]));
  const row = (i) => ({ vector: vectors[i % LIVE], payload: new Uint8Array(length()).fill(i) });
  const payloadBytes = new Map();
  const insert = async (rows) => {
    const ids = await index.insertMany(rows);
    ids.forEach((id, i) => payloadBytes.set(id, rows[i].payload.length));
    return ids;
  };
  const live = await insert(vectors.map((_, i) => row(i)));
  /** The bytes of the live records alone: payloads, vectors, codes, links and ids. */
  const needed = async () => {
    const payloads = live.reduce((sum, id) => sum + payloadBytes.get(id), 0);
    return payloads + live.length * (4 * DIMENSIONS + (await index.stats()).bytesPerVector);
  };
  let most = await needed();
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const leaving = Array.from({ length: MOVED }, () => live.splice(Math.floor(pick() * live.length), 1)[0]);
    await index.deleteMany(leaving);
    await index.compact({ sliceMs: 50 });
    live.push(...(await insert(leaving.map((_, i) => row(cycle * MOVED + i)))));
    most = Math.max(most, await needed());
  }
  const { wasmMemoryBytes } = await index.stats();
  assert.ok(most > 20e6, `${most} bytes of live records`);
  assert.ok(wasmMemoryBytes <= 1.25 * most, `${wasmMemoryBytes} bytes for ${most}`);
  t.diagnostic(`${(wasmMemoryBytes / most).toFixed(3)} times the live records`);
  await whole(index, LIVE);
  await index.close();
});
