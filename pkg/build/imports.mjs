// wasm-bindgen names each imported function by its purpose and a hash. These names are useless in a shipped file and do
// not compress. This gives the functions short names, in the wasm file and in the glue.
import { leb, sectionOf } from "./bytes.mjs";

const IMPORTS = 2;
const FUNCTION = 0;
const MEMORY = 2;

/** Returns both files with short names. `glue` is the text that `wasm-bindgen --target web` wrote along with `wasm`. */
export function withShortImports(wasm, glue) {
  const { start, end, cursor } = sectionOf(wasm, IMPORTS);
  let text = glue;
  let given = 0;
  const imports = cursor.list(() => {
    const from = cursor.offset;
    const module = cursor.name();
    const field = cursor.name();
    const kind = cursor.byte();
    if (kind === MEMORY) {
      const hasMost = cursor.byte() & 1;
      for (let i = 0; i <= hasMost; i++) cursor.number();
      return wasm.subarray(from, cursor.offset);
    }
    if (kind !== FUNCTION) throw new Error(`import ${field}: expected a function, or a memory`);
    const short = `i${(given++).toString(36)}`;
    text = replacedOnce(text, `\n        ${field}: `, `\n        ${short}: `);
    return Buffer.concat([bytes(module), bytes(short), Uint8Array.of(FUNCTION), leb(cursor.number())]);
  });
  const section = Buffer.concat([leb(imports.length), ...imports]);
  const parts = [wasm.subarray(0, start), Uint8Array.of(IMPORTS), leb(section.length), section, wasm.subarray(end)];
  return { wasm: Buffer.concat(parts), glue: text };
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
