// Runs in a worker: everything that an index with threads returns from, or accepts into, its shared memory.
import { VectorIndex } from "./node_modules/thermocline/dist/threads.browser.js";

async function seen() {
  const dimensions = 8;
  const vectors = Float32Array.from({ length: 2000 * dimensions }, (_, i) => Math.sin(i * 1.7 + (i % dimensions) ** 2));
  const index = await VectorIndex.memory({ dimensions, threads: 3 });
  const ids = Array.from({ length: 2000 }, (_, i) => `é${i}`);
  await index.insertMany({ vectors, ids, payloads: ids.map((_, i) => (i % 2 ? new Uint8Array([i]) : { i })) });
  const { distances, offsets, ids: found } = await index.searchMany(vectors.subarray(0, 500 * dimensions), { k: 1 });
  const { vector, payload } = await index.get("é4");
  const filtered = await index.search(vectors.subarray(0, dimensions), { k: 2000, filter: { i: { $lt: 500 } } });
  await index.deleteMany(ids.slice(0, 500));
  const { tombstonesRemoved } = await index.compact({ erase: true });
  await index.reload();
  await index.searchMany(vectors, { k: 1 });
  const { ok } = await index.check();
  const bytes = await index.export();
  const copy = await VectorIndex.import(bytes, { threads: 2 });
  const { size } = copy;
  const given = [distances, offsets, vector, (await copy.get("é501")).payload, bytes];
  await Promise.all([index.close(), copy.close()]);
  const isShared = given.some(({ buffer }) => buffer instanceof SharedArrayBuffer);
  return { many: found.length, vector: vector.length, payload, filtered: filtered.length, removed: tombstonesRemoved, ok, size, isShared };
}

seen().then(postMessage, ({ code, message }) => postMessage(code ?? message));
