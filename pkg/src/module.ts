// The compiled modules. Each is loaded once, by the loader that the platform's entry file sets, and shared by all
// instances.
import { ThermoclineError } from "./errors.js";
import { fail, shown, typedArrayName, wrong } from "./guard.js";
import type { WasmLocator } from "./locate-wasm.js";

/**
 * The wasm files, in the folder of the scripts. An index in memory needs only the first, an index in a store also the
 * second, a bulk build and packing also the third, and an index with threads only the last.
 */
export type WasmFile =
  | "thermocline.wasm" | "thermocline-store.wasm" | "thermocline-bulk.wasm" | "thermocline-threads.wasm";

/** Loads a file from an address, or from the folder of the scripts. */
export type Load = (file: WasmFile, from?: string) => Promise<WebAssembly.Module>;

let load: Load;
/** The caller's function that says where files are. */
let locate: WasmLocator | undefined;
const compiled = /* @__PURE__ */ new Map<WasmFile, Promise<WebAssembly.Module>>();

/** Sets the loader of wasm files. Called by the entry file of each platform. */
export function loadWith(loader: Load): void {
  load = loader;
}

/** Sets the caller's function that says where files are. INVALID_OPTION if one has been loaded already. */
export function loadFrom(locator: WasmLocator | undefined): void {
  if (compiled.size) fail("INVALID_OPTION", "locateWasm: too late, a file has been loaded already");
  locate = locator;
}

/** Returns the answer of `locator` for a file. INVALID_OPTION if no file can be loaded from it. */
export function sourceOf(
  file: WasmFile, locator: WasmLocator | undefined,
): string | Uint8Array | WebAssembly.Module | undefined {
  const source = locator?.(file);
  if (source === undefined || typeof source === "string") return source;
  // By name: what comes from another realm is of other classes.
  const name = shown(source);
  if (name === "[object URL]") return (source as URL).href;
  const isSource = name === "[object WebAssembly.Module]" || typedArrayName(source) === "Uint8Array";
  return isSource ? (source as WebAssembly.Module) : wrong(file, "an address, bytes or a module", source);
}

/** Loads and compiles a wasm file once. After a failure the next call tries again. NOT_FOUND if it cannot be loaded. */
export function compiledModule(file: WasmFile): Promise<WebAssembly.Module> {
  const known = compiled.get(file);
  if (known) return known;
  const loading = loaded(file, async () => {
    const source = sourceOf(file, locate);
    if (typeof source !== "object") return load(file, source);
    return ArrayBuffer.isView(source) ? compile(source as Uint8Array, file, "locateWasm") : source;
  });
  loading.catch(() => compiled.delete(file));
  compiled.set(file, loading);
  return loading;
}

/** Returns the address of a file in the folder of the scripts. NOT_FOUND in a bundle that does not know its own. */
export function beside(address: () => URL): URL {
  try {
    return address();
  } catch {
    fail("NOT_FOUND", "this bundle has no import.meta.url: use locateWasm");
  }
}

/** Returns the result of `loading`. An error that is not a ThermoclineError becomes NOT_FOUND. */
export async function loaded<T>(what: string, loading: () => Promise<T>): Promise<T> {
  try {
    return await loading();
  } catch (error) {
    if (error instanceof ThermoclineError) throw error;
    fail("NOT_FOUND", `${what} could not be loaded: ${(error as Error)?.message ?? error}`, error);
  }
}

/** Compiles a wasm file. CORRUPT, naming the source of the bytes, if they do not begin like WebAssembly. */
export function compile(bytes: Uint8Array, file: WasmFile, from: string): Promise<WebAssembly.Module> {
  if (bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) {
    fail("CORRUPT", `${from}: expected WebAssembly, got ${bytes.length} bytes of something else; is ${file} served there?`);
  }
  return WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
}
