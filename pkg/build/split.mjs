// Cuts the wasm file in two: the first contains what an index in memory needs, the second what only a stored index
// needs. The second is instantiated on top of the first, and imports its memory, tables and functions. Each function is
// in only one of the two, so a page that stores nothing downloads and compiles no code for storing.
//
// The content of the second file is not listed but derived from the few exports that only a stored index has (STORE):
//
//  - A function belongs to it unless it can be reached from the other exports or from a slot of the table that belongs
//    to the first file.
//  - A slot of the table belongs to it unless code or data that the other exports reach uses the slot as a value. So
//    nothing in the first file can contain the number of such a slot: it is in no instruction and no vtable of the
//    first, and values that the second creates do not exist before the second does. Calling such a slot would trap
//    anyway, since it is empty.
//  - A piece of data belongs to it unless that code and data refer to it.
//
// The last two are known from the linker (links.mjs), the first from the calls in the file.
import { createHash } from "node:crypto";
import binaryen from "binaryen";
import { sectionOf } from "./bytes.mjs";
import { FIRST } from "./glue.mjs";
import { Links, slotsOf } from "./links.mjs";

/**
 * Exports that only a stored index has: those of src/wasm/raw_store.rs, and what the glue calls when a promise or a
 * request is settled.
 */
const STORE = [
  "rawindex_openIndexedDb", "rawindex_openStore", "rawindex_destroyIndexedDb",
  "rawindex_attachIndexedDb", "rawindex_attachStore",
  "rawindex_isStored", "rawindex_readOnly", "rawindex_hasUncommitted", "rawindex_overBudget", "rawindex_checkpointDue",
  "rawindex_fetch", "rawindex_exportStored", "rawindex_readAhead",
  "rawindex_hold", "rawindex_commit", "rawindex_checkpoint", "rawindex_compactStore", "rawindex_closeStore",
  "__wbindgen_destroy_closure",
];
const isStores = (name) => STORE.includes(name) || name.startsWith("wasm_bindgen__convert__closures_");

const STACK = "__stack_pointer";
/** The table of JavaScript values. */
const OBJECTS = "__wbindgen_externrefs";
const MEMORY = "0";
/** Longest gap of unwanted data that costs less in the first file than an additional segment. */
const SEGMENT_BYTES = 12;
/** Bytes at the beginning of the memory that `--low-memory-unused` (../build.mjs) assumes to be unused. */
const LOW_BYTES = 1024;
const { Features } = binaryen;
/** The features that WASM_OPT in ../build.mjs lists. */
const FEATURES =
  Features.SIMD128 | Features.BulkMemory | Features.BulkMemoryOpt | Features.ReferenceTypes | Features.SignExt |
  Features.NontrappingFPToInt | Features.MutableGlobals | Features.Multivalue | Features.CallIndirectOverlong;

/**
 * Returns the two files, not optimized yet. `linked` is the crate's file, `generated` is wasm-bindgen's output, with
 * names.
 */
export function split(linked, generated) {
  const links = new Links(linked);
  checkSlots(links, generated);
  if (links.data.some(({ address }) => address < LOW_BYTES)) throw new Error("data lies where wasm-opt takes none to be");
  const firsts = links.reachedFrom(rootsOf(links, generated));
  const isSeconds = onlyIn(links.data, firsts.data);
  const first = read(generated);
  const second = read(generated);
  const table = binaryen.getElementSegmentInfo(first.getElementSegmentByIndex(0)).table;
  // Named by a hash, so that files of different versions do not link. With the short names alone they would.
  const version = createHash("sha256").update(linked).update(generated).digest("base64url").slice(0, 8);

  for (const { name } of exportsOf(first)) if (isStores(name)) first.removeExport(name);
  first.addTableExport(table, version);
  first.addGlobalExport(STACK, "stack");
  fillSlots(first, (slot) => firsts.slots.has(slot));
  setData(first, (address, byte) => byte !== 0 && !isSeconds(address), SEGMENT_BYTES);
  first.runPasses(["remove-unused-module-elements"]);

  for (const { name } of exportsOf(second)) if (!isStores(name)) second.removeExport(name);
  second.addTableImport(table, FIRST, version);
  second.addTableImport(OBJECTS, FIRST, OBJECTS);
  second.addGlobalImport(STACK, FIRST, "stack", binaryen.i32, true);
  for (const { name, module, params, results } of functionsOf(first)) {
    if (module) continue;
    second.removeFunction(name);
    second.addFunctionImport(name, FIRST, name, params, results);
  }
  fillSlots(second, (slot) => !firsts.slots.has(slot));
  // Without gaps: data in a gap would overwrite what the first file's code has written there in the meantime.
  setData(second, isSeconds, 0);
  second.addMemoryImport(MEMORY, FIRST, "memory");
  second.runPasses(["remove-unused-module-elements"]);

  functionsOf(second).filter(({ module }) => module === FIRST).forEach(({ name, params, results }, i) => {
    const short = `f${i.toString(36)}`;
    second.addFunctionImport(name, FIRST, short, params, results);
    first.addFunctionExport(name, short);
  });
  return [first, second].map((module) => {
    if (!module.validate()) throw new Error("one of the two wasm files is not valid");
    // With names: wasm-opt orders the functions by them and strips them afterwards.
    binaryen.setDebugInfo(true);
    return module.emitBinary();
  });
}

/**
 * Returns the crate's functions behind the exports of the first file. The code that wasm-bindgen adds calls only its
 * own intrinsics, which are exported too.
 */
export function rootsOf(links, generated) {
  const exported = WebAssembly.Module.exports(new WebAssembly.Module(generated)).map(({ name }) => name);
  const missing = STORE.filter((name) => !exported.includes(name));
  if (missing.length) throw new Error(`the wasm file does not export ${missing}; see STORE in pkg/build/split.mjs`);
  // Names in the crate may end in a hash of the crate.
  return [...links.exports].filter(([full]) => {
    const name = full.replace(/_[0-9a-f]{16}$/, "");
    return (exported.includes(name) || name.startsWith("__externref_")) && !isStores(name);
  }).map(([, index]) => index);
}

/**
 * Checks that wasm-bindgen has not moved any slot of the table: wherever both files name a slot's function with a hash,
 * the hashes must be equal.
 */
function checkSlots(links, generated) {
  const names = namesOf(generated);
  const hash = (name) => name?.match(/h([0-9a-f]{16})E?$/)?.[1];
  const slots = slotsOf(generated);
  const known = slots.filter(([slot, index]) => hash(names.get(index)) && hash(links.slotNames.get(slot)));
  const moved = known.filter(([slot, index]) => hash(names.get(index)) !== hash(links.slotNames.get(slot)));
  if (slots.length !== links.slotNames.size || moved.length || known.length < slots.length / 3) {
    const found = `${slots.length} slots, of ${known.length} known ${moved.length} moved`;
    throw new Error(`the table is not the linker's any more: ${found}`);
  }
}

/** Returns the names of the functions, by index. */
function namesOf(wasm) {
  const FUNCTIONS = 1;
  const { cursor, end } = sectionOf(wasm, "name");
  while (cursor.offset < end) {
    const kind = cursor.byte();
    const next = cursor.number() + cursor.offset;
    if (kind === FUNCTIONS) return new Map(cursor.list(() => [cursor.number(), cursor.name()]));
    cursor.offset = next;
  }
  throw new Error("the wasm file has lost its functions' names");
}

function read(wasm) {
  const module = binaryen.readBinary(wasm);
  module.setFeatures(FEATURES);
  return module;
}

function listed(count, at, info) {
  return Array.from({ length: count }, (_, i) => info(at(i)));
}

function exportsOf(module) {
  return listed(module.getNumExports(), module.getExportByIndex, binaryen.getExportInfo);
}

function functionsOf(module) {
  return listed(module.getNumFunctions(), module.getFunctionByIndex, binaryen.getFunctionInfo);
}

/** Removes the unwanted slots of the table. The others keep their positions. */
function fillSlots(module, isWanted) {
  if (module.getNumElementSegments() !== 1) throw new Error("expected one run of slots");
  const { name, table, data } = binaryen.getElementSegmentInfo(module.getElementSegmentByIndex(0));
  module.removeElementSegment(name);
  // The linker leaves slot 0 empty, so that no function pointer is null.
  const slots = data.map((_, i) => i + 1);
  for (const run of runs(slots, isWanted, 0)) {
    module.addActiveElementSegment(table, `slots ${run[0]}`, run.map((slot) => data[slot - 1]), module.i32.const(run[0]));
  }
}

/** Returns a function that returns whether an address is in one of `these` pieces of data and in none of `those`. */
function onlyIn(these, those) {
  const marks = new Map();
  for (const [pieces, mark] of [[these, true], [those, false]]) {
    for (const { address, size } of pieces) for (let i = 0; i < size; i++) marks.set(address + i, mark);
  }
  return (address) => marks.get(address) === true;
}

/** Removes the unwanted initial bytes of the memory. The others keep their positions. */
function setData(module, isWanted, longestGap) {
  const segments = listed(module.getNumDataSegments(), module.getDataSegmentByIndex, module.getDataSegmentInfo);
  const pieces = segments.flatMap(({ offset, data }) => {
    const bytes = new Uint8Array(data);
    const places = [...bytes.keys()];
    return runs(places, (i) => isWanted(offset + i, bytes[i]), longestGap).map((run) => ({
      name: `data ${offset + run[0]}`,
      offset: module.i32.const(offset + run[0]),
      data: bytes.subarray(run[0], run.at(-1) + 1),
    }));
  });
  const { initial } = module.getMemoryInfo(MEMORY);
  module.setMemory(initial, -1, null, pieces, false, false, MEMORY);
}

/**
 * Splits the wanted numbers of an ascending sequence into runs. A run may include gaps of up to `longestGap` numbers.
 */
function runs(row, isWanted, longestGap) {
  const found = [];
  for (const number of row.filter(isWanted)) {
    const run = found.at(-1);
    if (!run || number - run.at(-1) > longestGap + 1) found.push([number]);
    else for (let next = run.at(-1) + 1; next <= number; next++) run.push(next);
  }
  return found;
}
