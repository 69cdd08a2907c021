// The scenario that every throw-away project runs with both entries of the package; copied into each. Returns what it
// observed.
export async function scenario({ VectorIndex, ThermoclineError }, worker) {
  const index = await VectorIndex.memory({ dimensions: 4 });
  await index.insertWithId("north", [0, 1, 0, 0], { title: "north" });
  await index.insertWithId("east", Float32Array.of(1, 0, 0, 0), new Uint8Array([1, 2, 3]));
  const number = await index.insert([0.9, 0.1, 0, 0]);
  const hits = await index.search([1, 0, 0, 0], { k: 2 });
  const filtered = await index.search([1, 0, 0, 0], { filter: { title: { $in: ["north", "south"] } } });
  await index.delete("north");
  const report = await index.compact();
  const bytes = await index.export();
  const copy = await VectorIndex.import(bytes);
  const error = await index.insert([1, 2]).catch((thrown) => thrown);
  const seen = {
    number,
    nearest: hits.map((hit) => hit.id),
    payload: [...hits[0].payload],
    filtered: filtered.map((hit) => hit.id),
    removed: report.tombstonesRemoved,
    copied: copy.size,
    error: [error instanceof ThermoclineError, error.name, error.code],
    simd: (await index.stats()).simd,
  };
  await index.close();
  await copy.close();
  // IndexedDB in a browser, a directory of the project in Node.
  const kept = await VectorIndex.import(bytes, { name: "kept" });
  await kept.close();
  const reopened = await VectorIndex.open("kept");
  seen.kept = reopened.size;
  await reopened.close();
  await VectorIndex.destroy("kept");
  seen.worker = await inWorker(worker, ThermoclineError);
  return seen;
}

/** The result expected everywhere. */
export const EXPECTED = {
  number: 0,
  nearest: ["east", 0],
  payload: [1, 2, 3],
  filtered: ["north"],
  removed: 1,
  copied: 2,
  error: [true, "ThermoclineError", "DIMENSION_MISMATCH"],
  simd: "simd128",
  kept: 2,
  worker: { ids: ["north", "east", 0], filtered: [0], nearest: "east", metrics: true, error: [true, "ThermoclineError", "INVALID_FILTER"], kept: 3 },
};

/** The same with "thermocline/worker", and all the scripts and files that it may load. */
async function inWorker({ VectorIndex }, ThermoclineError) {
  const index = await VectorIndex.open("kept in a worker", { dimensions: 4 });
  const ids = await index.insertMany([{ id: "north", vector: [0, 1, 0, 0] }, { id: "east", vector: [1, 0, 0, 0] }, { vector: [0, 0, 1, 0], payload: { title: "up" } }]);
  const filtered = await index.search([1, 0, 0, 0], { filter: { title: "up" } });
  const [{ id: nearest }] = await index.search([0.9, 0.1, 0, 0], { k: 1 });
  const error = await index.search([1, 0, 0, 0], { filter: () => true }).catch((thrown) => thrown);
  const metrics = (await index.metrics()).includes("thermocline_records 3");
  await index.close();
  const reopened = await VectorIndex.open("kept in a worker");
  const kept = reopened.size;
  await reopened.close();
  await VectorIndex.destroy("kept in a worker");
  return { ids, filtered: filtered.map((hit) => hit.id), nearest, metrics, error: [error instanceof ThermoclineError, error.name, error.code], kept };
}
