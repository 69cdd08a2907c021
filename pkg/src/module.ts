// The compiled module: loaded once, in the way of the platform that the entry file names, and shared by all instances.
import { ThermoclineError } from "./errors.js";
import { fail } from "./guard.js";

let load: () => Promise<WebAssembly.Module>;
let compiled: Promise<WebAssembly.Module> | undefined;

/** Called by the entry file of each platform. */
export function loadWith(loader: () => Promise<WebAssembly.Module>): void {
  load = loader;
}

/** The module. A failure is not remembered: the next call tries again. NOT_FOUND when it cannot be loaded. */
export function compiledModule(): Promise<WebAssembly.Module> {
  return (compiled ??= load().catch((error: unknown) => {
    compiled = undefined;
    if (error instanceof ThermoclineError) throw error;
    fail("NOT_FOUND", `thermocline.wasm could not be loaded: ${(error as Error)?.message ?? error}`, error);
  }));
}

/** Compiles bytes that are WebAssembly by their first four; else CORRUPT, which names where they came from. */
export function compile(bytes: Uint8Array, from: string): Promise<WebAssembly.Module> {
  if (bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) {
    fail("CORRUPT", `${from}: expected WebAssembly, got ${bytes.length} bytes of something else; is thermocline.wasm served there?`);
  }
  return WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
}
