// Where the workers find the wasm files: the page asks the caller's function for each worker, and tells it the answers.
import { ThermoclineError } from "../errors.js";
import { fail, functionOf } from "../guard.js";
import type { WasmLocator } from "../locate-wasm.js";
import { sourceOf, type WasmFile } from "../module.js";
import type { Files } from "./messages.js";

let locate: WasmLocator | undefined;

export function locateWith(locator: WasmLocator): void {
  locate = functionOf("locate", locator);
}

/** What a new worker is to be told. Undefined without such a function; NOT_FOUND when the function throws. */
export function filesForWorker(): Files | undefined {
  if (!locate) return undefined;
  const names = ["thermocline.wasm", "thermocline-store.wasm"] as const;
  return Object.fromEntries(names.map((name) => [name, sourceForWorker(name)]));
}

function sourceForWorker(name: WasmFile): Files[string] {
  try {
    return absolute(sourceOf(name, locate));
  } catch (error) {
    if (error instanceof ThermoclineError) throw error;
    fail("NOT_FOUND", `${name} could not be located: ${(error as Error)?.message ?? error}`, error);
  }
}

/** An address as the page means it: the worker's script may be in another folder. */
function absolute(source: Files[string]): Files[string] {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  return base && typeof source === "string" ? new URL(source, base).href : source;
}
