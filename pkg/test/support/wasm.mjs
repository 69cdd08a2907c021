// The instructions of a wasm file, function by function, read from the text that binaryen prints.
import { run, PKG } from "./project.mjs";
import { join } from "node:path";

const BINARYEN = join(PKG, "node_modules/binaryen/bin");

/** Prints a wasm file as text. */
export function disassemble(file) {
  return run(process.execPath, [join(BINARYEN, "wasm-dis"), "--all-features", file]);
}

/** Makes a wasm file from text. */
export function assemble(text, file, features = ["--all-features"]) {
  return run(process.execPath, [join(BINARYEN, "wasm-as"), ...features, text, "-o", file]);
}

/**
 * Returns the functions in a module's text, by name: how often each instruction occurs, and which functions each calls.
 * A call through the table may call any function there with its type. Names are stripped from shipped files, so a
 * function is identified by the exports that reach it.
 */
export function moduleOf(text) {
  const functions = new Map();
  const inTable = new Set([...text.matchAll(/\n \(elem \$.* func((?: \$[^\s()]+)+)\)/g)].flatMap((match) => match[1].trim().split(" ").map((name) => name.slice(1))));
  const typed = new Map();
  for (const [, name, type] of text.matchAll(/\n \(func \$([^\s()]+) \(type \$([^\s()]+)\)/g)) {
    if (inTable.has(name)) typed.set(type, [...(typed.get(type) ?? []), name]);
  }
  for (const body of text.split(/\n (?=\(func \$)/).slice(1)) {
    const name = body.match(/^\(func \$([^\s()]+)/)[1];
    const instructions = new Map();
    for (const [, instruction] of body.matchAll(/\(([a-z]\w*\.\w+)/g)) instructions.set(instruction, (instructions.get(instruction) ?? 0) + 1);
    const calls = new Set([...body.matchAll(/\((?:return_)?call \$([^\s()]+)/g)].map((match) => match[1]));
    for (const [, type] of body.matchAll(/call_indirect (?:\$\S+ )?\(type \$([^\s()]+)\)/g)) for (const name of typed.get(type) ?? []) calls.add(name);
    functions.set(name, { instructions, calls, hasLoop: body.includes("(loop") });
  }
  const exports = new Map([...text.matchAll(/\(export "([^"]+)" \(func \$([^\s()]+)\)\)/g)].map((match) => [match[1], match[2]]));
  return { functions, exports };
}

/** Returns the functions that an export can reach, including itself. */
export function reachable({ functions, exports }, name) {
  const start = exports.get(name);
  if (!start) throw new Error(`there is no function exported as ${name}`);
  const reached = new Set([start]);
  for (const at of reached) for (const next of functions.get(at)?.calls ?? []) reached.add(next);
  return [...reached].map((at) => functions.get(at)).filter(Boolean);
}
