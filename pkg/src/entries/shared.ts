// What all entries of the package must share on a platform. It is a script of its own that the other scripts import;
// see build.mjs.
export { ThermoclineError } from "../errors.js";
export { written } from "../stored/written.js";
