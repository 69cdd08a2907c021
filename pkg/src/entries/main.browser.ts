import { load } from "../load.browser.js";
import { loadWith } from "../module.js";

loadWith(load);

export * from "../api.js";
