// The two wasm files: what each contains, and that they fit together.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { leb, sectionOf, without } from "../build/bytes.mjs";
import { FIRST } from "../build/glue.mjs";
import { Links, slotsOf } from "../build/links.mjs";
import { rootsOf, split } from "../build/split.mjs";
import { PKG } from "./support/project.mjs";

const ELEMENTS = 9;
const made = (name) => readFile(join(PKG, "wasm", name));
const shipped = async (name) => new WebAssembly.Module(await readFile(join(PKG, "dist", name)));
const modules = () => Promise.all(["thermocline.wasm", "thermocline-store.wasm"].map(shipped));
const importsOf = (module, from) => WebAssembly.Module.imports(module).filter((found) => (found.module === FIRST) === (from === FIRST));
const exportsOf = (module) => WebAssembly.Module.exports(module).map(({ name }) => name);

/** Returns the imports that the glue would provide, with functions that are never called while instantiating. */
function glueOf(module) {
  const given = {};
  for (const { module: from, name } of importsOf(module)) (given[from] ??= {})[name] = () => assert.fail(`${name} was called`);
  return given;
}

const contentsOf = (table) => Array.from({ length: table.length }, (_, i) => table.get(i));

test("the second fills only slots and bytes that the first has left empty, and leaves none empty but the null function", async () => {
  const [first, second] = await modules();
  const { exports } = new WebAssembly.Instance(first, glueOf(first));
  const version = WebAssembly.Module.imports(second).find(({ kind, name }) => kind === "table" && name !== "__wbindgen_externrefs").name;
  const table = exports[version];
  const before = contentsOf(table);
  const bytes = new Uint8Array(exports.memory.buffer).slice();
  new WebAssembly.Instance(second, { ...glueOf(second), [FIRST]: exports });
  const after = contentsOf(table);
  const filled = after.filter((value, i) => value !== before[i]);
  assert.ok(filled.length > 30 && before.filter(Boolean).length > 50, `${filled.length} of ${after.length}`);
  before.forEach((value, i) => value && assert.equal(after[i], value, `slot ${i}`));
  assert.deepEqual(after.flatMap((value, i) => (value ? [] : [i])), [0]);
  let written = 0;
  new Uint8Array(exports.memory.buffer).forEach((byte, i) => {
    if (byte === bytes[i]) return;
    written += 1;
    assert.equal(bytes[i], 0, `byte ${i}`);
  });
  assert.ok(written > 2000, `${written} bytes of data`);
});

test("each export is in one of the two, and what the second imports from the first is there", async () => {
  const [first, second] = (await modules()).map(exportsOf);
  const whole = exportsOf(new WebAssembly.Module(await made("generated_bg.wasm")));
  assert.deepEqual([...first, ...second].filter((name) => whole.includes(name)).sort(), whole.sort());
  assert.deepEqual(second.filter((name) => !whole.includes(name)), []);
  const given = new Set(first);
  const [, store] = await modules();
  const asked = importsOf(store, FIRST).map(({ name }) => name);
  assert.ok(asked.length > 20);
  assert.deepEqual(asked.filter((name) => !given.has(name)), []);
});

test("the first asks for nothing of the glue that calls back into the second, nor for a database", async () => {
  const [first, second] = await modules();
  const glue = (await made("glue.js")).toString();
  const bodies = new Map([...glue.matchAll(/\n {8}(i[0-9a-z]+): function[^\n]*\n([^]*?)\n {8}\}/g)].map(([, name, body]) => [name, body]));
  const ofStores = [...bodies].filter(([, body]) => /wasm_bindgen__convert__closures|queueMicrotask|IDB|getObject\w*Store|createObjectStore/.test(body)).map(([name]) => name);
  assert.ok(ofStores.length >= 4, ofStores.join());
  const asked = (module) => importsOf(module).map(({ name }) => name);
  assert.deepEqual(asked(first).filter((name) => ofStores.includes(name)), []);
  for (const name of ofStores) assert.ok(asked(second).includes(name), name);
});

test("slots of the table are split by the linker's report: a search's own are in the first, those of promises and databases in the second", async () => {
  const links = new Links(await made("linked.wasm"));
  const { slots } = links.reachedFrom(rootsOf(links, await made("generated_bg.wasm")));
  const named = (pattern) => [...links.slotNames].filter(([, name]) => pattern.test(name)).map(([slot]) => slot);
  const own = named(/raw_search.*search.*closure/);
  const stores = named(/indexed_db|raw_store|js_sys7futures|index4open6Values/);
  assert.ok(own.length > 0 && stores.length > 10, `${own} and ${stores}`);
  for (const slot of own) assert.ok(slots.has(slot), links.slotNames.get(slot));
  for (const slot of stores) assert.ok(!slots.has(slot), links.slotNames.get(slot));
});

test("the split is refused without the linker's report, and when the table or an export is not as expected", async () => {
  const [linked, generated] = await Promise.all([made("linked.wasm"), made("generated_bg.wasm")]);
  assert.throws(() => split(without(linked, /^reloc\./), generated), /no section reloc/);
  // Slots from 1 on, each with the function of the next slot.
  const functions = slotsOf(generated).map(([, index]) => index);
  const slots = Buffer.concat([Uint8Array.of(1, 0, 0x41, 1, 0x0b), ...[functions.length, ...functions.slice(1), functions[0]].map(leb)]);
  const { start, end } = sectionOf(generated, ELEMENTS);
  const moved = Buffer.concat([generated.subarray(0, start), Uint8Array.of(ELEMENTS), leb(slots.length), slots, generated.subarray(end)]);
  assert.throws(() => split(linked, moved), /the table is not the linker's any more/);
  const renamed = Buffer.from(generated);
  renamed.write("rawindex_closeShore", renamed.indexOf("rawindex_closeStore"));
  assert.throws(() => split(linked, renamed), /does not export rawindex_closeStore/);
});
