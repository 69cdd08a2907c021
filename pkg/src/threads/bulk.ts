// As ../bulk.ts, for an index with threads, which plan the links of many records at once instead.
import type { Handle } from "../handle.js";
import type { RawIndex, RawIndexClass } from "../raw.js";
import type { Keeper } from "../stored/keeper.js";

export function inBulk(
  _handle: Handle, _keeper: Keeper | undefined, _length: number, _dimensions: number, insert: () => Promise<void>,
): Promise<void> {
  return insert();
}

/** Nothing: no such index is in a store. */
export async function resumeBulk(_handle: Handle): Promise<void> {}

/** Always: this module has all code. */
export function canPack(_raw: RawIndex): boolean {
  return true;
}

export async function loadCarrying(_handle: Handle, _Other: RawIndexClass): Promise<boolean> {
  return true;
}

export async function loadPacking(_handle: Handle, _signal: AbortSignal | undefined): Promise<boolean> {
  return true;
}
