// The references inside the crate's wasm file, as the linker reports them with --emit-relocs (in .cargo/config.toml):
// which functions and pieces of data a function refers to, which of those functions it uses as a value, and which
// functions and other pieces a piece of data holds the addresses of. The format is WebAssembly's
// tool-conventions/Linking.md.
//
// A function used as a value is a slot of the table. In a finished file a slot is just a number, in code and in
// vtables, and cannot be distinguished from any other number; only the linker can.
import { sectionOf } from "./bytes.mjs";

const SECTION = { imports: 2, exports: 7, elements: 9, code: 10, data: 11 };
const FUNCTION = 0;
const DATA = 1;
const SEGMENTS = 5;
const SYMBOLS = 8;
const UNDEFINED = 0x10;
const EXPLICIT_NAME = 0x40;
const I32_CONST = 0x41;
/** The segment of data that no code writes to: text, tables and vtables. */
const CONSTANTS = ".rodata";

/**
 * Kinds of references, by target. References to types, globals and tables are ignored: all files keep all of these.
 */
const TO_FUNCTION = [0, 26];
const TO_SLOT = [1, 2];
const TO_DATA = [3, 4, 5];
const TO_OTHERS = [6, 7, 13, 20];

export class Links {
  /** Indices of the exported functions, by name. */
  exports = new Map();
  /** Names of the functions in the table's slots. */
  slotNames = new Map();
  #edges = new Map();
  /** Addresses and sizes of the pieces of data, and whether each is constant. */
  #data = new Map();

  constructor(wasm) {
    const exported = sectionOf(wasm, SECTION.exports).cursor;
    exported.list(() => {
      const [name, kind, index] = [exported.name(), exported.byte(), exported.number()];
      if (kind === FUNCTION) this.exports.set(name, index);
    });
    const symbols = symbolsOf(wasm);
    const names = new Map(symbols.filter(({ kind }) => kind === FUNCTION).map(({ index, name }) => [index, name]));
    for (const [slot, index] of slotsOf(wasm)) {
      this.#add(`slot of ${index}`, `slot ${slot}`);
      this.#add(`slot ${slot}`, `function ${index}`);
      this.slotNames.set(slot, names.get(index));
    }
    const bodies = bodiesOf(wasm);
    for (const { offset, to } of referencesOf(wasm, "reloc.CODE", symbols)) {
      this.#add(`function ${ownerOf(bodies, offset).index}`, to);
    }
    const pieces = piecesOf(wasm, symbols);
    for (const { id, address, size, isConstant } of pieces) this.#data.set(`data ${id}`, { address, size, isConstant });
    for (const { offset, to } of referencesOf(wasm, "reloc.DATA", symbols)) {
      // Pieces may overlap. A reference belongs to every piece that contains it.
      const owners = pieces.filter(({ start, size }) => start <= offset && offset < start + size);
      if (owners.length === 0) throw new Error(`a reference in no piece of data, at ${offset}`);
      for (const { id } of owners) this.#add(`data ${id}`, to);
    }
  }

  /** Returns the slots and the pieces of data that these functions reach, directly or indirectly. */
  reachedFrom(functions) {
    const reached = new Set([...functions].map((index) => `function ${index}`));
    for (const node of reached) for (const next of this.#edges.get(node) ?? []) reached.add(next);
    const nodes = [...reached];
    return {
      slots: new Set(nodes.filter((node) => /^slot \d/.test(node)).map((node) => Number(node.slice("slot ".length)))),
      data: nodes.map((node) => this.#data.get(node)).filter(Boolean),
    };
  }

  /** All pieces of data. */
  get data() {
    return [...this.#data.values()];
  }

  #add(from, to) {
    if (!this.#edges.has(from)) this.#edges.set(from, new Set());
    this.#edges.get(from).add(to);
  }
}

/** Returns the slots of the table, with the functions in them. */
export function slotsOf(wasm) {
  const { cursor } = sectionOf(wasm, SECTION.elements);
  return cursor.list(() => {
    if (cursor.number() !== 0) throw new Error("expected slots of the first table only");
    let slot = constant(cursor);
    return cursor.list(() => [slot++, cursor.number()]);
  }).flat();
}

function symbolsOf(wasm) {
  return listedIn(wasm, SYMBOLS, symbol);
}

/** Returns the items of one of the linker's lists, each read by `item`. */
function listedIn(wasm, list, item) {
  const { cursor, end } = sectionOf(wasm, "linking");
  if (cursor.number() !== 2) throw new Error("expected version 2 of the linker's account");
  while (cursor.offset < end) {
    const kind = cursor.byte();
    const next = cursor.number() + cursor.offset;
    if (kind === list) return cursor.list(() => item(cursor));
    cursor.offset = next;
  }
  throw new Error(`the linker's account has no list ${list}`);
}

function symbol(cursor) {
  const [kind, flags] = [cursor.byte(), cursor.number()];
  const isDefined = !(flags & UNDEFINED);
  if (kind === DATA) {
    const name = cursor.name();
    return isDefined ? { kind, name, segment: cursor.number(), offset: cursor.number(), size: cursor.number() } : { kind, name };
  }
  const index = cursor.number();
  const isSection = kind === 3;
  return { kind, index, name: !isSection && (isDefined || flags & EXPLICIT_NAME) ? cursor.name() : undefined };
}

/** Returns the references from the code or the data: the offset of each in its section, and its target. */
function referencesOf(wasm, name, symbols) {
  const { cursor } = sectionOf(wasm, name);
  cursor.number();
  return cursor.list(() => {
    const [kind, offset, index] = [cursor.byte(), cursor.number(), cursor.number()];
    const found = symbols[index];
    if (TO_FUNCTION.includes(kind)) return { offset, to: `function ${found.index}` };
    if (TO_SLOT.includes(kind)) return { offset, to: `slot of ${found.index}` };
    if (TO_OTHERS.includes(kind)) return undefined;
    if (!TO_DATA.includes(kind)) throw new Error(`a reference of a kind that is not known, ${kind}`);
    // Skips the 32-bit offset from the start of the piece.
    cursor.number();
    return { offset, to: `data ${index}` };
  }).filter(Boolean);
}

/** Returns the offset in the section and the size of each function's code, in order. */
function bodiesOf(wasm) {
  const imported = sectionOf(wasm, SECTION.imports).cursor;
  let index = imported.list(() => {
    imported.name();
    imported.name();
    if (imported.byte() !== FUNCTION) throw new Error("expected to import functions only");
    imported.number();
  }).length;
  const { cursor, content } = sectionOf(wasm, SECTION.code);
  return cursor.list(() => {
    const size = cursor.number();
    const start = cursor.offset - content;
    cursor.offset += size;
    return { index: index++, start, size };
  });
}

/** Finds the function whose code is at this offset. */
function ownerOf(bodies, offset) {
  let [low, high] = [0, bodies.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (bodies[middle].start <= offset) low = middle;
    else high = middle - 1;
  }
  return bodies[low];
}

/**
 * Returns the pieces of data: the symbol's number, the address in memory, the offset in the section, and whether the
 * piece is constant.
 */
function piecesOf(wasm, symbols) {
  const names = listedIn(wasm, SEGMENTS, (cursor) => {
    const name = cursor.name();
    cursor.number();
    cursor.number();
    return name;
  });
  const { cursor, content } = sectionOf(wasm, SECTION.data);
  const segments = cursor.list(() => {
    if (cursor.number() !== 0) throw new Error("expected data of the first memory only");
    const address = constant(cursor);
    const size = cursor.number();
    const start = cursor.offset - content;
    cursor.offset += size;
    return { address, start };
  });
  return symbols.flatMap(({ kind, segment, offset, size }, id) => {
    if (kind !== DATA || !segments[segment] || size === 0) return [];
    const [address, start] = [segments[segment].address + offset, segments[segment].start + offset];
    return [{ id, size, address, start, isConstant: names[segment] === CONSTANTS }];
  });
}

/** Reads an expression consisting of one constant and the end opcode. */
function constant(cursor) {
  if (cursor.byte() !== I32_CONST) throw new Error("expected a constant");
  const value = cursor.number();
  cursor.byte();
  return value;
}
