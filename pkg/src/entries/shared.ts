// What all entries of the package must share on a platform. A separate script that the others import; see build.mjs.
export { ThermoclineError } from "../errors.js";
export { used, written } from "../stored/written.js";
