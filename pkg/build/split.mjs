// Cuts the wasm file into parts: the first contains what every index in memory needs, and each further part what only
// some indexes need (PARTS). A further part is instantiated on top of the first, and imports its memory, tables and
// functions. So a page downloads and compiles only what it uses. An instance may load any of the further parts, in any
// order and at any time, each once: none needs another.
//
// The content of a further part is not listed but derived from its few exports:
//
//  - A function belongs to it unless it can be reached from the first file's exports or from a slot of the table that
//    belongs to the first file.
//  - A slot of the table belongs to it unless code or data that the first file's exports reach uses the slot as a
//    value. So nothing in the first file can contain the number of such a slot: it is in no instruction and no vtable
//    of the first, and values that a part creates do not exist before the part does. Calling such a slot would trap
//    anyway, since it is empty.
//  - A piece of data belongs to it unless that code and data refer to it.
//
// The last two are known from the linker (links.mjs), the first from the calls in the file.
//
// What two parts need but the first does not is in both of them. Neither a function nor a slot has a state: whichever
// part is loaded last fills the slot, with a function that does the same. Constant data does not change when it is
// written again. Data that may change would lose its changes, so it is in the first file. Of the globals that change,
// the stack pointer is the first file's. The other one is wasm-bindgen's and counts the values that a call has borrowed
// from JavaScript. Each file has its own. A call into one that runs within a call into another (a step of a bulk build)
// borrows none.
//
// The first part in PARTS also gets what no export reaches: what wasm-bindgen adds for promises, which only it uses.
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
  "rawindex_readOnly", "rawindex_hasUncommitted", "rawindex_overBudget", "rawindex_checkpointDue",
  "rawindex_linksTogether", "rawindex_isTraining",
  "rawindex_fetch", "rawindex_exportStored", "rawindex_readAhead",
  "rawindex_hold", "rawindex_commit", "rawindex_checkpoint", "rawindex_compactStore", "rawindex_closeStore",
  "__wbindgen_destroy_closure",
];
/** Exports for bulk builds, graph order and moves: those of raw_bulk.rs, raw_pack.rs and raw_carry.rs in src/wasm. */
const BULK = [
  "rawindex_beginBulk", "rawindex_endBulk", "rawindex_packStart", "rawindex_carry", "rawindex_carried", "rawindex_take",
];

/** The further parts: their exports, and whether an export that is not listed belongs to the part. */
const PARTS = [
  { listed: STORE, isOther: (name) => name.startsWith("wasm_bindgen__convert__closures_") },
  { listed: BULK, isOther: () => false },
];
const isOf = ({ listed, isOther }, name) => listed.includes(name) || isOther(name);

/** Exports of wasm-bindgen that its own glue does not use. */
export const UNUSED = ["__abort_handler", "__instance_terminated"];
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
 * Returns the files, not optimized yet: the first, and then those of PARTS. `linked` is the crate's file, `generated`
 * is wasm-bindgen's output, with names.
 */
export function split(linked, generated) {
  const links = new Links(linked);
  checkSlots(links, generated);
  if (links.data.some(({ address }) => address < LOW_BYTES)) throw new Error("data lies where wasm-opt takes none to be");
  const { firsts, others } = contentsOf(links, generated);
  const first = read(generated);
  const table = binaryen.getElementSegmentInfo(first.getElementSegmentByIndex(0)).table;
  // Named by a hash, so that files of different versions do not link. With the short names alone they would.
  const version = createHash("sha256").update(linked).update(generated).digest("base64url").slice(0, 8);

  for (const { name } of exportsOf(first)) {
    if (UNUSED.includes(name) || PARTS.some((part) => isOf(part, name))) first.removeExport(name);
  }
  first.addTableExport(table, version);
  first.addGlobalExport(STACK, "stack");
  fillSlots(first, firsts.hasSlot);
  setData(first, (address, byte) => byte !== 0 && firsts.hasByte(address), SEGMENT_BYTES);
  first.runPasses(["remove-unused-module-elements"]);

  const own = functionsOf(first).filter(({ module }) => !module);
  /** The names under which the first exports functions to the parts. */
  const shorts = new Map();
  const further = PARTS.map((part, i) => {
    const module = read(generated);
    for (const { name } of exportsOf(module)) if (!isOf(part, name)) module.removeExport(name);
    module.addTableImport(table, FIRST, version);
    module.addTableImport(OBJECTS, FIRST, OBJECTS);
    module.addGlobalImport(STACK, FIRST, "stack", binaryen.i32, true);
    for (const { name, params, results } of own) {
      module.removeFunction(name);
      module.addFunctionImport(name, FIRST, name, params, results);
    }
    fillSlots(module, others[i].hasSlot);
    // Without gaps: data in a gap would overwrite what the first file's code has written there in the meantime.
    setData(module, others[i].hasByte, 0);
    module.addMemoryImport(MEMORY, FIRST, "memory");
    module.runPasses(["remove-unused-module-elements"]);
    for (const { name, module: from, params, results } of functionsOf(module)) {
      if (from !== FIRST) continue;
      if (!shorts.has(name)) shorts.set(name, `f${shorts.size.toString(36)}`);
      module.addFunctionImport(name, FIRST, shorts.get(name), params, results);
    }
    return module;
  });
  for (const [name, short] of shorts) first.addFunctionExport(name, short);
  return [first, ...further].map((module) => {
    if (!module.validate()) throw new Error("one of the wasm files is not valid");
    // With names: wasm-opt orders the functions by them and strips them afterwards.
    binaryen.setDebugInfo(true);
    return module.emitBinary();
  });
}

/** Returns which slots of the table and which bytes of data belong to the first file, and to each of the others. */
function contentsOf(links, generated) {
  const [firsts, ...parts] = rootsOf(links, generated).map((roots) => links.reachedFrom(roots));
  const [isKnown, isConstant] = [covers(links.data), covers(links.data.filter((piece) => piece.isConstant))];
  const isReachedFromFirst = covers(firsts.data);
  const isReached = parts.map(({ data }) => covers(data));
  const isShared = (address) => !isConstant(address) && isReached.filter((is) => is(address)).length > 1;
  const isFirsts = (address) => !isKnown(address) || isReachedFromFirst(address) || isShared(address);
  return {
    firsts: { hasSlot: (slot) => firsts.slots.has(slot), hasByte: isFirsts },
    others: parts.map(({ slots }, i) => ({
      hasSlot: (slot) =>
        !firsts.slots.has(slot) && (slots.has(slot) || (i === 0 && !parts.some(({ slots }) => slots.has(slot)))),
      hasByte: (address) =>
        !isFirsts(address) && (isReached[i](address) || (i === 0 && !isReached.some((is) => is(address)))),
    })),
  };
}

/**
 * Returns the crate's functions behind the exports of the first file, and behind those of each other part. The code
 * that wasm-bindgen adds calls only its own intrinsics, which are exported too. Exports that wasm-bindgen removes count
 * as those of the first of PARTS: functions from which it makes what the glue calls when a promise is settled.
 */
export function rootsOf(links, generated) {
  const exported = WebAssembly.Module.exports(new WebAssembly.Module(generated)).map(({ name }) => name);
  const missing = PARTS.flatMap(({ listed }) => listed).filter((name) => !exported.includes(name));
  if (missing.length) throw new Error(`the wasm file does not export ${missing}; see PARTS in pkg/build/split.mjs`);
  const roots = [[], ...PARTS.map(() => [])];
  for (const [full, index] of links.exports) {
    // Names in the crate may end in a hash of the crate.
    const name = full.replace(/_[0-9a-f]{16}$/, "");
    const part = PARTS.findIndex((part) => isOf(part, name));
    const isFirsts = part < 0 && (exported.includes(name) || name.startsWith("__externref_"));
    roots[isFirsts ? 0 : 1 + Math.max(part, 0)].push(index);
  }
  return roots;
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

/** Returns a function that returns whether an address is in one of these pieces of data. */
function covers(pieces) {
  const covered = new Set();
  for (const { address, size } of pieces) for (let i = 0; i < size; i++) covered.add(address + i);
  return (address) => covered.has(address);
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
