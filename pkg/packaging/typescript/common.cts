// The same declarations, as seen by CommonJS.
import thermocline = require("thermocline");
import worker = require("thermocline/worker");

export async function open(): Promise<number> {
  const index: thermocline.VectorIndex = await thermocline.VectorIndex.memory({ dimensions: 3 });
  return index.size;
}

export const off = (): Promise<worker.VectorIndex> => worker.VectorIndex.memory({ dimensions: 3 });
