// wasm-bindgen's output is a module with a single instance. This turns it into a function that creates a fresh instance
// at each call, by cutting off the loader and wrapping the rest. It instantiates the first wasm file. `RawIndex.add`
// adds another part (split.mjs) to the instance. A part imports the exports of the first file besides the functions of
// the glue.
//
// Each assumption about the text is checked first, so that output of an unexpected form stops the build instead of
// shipping something wrong.

/** The module name under which the further wasm files import the exports of the first. */
export const FIRST = "m";

const EXPORTED_CLASS = "export class RawIndex {";
const LOADER = "let wasmModule, wasmInstance, wasm;\nfunction __wbg_finalize_init(instance, module) {\n";
const IMPORTS = "function __wbg_get_imports() {";
const LAST_LINE = "export { initSync, __wbg_init as default };\n";
/** The only step of the loader that is kept. The others store the instance and drop the views of the previous one. */
const START = "    wasm.__wbindgen_start();\n";

/**
 * The differences in wasm-bindgen's output when threads share the memory: it takes a memory and a stack size for each
 * thread.
 */
const SHARED_LOADER = LOADER.replace("module)", "module, thread_stack_size)");
const SHARED_START = START.replace("()", "(thread_stack_size)");
const SHARED_IMPORTS = "function __wbg_get_imports(memory) {";
const SHARED_MEMORY = /memory: memory \|\| new WebAssembly\.Memory\(\{initial:(\d+),maximum:(\d+),shared:true\}\)/;
const STACK_CHECK = /^ {4}if \(typeof thread_stack_size [^\n]*\n {8}throw new Error\('invalid stack size'\);\n {4}\}\n/m;

/**
 * Returns the text of the factory for the module with shared memory. The factory creates the instance of the first
 * thread, in a memory of `initial` to `most` pages created by `memoryOf(initial, most)`.
 */
export function sharedFactoryFrom(generated) {
  const replacements = [
    [SHARED_LOADER, LOADER],
    [SHARED_START, START],
    [SHARED_IMPORTS, IMPORTS],
    [STACK_CHECK, ""],
    [SHARED_MEMORY, "memory: memoryOf($1, $2)"],
  ];
  const text = replacements.reduce((text, [part, by]) => {
    // `split` also returns the two groups of SHARED_MEMORY.
    expect(text.split(part).length === (part === SHARED_MEMORY ? 4 : 2), `${part} once`);
    return text.replace(part, by);
  }, generated);
  return factoryFrom(text)
    .replace("instantiate(module)", "instantiate(module, memoryOf)")
    .replace(/^RawIndex\.add = [^]*?\n};\n/m, "");
}

/** Returns the text of the factory, made from the output of `wasm-bindgen --target web`. */
export function factoryFrom(generated) {
  const text = generated.replace(/^\/\* @ts-self-types=.*\*\/\n/, "");
  const [body, loader, ...more] = text.split(LOADER);
  expect(loader !== undefined && more.length === 0, "one loader");
  expect(loader.endsWith(LAST_LINE), "the loader and the exports at the end");
  expect(count(text, EXPORTED_CLASS) === 1, "one exported class, RawIndex");
  expect(!/^import\b|(?<!\.|\w|static )import\(/m.test(text), "no imports");
  expect(count(body, "export ") === count(body, EXPORTED_CLASS), "no other export");
  expect(!body.includes("import.meta"), "no import.meta outside of the loader");
  expect(count(body, IMPORTS) === 1, "__wbg_get_imports");
  const finalize = loader.slice(0, loader.indexOf("\n}\n") + 1);
  const known =
    /^ {4}(wasmInstance = instance|wasm = instance\.exports|wasmModule = module|cached\w+Memory0 = null|return wasm);$/;
  const unknown = finalize.split("\n").filter((line) => line && !known.test(line));
  expect(unknown.join("\n") + "\n" === START, `__wbg_finalize_init as it was, not with:\n${unknown.join("\n")}`);

  return `// Made by pkg/build/glue.mjs from wasm-bindgen's output.
export default async function instantiate(module) {
let wasm;
${body.replace(EXPORTED_CLASS, "class RawIndex {")}
const imports = __wbg_get_imports();
wasm = (await WebAssembly.instantiate(module, imports)).exports;
wasm.__wbindgen_start();
RawIndex.add = async (part) => {
const { exports } = await WebAssembly.instantiate(part, { ...imports, ${FIRST}: wasm });
wasm = { ...wasm, ...exports };
};
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
