// Disassembles the first shipped wasm file and checks that the hot functions of searching and inserting use vector
// instructions. The functions are found by the call graph, because names are stripped.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { assemble, disassemble, moduleOf, reachable } from "./support/wasm.mjs";
import { PKG } from "./support/project.mjs";

/** The exports that compute distances, each of which must reach the kernels. */
const VERBS = ["rawindex_search", "rawindex_put"];

/** The instructions of a kernel's loop. Codes are compared four at a time, so there is at least one such loop. */
const INT8 = ["i32x4.dot_i16x8_s", "i16x8.shr_s"];
const FLOAT32 = ["f32x4.mul", "f32x4.add"];

/**
 * Returns true for what an int8 kernel without vectors would look like: bytes or words extended one by one, multiplied
 * and added in a loop.
 */
function isScalarKernel({ instructions, hasLoop }) {
  const count = (name) => instructions.get(name) ?? 0;
  return hasLoop && count("i32.load8_s") + count("i32.load16_s") >= 4 && count("i32.mul") >= 4 && !count("i32x4.dot_i16x8_s");
}

/** Returns what is wrong with a module; nothing if its hot functions use vector instructions. */
function complaints(module) {
  const found = [];
  for (const verb of VERBS) {
    const functions = reachable(module, verb);
    const count = (name) => functions.reduce((sum, { instructions }) => sum + (instructions.get(name) ?? 0), 0);
    for (const name of INT8) {
      const kernels = functions.filter(({ instructions, hasLoop }) => hasLoop && instructions.has(name));
      if (kernels.length < 1) found.push(`${verb}: ${name} in no function with a loop`);
    }
    for (const name of [...INT8, ...FLOAT32]) {
      if (count(name) < 4) found.push(`${verb}: ${name} ${count(name)} times, expected 4 or more`);
    }
    const scalar = functions.filter(isScalarKernel).length;
    if (scalar) found.push(`${verb}: ${scalar} functions compute with int8 one by one`);
  }
  return found;
}

test("the hot functions of the shipped wasm file compute with vector instructions", async () => {
  const module = moduleOf(await disassemble(join(PKG, "dist/thermocline.wasm")));
  assert.ok(module.functions.size > 100, `${module.functions.size} functions: not the whole module`);
  assert.deepEqual(complaints(module), []);
});

test("a verb that does not compute distances reaches fewer kernels, so reaching them means something", async () => {
  const module = moduleOf(await disassemble(join(PKG, "dist/thermocline.wasm")));
  for (const verb of ["rawindex_delete", "rawindex_locate", "rawindex_stats"]) {
    const functions = reachable(module, verb);
    assert.ok(!functions.some(({ instructions }) => instructions.has("i32x4.dot_i16x8_s")), verb);
  }
});

test("the wasm file of stores computes no distances", async () => {
  const stores = moduleOf(await disassemble(join(PKG, "dist/thermocline-store.wasm")));
  assert.ok(stores.functions.size > 50, `${stores.functions.size} functions`);
  for (const [name, { instructions }] of stores.functions) assert.ok(!instructions.has("i32x4.dot_i16x8_s"), name);
  for (const verb of VERBS) assert.ok(!stores.exports.has(verb), verb);
});

test("the check finds fault with a module that computes without them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "thermocline-wat-"));
  try {
    const component = "(local.set $sum (i32.add (local.get $sum) (i32.mul (i32.load8_s (local.get $a)) (i32.load8_s (local.get $b)))))";
    const kernel = `(func $kernel (param $a i32) (param $b i32) (result i32) (local $sum i32)
      (loop $next ${component.repeat(4)}
        (br_if $next (local.tee $a (i32.sub (local.get $a) (i32.const 1)))))
      (local.get $sum))`;
    // Vector instructions in a function that no export calls do not count.
    const idle = `(func $idle (export "idle") (param $v v128) (result v128) (loop $l (br_if $l (i32.const 0)))
      (i32x4.dot_i16x8_s (local.get $v) (i16x8.shr_s (local.get $v) (i32.const 4))))`;
    const verbs = VERBS.map((verb) => `(func (export "${verb}") (result i32) (call $kernel (i32.const 1) (i32.const 2)))`);
    await writeFile(join(folder, "scalar.wat"), `(module (memory 1) ${kernel} ${idle} ${verbs.join("\n")})`);
    await assemble(join(folder, "scalar.wat"), join(folder, "scalar.wasm"));
    const found = complaints(moduleOf(await disassemble(join(folder, "scalar.wasm"))));
    for (const verb of VERBS) {
      for (const name of [...INT8, ...FLOAT32]) assert.ok(found.some((text) => text.startsWith(`${verb}: ${name} `)), `${verb}: ${name} in ${found}`);
      assert.ok(found.includes(`${verb}: 1 functions compute with int8 one by one`), found.join("\n"));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
