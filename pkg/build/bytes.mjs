// Reads a WebAssembly file: numbers, names and sections.

const HEADER_BYTES = 8;
const CUSTOM = 0;

/** Reads a file from `offset` on and advances the offset. */
export class Cursor {
  constructor(bytes, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
  }

  byte() {
    return this.bytes[this.offset++];
  }

  /** Reads an unsigned LEB128, WebAssembly's encoding of integers. */
  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  name() {
    const length = this.number();
    this.offset += length;
    return Buffer.from(this.bytes.subarray(this.offset - length, this.offset)).toString();
  }

  /** Reads a list: its length, then each element with `read`. */
  list(read) {
    return Array.from({ length: this.number() }, () => read());
  }
}

/**
 * Returns the sections in order. `start` is the offset of a section's id, `content` that of its content (after the name
 * of a custom section), `end` that of the next section.
 */
export function sectionsOf(wasm) {
  const cursor = new Cursor(wasm, HEADER_BYTES);
  const sections = [];
  while (cursor.offset < wasm.length) {
    const start = cursor.offset;
    const id = cursor.byte();
    const end = cursor.number() + cursor.offset;
    const name = id === CUSTOM ? cursor.name() : undefined;
    sections.push({ id, name, start, content: cursor.offset, end });
    cursor.offset = end;
  }
  return sections;
}

/** Finds the section with this id, or the custom section with this name. */
export function sectionOf(wasm, wanted) {
  const found = sectionsOf(wasm).find(({ id, name }) => (name ?? id) === wanted);
  if (!found) throw new Error(`the wasm file has no section ${wanted}`);
  return { ...found, cursor: new Cursor(wasm, found.content) };
}

/** Returns the file without the custom sections whose names match. */
export function without(wasm, pattern) {
  const kept = sectionsOf(wasm).filter(({ name }) => name === undefined || !pattern.test(name));
  return Buffer.concat([wasm.subarray(0, HEADER_BYTES), ...kept.map(({ start, end }) => wasm.subarray(start, end))]);
}

/** Encodes an unsigned LEB128. */
export function leb(value) {
  const out = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...out, rest]);
    out.push((rest & 0x7f) | 0x80);
  }
}
