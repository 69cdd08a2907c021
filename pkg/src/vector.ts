// Turns a caller's vector into a Float32Array of the right length. The core checks the values, since it reads each of
// them anyway.
import { fail, lengthOf, shown, typedArrayName } from "./guard.js";

/** Returns the vector for the core: the caller's own Float32Array, or a copy of its array of numbers. */
export function vectorOf(value: unknown, dimensions: number): Float32Array {
  if (typedArrayName(value) === "Float32Array") return checkLength(value as Float32Array, dimensions);
  if (Array.isArray(value)) {
    checkLength(value, dimensions);
    for (let i = 0; i < dimensions; i++) {
      if (typeof value[i] !== "number") fail("INVALID_VECTOR", `vector[${i}]: expected a finite number, got ${shown(value[i])}`);
    }
    // Reading the numbers may have run code of the caller that changes their number.
    return checkLength(new Float32Array(value), dimensions);
  }
  fail("INVALID_VECTOR", `vector: expected a Float32Array or an array of numbers, got ${shown(value)}`);
}

/**
 * Throws DIMENSION_MISMATCH if a vector has another length. The core copies the number of values that `length` says, so
 * a class must not say less than there are.
 */
export function checkLength<T extends ArrayLike<number>>(vector: T, dimensions: number): T {
  const { length } = vector;
  const found = length === dimensions && ArrayBuffer.isView(vector) ? lengthOf(vector) : length;
  if (found !== dimensions) fail("DIMENSION_MISMATCH", `vector: expected ${dimensions} dimensions, got ${found}`);
  return vector;
}
