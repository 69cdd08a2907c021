import { start } from "../worker/platform.browser.js";
import { startWith } from "../worker/vector-index.js";

startWith(start);

export * from "../worker/api.js";
