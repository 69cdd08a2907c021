// Reads NumPy's .npy files (format 1.0 to 3.0) of float16 and float32, in Node and in browsers alike.

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"

/** One IEEE 754 half-precision value from its 16 bits. Exact: every float16 is also a float32. */
export function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// With 65,536 possible inputs, a table that is built once is faster than the arithmetic.
let halves;
function halfTable() {
  halves ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToFloat(bits));
  return halves;
}

/**
 * Decodes a two-dimensional .npy file.
 * @param {Uint8Array} bytes the whole file
 * @returns {{ rows: number, columns: number, values: Float32Array }} row-major values
 */
export function decodeNpy(bytes) {
  if (MAGIC.some((byte, at) => bytes[at] !== byte)) throw new Error("not an .npy file: its first six bytes differ");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[6] >= 2;
  const headerAt = wide ? 12 : 10;
  const dataAt = headerAt + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(headerAt, dataAt));

  const type = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const shape = /'shape':\s*\((\d+),\s*(\d+)\)/.exec(header);
  if (!shape || !header.includes("'fortran_order': False")) throw new Error(`expected a row-major matrix, got ${header.trim()}`);
  const [rows, columns] = [Number(shape[1]), Number(shape[2])];

  const width = { "<f2": 2, "<f4": 4 }[type];
  if (!width) throw new Error(`expected <f2 or <f4 values, got ${type}`);
  if (bytes.byteLength < dataAt + rows * columns * width) throw new Error("the .npy file is cut short");

  const values = new Float32Array(rows * columns);
  if (width === 2) {
    const table = halfTable();
    for (let i = 0, at = dataAt; i < values.length; i++, at += 2) values[i] = table[view.getUint16(at, true)];
  } else {
    for (let i = 0, at = dataAt; i < values.length; i++, at += 4) values[i] = view.getFloat32(at, true);
  }
  return { rows, columns, values };
}

/** Scales every row to unit length, in place: float16 rounding leaves norms a little off 1. */
export function normalizeRows(values, columns) {
  for (let start = 0; start < values.length; start += columns) {
    let sum = 0;
    for (let i = start; i < start + columns; i++) sum += values[i] * values[i];
    const scale = sum > 0 ? 1 / Math.sqrt(sum) : 1;
    for (let i = start; i < start + columns; i++) values[i] *= scale;
  }
  return values;
}
