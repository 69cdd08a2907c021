// Turns a caller's vector into a Float32Array of the right length. The core checks the values, since it reads each of
// them anyway.
import { fail, isPlain, shown, typedArrayName } from "./guard.js";

/** Returns the vector for the core: the caller's own plain Float32Array, or a copy of its array. */
export function vectorOf(value: unknown, dimensions: number): Float32Array {
  if (typedArrayName(value) === "Float32Array") return checkLength(value as Float32Array, dimensions);
  if (Array.isArray(value)) {
    checkCount(value.length, dimensions);
    for (let i = 0; i < dimensions; i++) {
      if (typeof value[i] !== "number") fail("INVALID_VECTOR", `vector[${i}]: expected a finite number, got ${shown(value[i])}`);
    }
    // Reading the numbers may have run code of the caller that changes their number.
    return checkLength(new Float32Array(value), dimensions);
  }
  fail("INVALID_VECTOR", `vector: expected a Float32Array or an array of numbers, got ${shown(value)}`);
}

/** Returns the array itself if it is plain, or an equal one; an empty one if its buffer has been transferred. */
export function plainOf(array: Float32Array): Float32Array {
  if (isPlain(array, Float32Array)) return array;
  try {
    return new Float32Array(array);
  } catch {
    return new Float32Array();
  }
}

/**
 * Returns the vector as a plain array. DIMENSION_MISMATCH if it has another length. Call it again after code of the
 * caller may have run.
 */
export function checkLength(vector: Float32Array, dimensions: number): Float32Array {
  const plain = plainOf(vector);
  checkCount(plain.length, dimensions);
  return plain;
}

function checkCount(found: number, dimensions: number): void {
  if (found !== dimensions) fail("DIMENSION_MISMATCH", `vector: expected ${dimensions} dimensions, got ${found}`);
}
