// wasm-bindgen's output is a module with one instance in it. This turns it into a function that makes a fresh instance at
// each call, by cutting off its loader and wrapping the rest: an instance of the first wasm file, and on top of it, if it is
// given, one of the second (split.mjs), which imports the first's exports besides the glue's functions. The text is asserted first: a generator that writes
// something else stops the build instead of shipping something wrong.

/** What the second wasm file calls the first, whose exports it imports. */
export const FIRST = "m";

const EXPORTED_CLASS = "export class RawIndex {";
const LOADER = "let wasmModule, wasmInstance, wasm;\nfunction __wbg_finalize_init(instance, module) {\n";
const LAST_LINE = "export { initSync, __wbg_init as default };\n";
/** What the loader does to a new instance, besides remembering it and forgetting views of the one before. */
const START = "    wasm.__wbindgen_start();\n";

/** The text of the factory, from the text that `wasm-bindgen --target web` wrote. */
export function factoryFrom(generated) {
  const text = generated.replace(/^\/\* @ts-self-types=.*\*\/\n/, "");
  const [body, loader, ...more] = text.split(LOADER);
  expect(loader !== undefined && more.length === 0, "one loader");
  expect(loader.endsWith(LAST_LINE), "the loader and the exports at the end");
  expect(count(text, EXPORTED_CLASS) === 1, "one exported class, RawIndex");
  expect(!/^import\b|(?<!\.|\w|static )import\(/m.test(text), "no imports");
  expect(count(body, "export ") === count(body, EXPORTED_CLASS), "no other export");
  expect(!body.includes("import.meta"), "no import.meta outside of the loader");
  expect(count(body, "function __wbg_get_imports() {") === 1, "__wbg_get_imports");
  const finalize = loader.slice(0, loader.indexOf("\n}\n") + 1);
  const unknown = finalize
    .split("\n")
    .filter((line) => line && !/^ {4}(wasmInstance = instance|wasm = instance\.exports|wasmModule = module|cached\w+Memory0 = null|return wasm);$/.test(line));
  expect(unknown.join("\n") + "\n" === START, `__wbg_finalize_init as it was, not with:\n${unknown.join("\n")}`);

  return `// Made by pkg/build/glue.mjs from wasm-bindgen's output.
export default async function instantiate(module, storeModule) {
let wasm;
${body.replace(EXPORTED_CLASS, "class RawIndex {")}
const imports = __wbg_get_imports();
wasm = (await WebAssembly.instantiate(module, imports)).exports;
wasm.__wbindgen_start();
if (storeModule) wasm = { ...wasm, ...(await WebAssembly.instantiate(storeModule, { ...imports, ${FIRST}: wasm })).exports };
return { RawIndex, memory: wasm.memory };
}
`;
}

function count(text, part) {
  return text.split(part).length - 1;
}

function expect(condition, what) {
  if (!condition) throw new Error(`wasm-bindgen's output has changed: expected ${what}; see pkg/build/glue.mjs`);
}
