// Lets the caller say where the wasm files are.
import { functionOf } from "./guard.js";
import { loadFrom } from "./module.js";

/**
 * A wasm file: its address, its bytes, or a compiled WebAssembly.Module. In Node an address is a path or a file: URL.
 */
export type WasmSource = string | URL | Uint8Array | (object & { then?: never; byteLength?: never });

/** Returns where the wasm file of this name is; undefined means the folder of the package's scripts. */
export type WasmLocator = (file: string) => WasmSource | undefined;

/**
 * Sets the function that says where the package's wasm files are: `thermocline.wasm`, for stored indexes also
 * `thermocline-store.wasm`, for an `insertMany` of thousands of rows and for `compact({ pack: true })`
 * `thermocline-bulk.wasm`, and only `thermocline-threads.wasm` for "thermocline/threads". The files must have the same
 * version as the scripts. `locate` is called once for each file, when it is first needed, and again after a failure.
 *
 * INVALID_OPTION if a file has been loaded already, so call this before anything else. The call that needs a file is
 * INVALID_OPTION if `locate` returns something else, and NOT_FOUND if it throws. `thermocline-bulk.wasm` is no call's
 * failure: without it, `insertMany` takes longer, and nothing is packed.
 */
export function locateWasm(locate: WasmLocator): void {
  loadFrom(functionOf("locate", locate));
}
