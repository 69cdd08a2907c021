// The wasm files that the crate's one is cut into: what each contains, and that they fit together.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { leb, sectionOf, without } from "../build/bytes.mjs";
import { FIRST } from "../build/glue.mjs";
import { Links, slotsOf } from "../build/links.mjs";
import { UNUSED, rootsOf, split } from "../build/split.mjs";
import { PKG } from "./support/project.mjs";

const ELEMENTS = 9;
const made = (name) => readFile(join(PKG, "wasm", name));
const shipped = async (name) => new WebAssembly.Module(await readFile(join(PKG, "dist", name)));
const modules = () => Promise.all(["thermocline.wasm", "thermocline-store.wasm", "thermocline-bulk.wasm"].map(shipped));
const importsOf = (module, from) => WebAssembly.Module.imports(module).filter((found) => (found.module === FIRST) === (from === FIRST));
const exportsOf = (module) => WebAssembly.Module.exports(module).map(({ name }) => name);

/** Returns the imports that the glue would provide, with functions that are never called while instantiating. */
function glueOf(module) {
  const given = {};
  for (const { module: from, name } of importsOf(module)) (given[from] ??= {})[name] = () => assert.fail(`${name} was called`);
  return given;
}

const contentsOf = (table) => Array.from({ length: table.length }, (_, i) => table.get(i));

/** Returns the addresses of the bytes that differ. */
function changed(before, after) {
  const found = [];
  before.forEach((byte, i) => byte !== after[i] && found.push(i));
  return found;
}

const FURTHER = { store: [1], bulk: [2], "store, then bulk": [1, 2], "bulk, then store": [2, 1] };
for (const [what, order] of Object.entries(FURTHER)) {
  test(`the parts fill only slots and bytes that the first has left empty: ${what}`, async () => {
    const all = await modules();
    const [first] = all;
    const { exports } = new WebAssembly.Instance(first, glueOf(first));
    const isVersion = ({ kind, name }) => kind === "table" && name !== "__wbindgen_externrefs";
    const [version, ...others] = new Set(all.slice(1).map((part) => WebAssembly.Module.imports(part).find(isVersion).name));
    assert.deepEqual(others, []);
    const table = exports[version];
    const [before, bytes] = [contentsOf(table), new Uint8Array(exports.memory.buffer).slice()];
    assert.ok(before.filter(Boolean).length > 50);
    for (const i of order) {
      const [slots, sofar] = [contentsOf(table), new Uint8Array(exports.memory.buffer).slice()];
      new WebAssembly.Instance(all[i], { ...glueOf(all[i]), [FIRST]: exports });
      const [fewest, least] = i === 1 ? [30, 2000] : [1, 1];
      const filled = contentsOf(table).filter((value, i) => value !== slots[i]).length;
      const written = changed(sofar, new Uint8Array(exports.memory.buffer));
      assert.ok(filled >= fewest && written.length >= least, `${filled} slots and ${written.length} bytes`);
      // What another part has written before is what this one writes, too.
      for (const at of written) assert.equal(sofar[at], 0, `byte ${at}`);
    }
    const after = contentsOf(table);
    before.forEach((value, i) => value && assert.equal(after[i], value, `slot ${i}`));
    for (const at of changed(bytes, new Uint8Array(exports.memory.buffer))) assert.equal(bytes[at], 0, `byte ${at}`);
    if (order.length === 2) assert.deepEqual(after.flatMap((value, i) => (value ? [] : [i])), [0], "only the null function is left");
  });
}

test("each export is in one of the files, and what the parts import from the first is there", async () => {
  const [first, ...parts] = (await modules()).map(exportsOf);
  const whole = exportsOf(new WebAssembly.Module(await made("generated_bg.wasm"))).filter((name) => !UNUSED.includes(name));
  assert.deepEqual([first, parts].flat(2).filter((name) => whole.includes(name)).sort(), whole.sort());
  assert.deepEqual(parts.flat().filter((name) => !whole.includes(name)), []);
  const ofBulk = ["beginBulk", "carried", "carry", "endBulk", "packStart", "take"].map((name) => `rawindex_${name}`);
  assert.deepEqual(parts[1].sort(), ofBulk);
  const given = new Set(first);
  for (const [i, part] of (await modules()).slice(1).entries()) {
    const asked = importsOf(part, FIRST).map(({ name }) => name);
    assert.ok(asked.length > [20, 3][i]);
    assert.deepEqual(asked.filter((name) => !given.has(name)), []);
  }
});

test("no part but the store's asks the glue for anything that calls back", async () => {
  const [, , bulk] = await modules();
  for (const { name } of importsOf(bulk)) assert.match(name, /^i[0-9a-z]+$/);
});

test("the code of a bulk build is in its file alone", async () => {
  const links = new Links(await made("linked.wasm"));
  const [firsts, stores, bulks] = rootsOf(links, await made("generated_bg.wasm")).map((roots) => links.reachedFrom(roots).slots);
  // Functions that are equal are linked as one, under any of their names, so those of a few instructions tell nothing.
  const own = [...links.slotNames].filter(([, name]) => /index\W*\d?bulk\W*\d?step|BlockSpace/.test(name)).map(([slot]) => slot);
  assert.ok(own.length > 2, `${own}`);
  for (const slot of own) assert.deepEqual([firsts, stores, bulks].map((slots) => slots.has(slot)), [false, false, true], links.slotNames.get(slot));
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
  const [roots] = rootsOf(links, await made("generated_bg.wasm"));
  const { slots } = links.reachedFrom(roots);
  const named = (pattern) => [...links.slotNames].filter(([, name]) => pattern.test(name)).map(([slot]) => slot);
  const own = named(/raw_search.*search.*closure/);
  const stores = [/indexed_db/, /raw_store/, /js_sys7futures/, /stored\W*\d?open\W*\d?Values/].map(named);
  assert.ok(own.length > 0 && stores.every((slots) => slots.length > 2), `${own} and ${stores.join(" and ")}`);
  for (const slot of own) assert.ok(slots.has(slot), links.slotNames.get(slot));
  for (const slot of stores.flat()) assert.ok(!slots.has(slot), links.slotNames.get(slot));
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
