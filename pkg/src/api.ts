// What the package exports, on every platform.
export { ThermoclineError, type ErrorCode } from "./errors.js";
export { locateWasm, type WasmLocator, type WasmSource } from "./locate-wasm.js";
export type * from "./store.js";
export type * from "./types.js";
export { VectorIndex } from "./vector-index.js";
