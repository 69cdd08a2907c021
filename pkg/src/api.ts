// What the package exports, on every platform.
export { ThermoclineError, type ErrorCode } from "./errors.js";
export type * from "./store.js";
export type * from "./types.js";
export { VectorIndex } from "./vector-index.js";
