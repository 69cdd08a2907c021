import { namesLast } from "../names.js";
import { absolutePath } from "../path.node.js";
import { start } from "../worker/platform.cjs.js";
import { startWith } from "../worker/vector-index.js";

startWith(start);
namesLast(absolutePath);

export * from "../worker/api.js";
