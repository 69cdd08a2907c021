// What all entries of the package must have one of, on each platform: a script of its own, which the others import; see build.mjs.
export { ThermoclineError } from "./errors.js";
export { written } from "./written.js";
