import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readNpy } from "../lib/npy.mjs";
import { Random } from "../lib/random.mjs";
import { synthesize } from "../lib/synthetic.mjs";

function npy(type, shape, body) {
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`.padEnd(117) + "\n";
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), Buffer.from([header.length, 0]), Buffer.from(header, "latin1"), body]);
}

test("an .npy file of halves is read as numbers, a wrong one is refused", () => {
  const folder = mkdtempSync(join(tmpdir(), "npy-"));
  const path = join(folder, "a.npy");
  try {
    const halves = Buffer.from(Uint16Array.of(0x3c00, 0xc000, 0x3555, 0x0001, 0x0000, 0x7bff).buffer);
    writeFileSync(path, npy("<f2", [2, 3], halves));
    const { shape, data } = readNpy(path);
    assert.deepEqual(shape, [2, 3]);
    assert.deepEqual([...data], [1, -2, 0.333251953125, 2 ** -24, 0, 65504]);
    writeFileSync(path, npy("<f2", [2, 4], halves));
    assert.throws(() => readNpy(path), /6 elements/);
    writeFileSync(path, npy(">f8", [2, 3], halves));
    assert.throws(() => readNpy(path), /type >f8/);
    writeFileSync(path, "no such thing");
    assert.throws(() => readNpy(path), /not a .npy file/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a synthetic set is the same for the same seed, and its queries are not its rows", () => {
  const asked = { rows: 50, queries: 5, dimensions: 32, seed: 1 };
  const one = synthesize(asked);
  assert.deepEqual(one, synthesize(asked));
  assert.notDeepEqual(one.base, synthesize({ ...asked, seed: 2 }).base);
  assert.deepEqual(one.base, synthesize({ ...asked, rows: 80 }).base.slice(0, one.base.length), "a smaller set is a larger one's beginning");
  assert.notDeepEqual(one.queries, one.base.slice(0, one.queries.length));
});

test("normal numbers have mean 0 and variance 1", () => {
  const random = new Random(5);
  const values = Array.from({ length: 20_000 }, () => random.normal());
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length - mean * mean;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05, `${mean} ${variance}`);
});
