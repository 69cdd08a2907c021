import { load } from "../load.cjs.js";
import { loadWith } from "../module.js";
import { namesLast } from "../names.js";
import { absolutePath } from "../path.node.js";

loadWith(load);
namesLast(absolutePath);

export * from "../api.js";
