// Reads the NumPy .npy files that the data sets use: little-endian float16, float32 and int32 in C order.
import { readFileSync } from "node:fs";

/** Returns `{ shape, data }`; float16 becomes a Float32Array. */
export function readNpy(path) {
  const bytes = readFileSync(path);
  if (bytes.length < 12 || bytes.toString("latin1", 0, 6) !== "\x93NUMPY") throw new Error(`${path} is not a .npy file`);
  const wide = bytes[6] >= 2;
  const start = wide ? 12 : 10;
  const end = start + (wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  const header = bytes.toString("latin1", start, end);
  const type = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1].split(",").filter((part) => part.trim()).map(Number);
  if (!type || !shape || /'fortran_order':\s*True/.test(header)) throw new Error(`${path}: a header this reader does not know: ${header}`);
  const body = bytes.buffer.slice(bytes.byteOffset + end, bytes.byteOffset + bytes.length);
  const data = { "<f2": halves, "<f4": (b) => new Float32Array(b), "<i4": (b) => new Int32Array(b) }[type]?.(body);
  if (!data) throw new Error(`${path}: elements of type ${type}, expected <f2, <f4 or <i4`);
  if (data.length !== shape.reduce((a, b) => a * b, 1)) throw new Error(`${path}: ${data.length} elements, its header says ${shape}`);
  return { shape, data };
}

function halves(buffer) {
  const table = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) table[bits] = half(bits);
  return Float32Array.from(new Uint16Array(buffer), (bits) => table[bits]);
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
