// The compiled modules: each loaded once, in the way of the platform that the entry file names, and shared by all instances.
import { ThermoclineError } from "./errors.js";
import { fail } from "./guard.js";

/** All that an index in memory needs, what one in a store needs besides, and what one with threads needs. They lie beside the scripts. */
export type WasmFile = "thermocline.wasm" | "thermocline-store.wasm" | "thermocline-threads.wasm";

let load: (file: WasmFile) => Promise<WebAssembly.Module>;
const compiled = /* @__PURE__ */ new Map<WasmFile, Promise<WebAssembly.Module>>();

/** Called by the entry file of each platform. */
export function loadWith(loader: (file: WasmFile) => Promise<WebAssembly.Module>): void {
  load = loader;
}

/** The module. A failure is not remembered: the next call tries again. NOT_FOUND when it cannot be loaded. */
export function compiledModule(file: WasmFile): Promise<WebAssembly.Module> {
  const known = compiled.get(file);
  if (known) return known;
  const loading = loaded(file, () => load(file));
  loading.catch(() => compiled.delete(file));
  compiled.set(file, loading);
  return loading;
}

/** What `loading` gives. NOT_FOUND when it fails with anything that is not the package's own error. */
export async function loaded<T>(what: string, loading: () => Promise<T>): Promise<T> {
  try {
    return await loading();
  } catch (error) {
    if (error instanceof ThermoclineError) throw error;
    fail("NOT_FOUND", `${what} could not be loaded: ${(error as Error)?.message ?? error}`, error);
  }
}

/** Compiles bytes that are WebAssembly by their first four; else CORRUPT, which names where they came from. */
export function compile(bytes: Uint8Array, file: WasmFile, from: string): Promise<WebAssembly.Module> {
  if (bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) {
    fail("CORRUPT", `${from}: expected WebAssembly, got ${bytes.length} bytes of something else; is ${file} served there?`);
  }
  return WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
}
