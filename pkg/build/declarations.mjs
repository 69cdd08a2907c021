// The public declarations in one file, from what the compiler emits for the sources that make up the interface.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The sources whose declarations are public, in the order in which they read best. */
const PUBLIC = ["types", "store", "errors", "vector-index"];

/** The text of dist/index.d.ts, from the folder that tsc wrote its declarations to. */
export async function declarationsFrom(folder) {
  const texts = await Promise.all(PUBLIC.map((name) => readFile(join(folder, `${name}.d.ts`), "utf8")));
  const body = texts.map(withoutImports).join("\n");
  if (/^import\b|\bimport\("/m.test(body)) throw new Error("the declarations refer to a file that is not public");
  // AsyncDisposable is younger than the library that many projects compile with.
  return `/// <reference lib="esnext.disposable" />\n${body}`;
}

/** The text of an entry's declarations: its own, and beside them what the package's, in `index`, say. */
export async function entryDeclarationsFrom(folder, entry, index) {
  const text = await readFile(join(folder, `${entry}/api.d.ts`), "utf8");
  return text.replace(/"\.\.\/[\w-]+\.js"/g, `"${index}"`).replace(/^(export type \* from .*\n)(?=[^]*\1)/gm, "");
}

function withoutImports(text) {
  return text.replace(/^import [^;]*;\n/gm, "").replace(/^\/\/# sourceMappingURL.*$/gm, "");
}
