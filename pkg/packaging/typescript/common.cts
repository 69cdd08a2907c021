// The same declarations, as CommonJS sees them.
import thermocline = require("thermocline");

export async function open(): Promise<number> {
  const index: thermocline.VectorIndex = await thermocline.VectorIndex.memory({ dimensions: 3 });
  return index.size;
}
