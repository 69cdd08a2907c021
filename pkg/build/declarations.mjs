// Puts the public declarations into one file, from the declarations that tsc emits for the sources of the interface.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The sources whose declarations are public, in the order in which they read best. */
const PUBLIC = ["types", "store", "errors", "locate-wasm", "vector-index"];

/** Returns the text of dist/index.d.ts. `folder` has the declarations that tsc has written. */
export async function declarationsFrom(folder) {
  const texts = await Promise.all(PUBLIC.map((name) => readFile(join(folder, `${name}.d.ts`), "utf8")));
  // The constant is the symbol, as far as types go (dispose.ts).
  const body = texts.map(withoutImports).join("\n").replaceAll("[asyncDispose]", "[Symbol.asyncDispose]");
  if (/^import\b|\bimport\("/m.test(body)) throw new Error("the declarations refer to a file that is not public");
  // AsyncDisposable is newer than the library that many projects compile with.
  return `/// <reference lib="esnext.disposable" />\n${body}`;
}

/** Returns the text of an entry's declarations. It refers to those of the package in the file `index`. */
export async function entryDeclarationsFrom(folder, entry, index) {
  const text = await readFile(join(folder, `${entry}/api.d.ts`), "utf8");
  return text.replace(/"\.\.\/[\w-]+\.js"/g, `"${index}"`).replace(/^(export type \* from .*\n)(?=[^]*\1)/gm, "");
}

function withoutImports(text) {
  return text.replace(/^import [^;]*;\n/gm, "").replace(/^\/\/# sourceMappingURL.*$/gm, "");
}
