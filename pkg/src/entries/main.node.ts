import { load } from "../load.node.js";
import { loadWith } from "../module.js";

loadWith(load);

export * from "../api.js";
