// The whole package in one script, for service workers, which cannot use `import()`; see build.mjs.
import { load } from "../load.whole.browser.js";
import { loadWith } from "../module.js";

loadWith(load);

export * from "../api.js";
