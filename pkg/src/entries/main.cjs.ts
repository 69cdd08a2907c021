import { load } from "../load.cjs.js";
import { loadWith } from "../module.js";

loadWith(load);

export * from "../api.js";
