// Where the wasm files are, when the caller says so.
import { functionOf } from "./guard.js";
import { loadFrom } from "./module.js";

/**
 * A wasm file: its address, its bytes, or a compiled WebAssembly.Module. In Node an address is a path or a file: URL.
 */
export type WasmSource = string | URL | Uint8Array | (object & { then?: never; byteLength?: never });

/** Says where the wasm file of this name is. Undefined for the folder of the package's scripts. */
export type WasmLocator = (file: string) => WasmSource | undefined;

/**
 * Has `locate` say where the package's wasm files are: `thermocline.wasm`, for stored indexes also
 * `thermocline-store.wasm`, and only `thermocline-threads.wasm` for "thermocline/threads". They must be of the same
 * version as the scripts. It is asked once for each file, when the file is needed, and again after a failure.
 *
 * INVALID_OPTION when a file has been loaded already: call this before anything else. The call that needs a file is
 * INVALID_OPTION when the answer is no source, and NOT_FOUND when `locate` throws.
 */
export function locateWasm(locate: WasmLocator): void {
  loadFrom(functionOf("locate", locate));
}
