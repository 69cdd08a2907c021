// wasm-bindgen names each function that the wasm file imports by what it does and a hash, which is of no use to anybody who
// downloads it, and does not compress. This gives them short names, in the file and in the glue.

const MAGIC_BYTES = 8;
const IMPORTS = 2;
const FUNCTION = 0;

/** Both with short names. `glue` is the text that `wasm-bindgen --target web` wrote beside `wasm`. */
export function withShortImports(wasm, glue) {
  const at = { offset: MAGIC_BYTES };
  for (;;) {
    const start = at.offset;
    if (start >= wasm.length) throw new Error("the wasm file has no imports");
    const id = wasm[at.offset++];
    const length = number(wasm, at);
    if (id === IMPORTS) {
      const { section, text } = renamed(wasm, at, glue);
      const parts = [wasm.subarray(0, start), Uint8Array.of(IMPORTS), leb(section.length), section, wasm.subarray(at.offset)];
      return { wasm: Buffer.concat(parts), glue: text };
    }
    at.offset += length;
  }
}

function renamed(wasm, at, glue) {
  const count = number(wasm, at);
  const parts = [leb(count)];
  let text = glue;
  for (let i = 0; i < count; i++) {
    const module = name(wasm, at);
    const field = name(wasm, at);
    if (wasm[at.offset++] !== FUNCTION) throw new Error(`import ${field}: expected a function`);
    const short = `i${i.toString(36)}`;
    text = replacedOnce(text, `\n        ${field}: `, `\n        ${short}: `);
    parts.push(bytes(module), bytes(short), Uint8Array.of(FUNCTION), leb(number(wasm, at)));
  }
  return { section: Buffer.concat(parts), text };
}

function replacedOnce(text, part, by) {
  const [before, after, ...more] = text.split(part);
  if (after === undefined || more.length) throw new Error(`the glue: expected ${part.trim()} once; see pkg/build/imports.mjs`);
  return before + by + after;
}

function bytes(text) {
  const encoded = Buffer.from(text);
  return Buffer.concat([leb(encoded.length), encoded]);
}

function name(wasm, at) {
  const length = number(wasm, at);
  at.offset += length;
  return Buffer.from(wasm.subarray(at.offset - length, at.offset)).toString();
}

/** An unsigned LEB128, as WebAssembly has its numbers. */
function number(wasm, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = wasm[at.offset++];
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value >>> 0;
  }
}

function leb(value) {
  const out = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...out, rest]);
    out.push((rest & 0x7f) | 0x80);
  }
}
