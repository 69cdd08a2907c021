import { addressesAre } from "../worker/files.js";
import { start } from "../worker/platform.browser.js";
import { startWith } from "../worker/vector-index.js";

startWith(start);
addressesAre((address) => new URL(address, globalThis.document?.baseURI ?? location.href).href);

export * from "../worker/api.js";
