// Combines the declarations that tsc emits for the public sources into one file.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The sources whose declarations are public, in the best order for reading. */
const PUBLIC = ["types", "store", "errors", "locate-wasm", "vector-index"];

/** Returns the text of dist/index.d.ts. `folder` contains tsc's declarations. */
export async function declarationsFrom(folder) {
  const texts = await Promise.all(PUBLIC.map((name) => readFile(join(folder, `${name}.d.ts`), "utf8")));
  // In types, the constant stands for the symbol (dispose.ts).
  const body = texts.map(withoutImports).join("\n").replaceAll("[asyncDispose]", "[Symbol.asyncDispose]");
  if (/^import\b|\bimport\("/m.test(body)) throw new Error("the declarations refer to a file that is not public");
  // AsyncDisposable is newer than the type library that many projects compile with.
  return `/// <reference lib="esnext.disposable" />\n${body}`;
}

/** Returns the text of an entry's declarations, which refers to the package's declarations in the file `index`. */
export async function entryDeclarationsFrom(folder, entry, index) {
  const text = await readFile(join(folder, `${entry}/api.d.ts`), "utf8");
  return text.replace(/"\.\.\/[\w-]+\.js"/g, `"${index}"`).replace(/^(export type \* from .*\n)(?=[^]*\1)/gm, "");
}

function withoutImports(text) {
  return text.replace(/^import [^;]*;\n/gm, "").replace(/^\/\/# sourceMappingURL.*$/gm, "");
}
