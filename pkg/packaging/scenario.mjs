// What every throw-away project does with both entries of the package; it is copied into each. Returns what it saw.
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
  const refusal = await worker.VectorIndex.open("notes").catch((thrown) => thrown);
  const seen = {
    number,
    nearest: hits.map((hit) => hit.id),
    payload: [...hits[0].payload],
    filtered: filtered.map((hit) => hit.id),
    removed: report.tombstonesRemoved,
    copied: copy.size,
    error: [error instanceof ThermoclineError, error.name, error.code],
    worker: [refusal instanceof worker.ThermoclineError, refusal.name, refusal.code],
    simd: (await index.stats()).simd,
  };
  await index.close();
  await copy.close();
  // In a browser IndexedDB, in Node a directory of the project.
  const kept = await VectorIndex.import(bytes, { name: "kept" });
  await kept.close();
  const reopened = await VectorIndex.open("kept");
  seen.kept = reopened.size;
  await reopened.close();
  await VectorIndex.destroy("kept");
  return seen;
}

/** What it must see, wherever it runs. */
export const EXPECTED = {
  number: 0,
  nearest: ["east", 0],
  payload: [1, 2, 3],
  filtered: ["north"],
  removed: 1,
  copied: 2,
  error: [true, "ThermoclineError", "DIMENSION_MISMATCH"],
  worker: [true, "ThermoclineError", "INVALID_OPTION"],
  simd: "simd128",
  kept: 2,
};
