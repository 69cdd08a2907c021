// All of the package in one script, for service workers, which may not load scripts by `import()`; see build.mjs.
import { load } from "../load.whole.browser.js";
import { loadWith } from "../module.js";

loadWith(load);

export * from "../api.js";
