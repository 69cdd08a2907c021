// As ../bulk.ts, for an index with threads, which plan the links of many records at once instead.
import type { Handle } from "../handle.js";

export function inBulk(
  _handle: Handle, _length: number, _dimensions: number, insert: () => Promise<void>,
): Promise<void> {
  return insert();
}
