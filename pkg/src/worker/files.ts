// Where the workers find the wasm files: for each worker, the page calls the caller's function and sends the answers.
import { ThermoclineError } from "../errors.js";
import { fail, functionOf, typedArrayName } from "../guard.js";
import type { WasmLocator } from "../locate-wasm.js";
import { sourceOf, type WasmFile } from "../module.js";
import type { Files } from "./messages.js";

const BULK = "thermocline-bulk.wasm";
let locate: WasmLocator | undefined;
/** Turns an address into one that means the same to the worker, whose script may be in another folder. */
let addressOf = (address: string): string => address;

/** Sets how addresses are made absolute. Called by the entry file of browsers. */
export function addressesAre(absolute: typeof addressOf): void {
  addressOf = absolute;
}

export function locateWith(locator: WasmLocator): void {
  locate = functionOf("locate", locator);
}

/** Returns the answers for a new worker; undefined if the caller has set no function. NOT_FOUND if it throws. */
export function filesForWorker(): Files | undefined {
  if (!locate) return undefined;
  const names = ["thermocline.wasm", "thermocline-store.wasm"] as const;
  return { ...Object.fromEntries(names.map((name) => [name, sourceForWorker(name)])), [BULK]: bulkForWorker() };
}

/** Returns the buffers to transfer with the files. */
export function buffersOf(files: Files): ArrayBuffer[] {
  return Object.values(files).flatMap((file) => (file instanceof Uint8Array ? [file.buffer as ArrayBuffer] : []));
}

/** As every call works without this file, it is an error of none if the caller's function does not know it. */
function bulkForWorker(): Files[string] {
  try {
    return sourceForWorker(BULK);
  } catch {
    return undefined;
  }
}

function sourceForWorker(name: WasmFile): Files[string] {
  try {
    const source = sourceOf(name, locate);
    // A copy: sending a view would send its whole buffer, and copying a detached one fails here, before there is a
    // worker.
    if (typedArrayName(source) === "Uint8Array") return new Uint8Array(source as Uint8Array);
    return typeof source === "string" ? addressOf(source) : source;
  } catch (error) {
    if (error instanceof ThermoclineError) throw error;
    fail("NOT_FOUND", `${name} could not be located: ${(error as Error)?.message ?? error}`, error);
  }
}
